//! A file of the first version, with everything in it that one can hold, goes on where it was.

use std::path::Path;
use std::time::Duration;

use flotilla_core::attempt::Attempt;
use flotilla_core::batch::{BatchSpec, BatchState, Counts};
use flotilla_core::command::{Actor, Selection};
use flotilla_core::dead_letter::DeadFilter;
use flotilla_core::ids::{BatchId, Space, WorkerId};
use flotilla_core::item::{ItemFilter, ItemState};
use flotilla_core::json::Json;
use flotilla_core::limits::Ceilings;
use flotilla_core::message::Verdict;
use flotilla_core::outcome::Output;
use flotilla_core::ports::store::{
    Claim, DeadLetters, Dispatch, Intake, Ledger, Reading, Reopened, Steer, Store, Want,
};
use jiff::Timestamp;
use refinery::Target;
use rusqlite::Connection;

use super::embedded;
use crate::SqliteStore;

/// Ended: one item succeeded, one failed.
const ENDED: BatchId = BatchId(uuid::Uuid::from_u128(1));
/// Of six items five were dispatched: one is done, one was lost and waits, one was lost and is dispatched again, one is
/// dispatched, and one is with a publisher.
const RUNNING: BatchId = BatchId(uuid::Uuid::from_u128(2));
/// Sealed, and nothing else.
const PENDING: BatchId = BatchId(uuid::Uuid::from_u128(3));
/// Being uploaded.
const OPEN: BatchId = BatchId(uuid::Uuid::from_u128(4));

/// As the first version wrote it.
fn write_file(file: &Path) {
    let mut db = Connection::open(file).unwrap();
    let runner = embedded::migrations::runner().set_target(Target::Version(1));
    runner.run(&mut db).unwrap();
    let id = |id: BatchId| id.0.as_bytes().to_vec();
    let insert = "
        INSERT INTO batches (id, space, idempotency_key, job_type, pool, priority, max_attempts, timeout_ms, state, total,
                             max_input_bytes, created_at, last_append_at, sealed_at, started_at, completed_at)
        VALUES (?1, 'default', ?2, 'echo', 'default', 0, 3, 1000, ?2, ?3, 1, 1, 1, 1, ?4, ?5)";
    let batches = [
        (ENDED, "completed", 2, Some(1), Some(2)),
        (RUNNING, "processing", 6, Some(1), None),
        (PENDING, "pending", 2, None, None),
        (OPEN, "open", 1, None, None),
    ];
    for (number, (batch, state, total, started_at, completed_at)) in (1..).zip(batches) {
        let values = (id(batch), state, total, started_at, completed_at);
        db.execute(insert, values).unwrap();
        for index in 0..total {
            let item = "INSERT INTO batch_items (key, input) VALUES ((?1 << 32) | ?2, ?2)";
            db.execute(item, (number, index)).unwrap();
        }
    }
    db.execute_batch(ROWS).unwrap();
}

const ROWS: &str = r#"
    INSERT INTO batch_counters (batch, version, retrying, succeeded, failed) VALUES
        (1, 9, 0, 1, 1), (2, 9, 1, 1, 0), (3, 1, 0, 0, 0), (4, 1, 0, 0, 0);
    INSERT INTO batch_dispatch (batch, next_index) VALUES (1, 2), (2, 5), (3, 0), (4, 0);
    INSERT INTO batch_outcomes (key, state, attempt, output, started_at, duration_us, worker, recorded_at) VALUES
        (1 << 32, 'succeeded', 1, '0', 1, 1, 'w', 2), (2 << 32, 'succeeded', 1, '0', 1, 1, 'w', 2);
    INSERT INTO batch_outcomes (key, state, attempt, error_kind, error_message, fingerprint, started_at, duration_us,
                                worker, recorded_at)
    VALUES ((1 << 32) | 1, 'failed', 1, 'handler', 'no', 'abc', 1, 1, 'w', 2);
    INSERT INTO batch_results (batch, revision, result, created_at) VALUES (1, 1,
        '{"batch_id": "00000000-0000-0000-0000-000000000001", "revision": 1, "total_time_ms": 1, "avg_item_time_ms": 1,
          "success_rate": 0.5, "result_summary": {"total": 2, "succeeded": 1, "failed": 1, "cancelled": 0, "attempts": 2,
          "p50_ms": 1, "p95_ms": 1, "p99_ms": 1, "errors": []}, "created_at": "1970-01-01T00:00:00Z"}', 2);
    INSERT INTO item_retries (key, batch, attempt, due_at) VALUES ((2 << 32) | 1, 2, 1, 5), ((2 << 32) | 2, 2, 1, NULL);
    INSERT INTO dispatch_claims (batch, lease_until, first_key, end_key, again)
    VALUES (2, 5, (2 << 32) | 4, (2 << 32) | 5, '[8589934594]');
