//! From the schema of the first version, with data in it, to that of this one.

use std::sync::Arc;
use std::time::Duration;

use flotilla_core::batch::{BatchState, Start};
use flotilla_core::command::Selection;
use flotilla_core::dead_letter::DeadFilter;
use flotilla_core::ids::{BatchId, Space};
use flotilla_core::item::ItemState;
use flotilla_core::outcome::{ItemError, ItemErrorKind};
use flotilla_core::place::Whereabouts;
use flotilla_core::ports::store::{Reopened, Store};
use flotilla_postgres::PostgresOptions;
use flotilla_tests::Sandbox;
use flotilla_tests::conformance::store::Fixture;
use flotilla_tests::conformance::store::fixture::somebody;
use flotilla_tests::conformance::store::samples::{indexes, nth, success, successes};
use tokio::time::{Instant, sleep};
use tokio_postgres::Client;
use uuid::Uuid;

use super::locks::{session, waiting};
use super::open;

const V1: &str = include_str!("../../../../shared/postgres/migrations/V1__batches.sql");
const DATA: &str = include_str!("upgrade.sql");
/// As the previous version ends a batch, on whichever schema it finds.
const END: &str = include_str!("upgrade_end.sql");

const ENDED: BatchId = BatchId(Uuid::from_u128(0x0100_0000_0000_7000_8000_0000_0000_0001));
const RUNNING: BatchId = BatchId(Uuid::from_u128(0x0100_0000_0000_7000_8000_0000_0000_0002));
const UPLOAD: BatchId = BatchId(Uuid::from_u128(0x0100_0000_0000_7000_8000_0000_0000_0003));

/// The schema of the first version as its program left it: the record of what was applied says so.
async fn first_version(sandbox: &Sandbox) -> Client {
    let fresh = Sandbox::new().await;
    let store = open(&fresh.postgres_url(), &PostgresOptions::default());
    store.migrate().await.expect("an empty database migrates");
    let history = "SELECT name, applied_on, checksum FROM flotilla_schema_history WHERE version = 1";
    let applied = fresh.sql(history, &[]).await.remove(0);
    let client = session(sandbox).await;
    client.batch_execute(V1).await.expect("the schema is made");
    client
        .batch_execute(
            "CREATE TABLE flotilla_schema_history
                 (version int4 PRIMARY KEY, name varchar(255), applied_on varchar(255), checksum varchar(255))",
        )
        .await
        .expect("the record is made");
    let (name, on, checksum): (String, String, String) = (applied.get(0), applied.get(1), applied.get(2));
    client
        .execute(
            "INSERT INTO flotilla_schema_history VALUES (1, $1, $2, $3)",
            &[&name, &on, &checksum],
        )
        .await
        .expect("the record is written");
    client.batch_execute(DATA).await.expect("there is data");
    client.batch_execute("COMMIT").await.expect("commits");
    client
}

/// A table that somebody reads for long is not waited for in front of everybody else: processes of the previous version
/// go on reading and writing until the migration gets its turn, and afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_lets_others_pass_while_it_waits() {
    let sandbox = Sandbox::new().await;
    let previous = first_version(&sandbox).await;
    let (report, server) = (session(&sandbox).await, sandbox.postgres_url());
    report
        .batch_execute("SELECT count(*) FROM batches")
        .await
        .expect("a long transaction begins");
    let migrating = async {
        let store = open(&server, &PostgresOptions::default());
        store.migrate().await.expect("migrates in the end");
        store.ping().await.expect("the schema fits");
    };
    let working = async {
        waiting(&sandbox, 1).await;
        let began = Instant::now();
        // More than once the time for which the migration waits.
        while began.elapsed() < Duration::from_secs(4) {
            let asked = Instant::now();
            previous
                .batch_execute(
                    "UPDATE batch_counters SET version = version + 1; SELECT count(*) FROM batches;
                     UPDATE batches SET name = name",
                )
                .await
                .expect("the previous version still works");
            let took = asked.elapsed();
            assert!(took < Duration::from_secs(3), "it stood still for {took:?}");
            sleep(Duration::from_millis(50)).await;
        }
        report.batch_execute("COMMIT").await.expect("commits");
    };
    tokio::join!(migrating, working);
    previous
        .batch_execute(END)
        .await
        .expect("the previous version still works");
}

