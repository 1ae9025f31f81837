//! What has to wait for what, so that nothing goes out that must not. The store has one connection here; the test is the
//! other session.

use std::time::Duration;

use flotilla_core::batch::BatchState;
use flotilla_core::command::Command;
use flotilla_core::ids::BatchId;
use flotilla_core::limits::{Ceiling, Ceilings, Scope};
use flotilla_core::place::Whereabouts;
use flotilla_postgres::PostgresOptions;
use flotilla_tests::conformance::store::samples::{indexes, leased, want};
use tokio_postgres::Client;

use super::fixture;
use super::locks::{holder, session, waiting};

async fn run(session: &Client, statement: &str, batch: BatchId) {
    session
        .execute(statement, &[&batch.0])
        .await
        .expect("the session runs a statement");
}

/// Once somebody was told that a batch is halted, nothing of it goes out: a claim under way is waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_waits_for_a_claim_under_way() {
    let (t, sandbox) = fixture(PostgresOptions::default()).await;
    let id = t.sealed(5).await;
    t.sent(id, 1).await;
    let publisher = session(&sandbox).await;
    let claim = "UPDATE batch_dispatch SET next_index = 3 WHERE batch_id = $1";
    run(&publisher, claim, id).await;
    let commit = async {
        waiting(&sandbox, 1).await;
        publisher.batch_execute("COMMIT").await.expect("commits");
    };
    let (halted, ()) = tokio::join!(t.done(id, &Command::Cancel), commit);
    assert_eq!((halted.state, halted.counts.queued), (BatchState::Cancelling, 3));
    assert!(t.claim(id, 5).await.is_empty());
    t.finish(id).await;
}

/// And while somebody is about to halt it, no claim begins.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_keeps_away_from_a_command_under_way() {
    let (t, sandbox) = fixture(PostgresOptions::default()).await;
    let id = t.sealed(5).await;
    t.sent(id, 1).await;
    let person = session(&sandbox).await;
    let lock = "SELECT FROM batch_dispatch WHERE batch_id = $1 FOR NO KEY UPDATE";
    run(&person, lock, id).await;
    assert!(t.claim(id, 5).await.is_empty());
    person.batch_execute("ROLLBACK").await.expect("lets go");
    assert_eq!(t.claim(id, 5).await[0].items.len(), 4);
}

/// Outcomes that are being counted may stop a batch that has a guard rail: what is claimed waits for that, and sees it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_waits_for_outcomes_that_may_stop_it() {
    let (t, sandbox) = fixture(PostgresOptions::default()).await;
    let id = t.sealed_as(9, |spec| spec.canary = Some(5)).await;
    t.sent(id, 1).await;
    let recorder = holder(&sandbox, id).await;
    let pause = "UPDATE batches SET state = 'paused' WHERE id = $1";
    let commit = async {
        waiting(&sandbox, 1).await;
        run(&recorder, pause, id).await;
        recorder.batch_execute("COMMIT").await.expect("commits");
    };
    let (claims, ()) = tokio::join!(t.claim(id, 4), commit);
    assert_eq!(claims, []);
}

/// Two publishers under one ceiling go one after the other; a batch that is under none does not wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_under_a_ceiling_go_one_by_one() {
    let (t, sandbox) = fixture(PostgresOptions::default()).await;
    let mut ceilings = Ceilings::default();
    let ceiling = Ceiling {
        concurrency: Some(4),
        rate_per_s: None,
    };
    ceilings.insert(Scope::Space(t.space.clone()), ceiling);
    let (first, second) = (t.sealed(9).await, t.sealed(9).await);
    let free = t.in_space("free").sealed(9).await;
    assert_eq!(t.claim_within(&[want(first, 1)], &ceilings).await.len(), 1);

    let publisher = session(&sandbox).await;
    publisher
        .batch_execute("SELECT FROM dispatch_scopes FOR UPDATE")
        .await
        .expect("locks");
    let claims = t.claim_within(&[want(free, 9)], &ceilings).await;
    assert_eq!(indexes(&claims).len(), 9);
    let claim = "UPDATE batch_dispatch SET next_index = 3 WHERE batch_id = $1";
    let commit = async {
        waiting(&sandbox, 1).await;
        run(&publisher, claim, first).await;
        publisher.batch_execute("COMMIT").await.expect("commits");
    };
    let wants = [want(second, 9)];
    let (claims, ()) = tokio::join!(t.claim_within(&wants, &ceilings), commit);
    assert_eq!(indexes(&claims), [0], "three of four were in flight by then");
}

/// Found over, and renewed before its batch could be locked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_is_renewed_meanwhile_does_not_expire() {
    let (t, sandbox) = fixture(PostgresOptions::default()).await;
    let id = t.dispatched(2).await;
    let minute = Duration::from_secs(60);
    t.record(vec![leased(id, 0, minute), leased(id, 1, minute)]).await;
    t.advance(minute * 2);
    let worker = holder(&sandbox, id).await;
    let renew = "UPDATE item_leases SET until = until + interval '1 day' WHERE batch_id = $1 AND index = 0";
    let commit = async {
        waiting(&sandbox, 1).await;
        run(&worker, renew, id).await;
        worker.batch_execute("COMMIT").await.expect("commits");
    };
    let (changed, ()) = tokio::join!(t.expire_leases(), commit);
    assert_eq!(changed.len(), 1);
    let mut places = Vec::new();
    for index in 0..2 {
        places.push(t.place(id, index).await.at);
    }
    assert_eq!(places, [Whereabouts::Leased, Whereabouts::Retrying]);
    t.finish(id).await;
}