"#;

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn success(batch: BatchId, index: u32, attempt: u16) -> Attempt {
    Attempt {
        batch,
        index,
        attempt,
        verdict: Verdict::Done(Output::Inline(Json::null())),
        started_at: now(),
        duration_us: 1,
        worker: Some(WorkerId("w".into())),
        artifacts: Vec::new(),
    }
}

async fn upgraded(folder: &Path) -> SqliteStore {
    let file = folder.join("flotilla.db");
    write_file(&file);
    let store = SqliteStore::open(&file).unwrap();
    assert!(store.ping().await.is_err(), "it is of the first version");
    store.migrate().await.unwrap();
    store.ping().await.unwrap();
    store
}

async fn claim(store: &SqliteStore, batch: BatchId) -> Vec<Claim> {
    let wants = [Want {
        batch,
        items: 100,
        suspects: 100,
    }];
    let lease = Duration::from_secs(9);
    store
        .claim(&wants, &Ceilings::default(), lease, now())
        .await
        .unwrap()
}

fn items_of(claims: &[Claim]) -> Vec<(u32, u16, u16)> {
    let items = claims.iter().flat_map(|claim| &claim.items);
    items
        .map(|item| (item.index, item.attempt, item.last_attempt))
        .collect()
}

#[tokio::test]
async fn what_was_running_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = upgraded(folder.path()).await;
    let space = Space::default();
    let running = store.batch(&space, RUNNING).await.unwrap().unwrap();
    let counts = Counts {
        total: 6,
        pending: 2,
        queued: 3,
        succeeded: 1,
        ..Counts::default()
    };
    assert_eq!((running.state, running.counts), (BatchState::Processing, counts));
    let defaults = BatchSpec {
        job_type: "echo".into(),
        max_attempts: 3,
        timeout: Duration::from_secs(1),
        ..BatchSpec::default()
    };
    assert_eq!((running.spec, running.revision), (defaults, 0));
    let pending = ItemFilter::in_state(Some(ItemState::Pending));
    let pending = store.items(&space, RUNNING, &pending, 10).await.unwrap();
    assert_eq!(pending.iter().map(|item| item.index).collect::<Vec<_>>(), [1, 5]);

    let claims = claim(&store, RUNNING).await;
    assert_eq!(items_of(&claims), [(1, 1, 3), (5, 1, 3)]);
    let taken = store.take_over(Duration::from_secs(9), 9, now()).await.unwrap();
    assert_eq!(items_of(&taken), [(2, 1, 3), (4, 1, 3)]);
    let all = (1..6).map(|index| success(RUNNING, index, 1)).collect();
    let ended = &store.record(all, now()).await.unwrap()[0];
    assert_eq!((ended.state, ended.counts.succeeded), (BatchState::Completed, 6));
    assert_eq!(claim(&store, PENDING).await[0].items.len(), 2);
    let sealed = store.seal_batch(OPEN, BatchSpec::default(), now()).await.unwrap();
    assert_eq!((sealed.state, sealed.counts.total), (BatchState::Pending, 1));
}

#[tokio::test]
async fn what_had_failed_can_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = upgraded(folder.path()).await;
    let space = Space::default();
    let batch = store.batch(&space, ENDED).await.unwrap().unwrap();
    assert_eq!((batch.state, batch.revision), (BatchState::Completed, 1));
    let dead = store
        .dead_letters(&space, &DeadFilter::default(), 9)
        .await
        .unwrap();
    let dead: Vec<_> = dead
        .iter()
        .map(|dead| (dead.batch, dead.index, dead.fingerprint.as_str()))
        .collect();
    assert_eq!(dead, [(ENDED, 1, "abc")]);

    let dead = Selection {
        dead: true,
        ..Selection::default()
    };
    let by = Actor::system();
    let again = store.reopen(&space, ENDED, &dead, false, &by, now());
    assert!(matches!(again.await.unwrap(), Reopened::Done(1, _)));
    assert_eq!(items_of(&claim(&store, ENDED).await), [(1, 2, 4)]);
    store.record(vec![success(ENDED, 1, 2)], now()).await.unwrap();
    let revisions = [Some(1), Some(2), None, Some(3)];
    let mut found = Vec::new();
    for revision in revisions {
        let result = store.result(&space, ENDED, revision).await.unwrap();
        found.push(result.map(|result| result.result_summary.succeeded));
    }
    assert_eq!(found, [Some(1), Some(2), Some(2), None]);
}