async fn upgraded() -> (Fixture, Client) {
    let sandbox = Sandbox::new().await;
    let client = first_version(&sandbox).await;
    let store = open(&sandbox.postgres_url(), &PostgresOptions::default());
    store
        .ping()
        .await
        .expect_err("the schema is that of the first version");
    store.migrate().await.expect("migrates");
    store.ping().await.expect("the schema fits");
    let t = Fixture::new(Arc::new(store), Box::new(sandbox)).in_space("old");
    (t, client)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ended_before_reads_right() {
    let (t, _) = upgraded().await;
    let ended = t.batch(ENDED).await;
    assert_eq!((ended.state, ended.revision), (BatchState::Completed, 1));
    assert_eq!((ended.counts.succeeded, ended.counts.failed), (1, 2));
    assert_eq!((ended.spec.start, ended.spec.max_attempts), (Start::Auto, 3));
    assert!(!ended.deleted && !ended.awaits_approval && ended.paused.is_none());
    t.assert_consistent(ENDED).await;

    let letters = t.store.dead_letters(&t.space, &DeadFilter::default(), 10).await;
    let letters = letters.expect("lists dead letters");
    let of: Vec<_> = letters
        .iter()
        .map(|letter| (letter.batch, letter.index))
        .collect();
    assert_eq!(of, [(ENDED, 1), (ENDED, 2)]);
    assert_eq!(
        letters[0].error,
        ItemError::new(ItemErrorKind::Timeout, "took over 30 s")
    );
    assert_eq!((letters[0].attempts, letters[0].job_type.as_str()), (1, "echo"));
    assert_eq!(letters[0].input.as_str(), r#"{"n": 1}"#);
    let other = t
        .store
        .dead_letters(&Space::default(), &DeadFilter::default(), 10)
        .await;
    assert_eq!(other.expect("lists dead letters"), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ended_before_runs_again() {
    let (t, _) = upgraded().await;
    let again = t
        .store
        .reopen(
            &t.space,
            ENDED,
            &Selection::default(),
            false,
            &somebody(),
            t.now(),
        )
        .await
        .expect("reopens");
    assert!(matches!(again, Reopened::Done(2, _)), "{again:?}");
    assert_eq!(t.state(ENDED).await, BatchState::Processing);
    t.finish(ENDED).await;
    assert_eq!(t.batch(ENDED).await.revision, 2);
    let first = t
        .store
        .result(&t.space, ENDED, Some(1))
        .await
        .expect("reads a result");
    assert_eq!(first.map(|result| result.result_summary.failed), Some(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ran_before_goes_on() {
    let (t, _) = upgraded().await;
    let batch = t.batch(RUNNING).await;
    assert_eq!(
        (batch.counts.queued, batch.counts.retrying, batch.counts.pending),
        (1, 1, 2)
    );
    let (due, dispatched) = (t.place(RUNNING, 1).await, t.place(RUNNING, 2).await);
    assert_eq!(
        (due.at, due.attempt, due.last_attempt),
        (Whereabouts::Retrying, 1, 3)
    );
    assert_eq!(
        (dispatched.at, dispatched.attempt, dispatched.last_attempt),
        (Whereabouts::Dispatched, 2, 3)
    );
    // What the publisher of the previous version was about to send when it was stopped.
    let left = t.take_over().await;
    assert_eq!(indexes(&left), [2]);
    assert_eq!((left[0].items[0].attempt, left[0].items[0].last_attempt), (2, 3));
    let claims = t.claim(RUNNING, 2).await;
    assert_eq!(indexes(&claims), [1, 3]);
    t.record(successes(&claims)).await;
    t.record(vec![nth(2, success(RUNNING, 2))]).await;
    t.finish(RUNNING).await;

    t.store
        .seal_batch(UPLOAD, batch.spec.clone(), t.now())
        .await
        .expect("an upload goes on");
    t.finish(UPLOAD).await;
}

/// It ends items without a look at their leases.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_that_the_previous_version_leaves_behind_go() {
    let (t, previous) = upgraded().await;
    let lease = "INSERT INTO item_leases (batch_id, index, attempt, kind, until)
                 VALUES ($1, 0, 1, 'waiting', now() - interval '1 minute')";
    previous
        .execute(lease, &[&ENDED.0])
        .await
        .expect("leaves a lease");
    let before = t.batch(ENDED).await;
    assert_eq!(t.expire_leases().await, []);
    assert_eq!(t.batch(ENDED).await, before);
    let left = previous.query("SELECT FROM item_leases", &[]).await;
    assert_eq!(left.expect("counts leases").len(), 0);
}

/// Until the last process of the previous version has stopped, both work on the same batches.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_previous_version_ends_meanwhile_is_no_exception() {
    let (t, previous) = upgraded().await;
    previous
        .batch_execute(END)
        .await
        .expect("the previous version still works");
    assert_eq!(t.state(RUNNING).await, BatchState::Completed);
    t.assert_consistent(RUNNING).await;
    let states: Vec<_> = t.items(RUNNING).await.iter().map(|item| item.state).collect();
    assert_eq!(
        states,
        [
            ItemState::Succeeded,
            ItemState::Succeeded,
            ItemState::Failed,
            ItemState::Failed,
            ItemState::Failed
        ]
    );
    let again = t
        .store
        .reopen(
            &t.space,
            RUNNING,
            &Selection::default(),
            false,
            &somebody(),
            t.now(),
        )
        .await
        .expect("reopens");
    assert!(matches!(again, Reopened::Done(3, _)), "{again:?}");
    t.finish(RUNNING).await;
    assert_eq!(t.batch(RUNNING).await.revision, 2);
}
