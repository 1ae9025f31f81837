//! Other transactions in the way. The store has one connection here; the test is the other session.

use std::time::Duration;

use flotilla_core::attempt::Attempt;
use flotilla_core::ids::BatchId;
use flotilla_core::message::Verdict;
use flotilla_core::outcome::{ItemError, ItemErrorKind};
use flotilla_core::{ErrorKind, WorkerId};
use flotilla_postgres::PostgresOptions;
use flotilla_tests::conformance::store::samples::{success, told};
use flotilla_tests::{Sandbox, eventually};
use futures_util::FutureExt;
use jiff::Timestamp;
use tokio_postgres::{Client, NoTls};

use super::fixture;

const PATIENCE: Duration = Duration::from_secs(30);
const LOCK: &str = "SELECT FROM batch_counters WHERE batch_id = $1 FOR UPDATE";

/// A session with an open transaction.
#[expect(
    clippy::disallowed_methods,
    reason = "the connection's task ends with its client"
)]
pub(super) async fn session(sandbox: &Sandbox) -> Client {
    let (client, connection) = tokio_postgres::connect(&sandbox.postgres_url(), NoTls)
        .await
        .expect("connects");
    tokio::spawn(connection);
    // If there is a deadlock, the store's session is the one that notices.
    client
        .batch_execute("SET deadlock_timeout = '1min'; BEGIN")
        .await
        .expect("begins");
    client
}

/// A session that holds the counters of `batch`.
pub(super) async fn holder(sandbox: &Sandbox, batch: BatchId) -> Client {
    let client = session(sandbox).await;
    client.execute(LOCK, &[&batch.0]).await.expect("locks");
    client
}

/// So many sessions wait for a lock.
pub(super) async fn waiting(sandbox: &Sandbox, many: i64) {
    let query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    eventually("sessions to wait", PATIENCE, || async {
        let found: i64 = sandbox.sql(query, &[]).await[0].get(0);
        (found == many).then_some(())
    })
    .await;
}

/// What it left is nothing, its session ends although it waits, and the next call has a connection at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_dropped_while_it_waits_leaves_nothing() {
    let (t, sandbox) = fixture(PostgresOptions::default()).await;
    let id = t.dispatched(3).await;
    let holder = holder(&sandbox, id).await;
    let mut call = Box::pin(t.record(vec![success(id, 0), success(id, 1)]));
    tokio::select! {
        _ = &mut call => panic!("the lock is held"),
        () = waiting(&sandbox, 1) => {}
    }
    drop(call);
    assert_eq!(t.counts(id).await.settled(), 0);
    waiting(&sandbox, 0).await;
    holder.batch_execute("ROLLBACK").await.expect("lets go");
    assert_eq!(t.counts(id).await.settled(), 0, "nothing of it came later");
    assert_eq!(t.record(vec![success(id, 1)]).await[0].counts.settled(), 1);
    t.finish(id).await;
}

/// Cut short at every point where it can be: the one connection is never left inside a transaction.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_dropped_anywhere_leaves_no_transaction() {
    let (t, sandbox) = fixture(PostgresOptions::default()).await;
    let id = t.dispatched(400).await;
    for index in 0..400 {
        let mut call = Box::pin(t.record(vec![success(id, index)]));
        for _ in 0..index {
            if call.as_mut().now_or_never().is_some() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(call);
        // The same connection, or one that replaced it: what this call sees and writes is not lost with the one before.
        let before = t.counts(id).await.succeeded;
        assert!(t.record(vec![success(id, 399 - index)]).await[0].counts.succeeded >= before);
    }
    let open =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in %'";
    eventually("every transaction to end", PATIENCE, || async {
        let found: i64 = sandbox.sql(open, &[]).await[0].get(0);
        (found == 0).then_some(())
    })
    .await;
    t.finish(id).await;
}

/// A wait has an end that does not depend on the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_has_a_time_limit() {
    let (t, sandbox) = fixture(PostgresOptions {
        call_timeout: Duration::from_millis(300),
        ..PostgresOptions::default()
    })
    .await;
    let id = t.dispatched(3).await;
    let holder = holder(&sandbox, id).await;
    let error = t
        .store
        .record(vec![success(id, 0)], t.now())
        .await
        .expect_err("the lock is held");
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", error.chain());
    holder.batch_execute("ROLLBACK").await.expect("lets go");
    assert_eq!(t.record(vec![success(id, 2)]).await[0].counts.settled(), 1);
}

/// A lock that somebody holds for long is no reason to wait for ever, and says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_has_a_time_limit() {
    let options = PostgresOptions {
        lock_timeout: Duration::from_millis(200),
        ..PostgresOptions::default()
    };
    let (t, sandbox) = fixture(options).await;
    let id = t.dispatched(3).await;
    let _holder = holder(&sandbox, id).await;
    let error = t
        .store
        .record(vec![success(id, 0)], t.now())
        .await
        .expect_err("the lock is held");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.chain().contains("55P03"), "{}", error.chain());
}

/// The store is the victim of a deadlock with somebody who does not keep its order, and does the work again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_victim_of_a_deadlock_tries_again() {
    let (t, sandbox) = fixture(PostgresOptions::default()).await;
    let (first, second) = (t.dispatched(2).await, t.dispatched(2).await);
    let other = holder(&sandbox, second).await;
    let outcomes = vec![success(second, 0), success(first, 0)];
    let disorder = async {
        waiting(&sandbox, 1).await;
        other
            .execute(LOCK, &[&first.0])
            .await
            .expect("the store gives way");
        other.batch_execute("COMMIT").await.expect("commits");
    };
    let (changed, ()) = tokio::join!(t.record(outcomes), disorder);
    assert_eq!(
        changed
            .iter()
            .map(|batch| batch.counts.settled())
            .collect::<Vec<_>>(),
        [1, 1]
    );
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    eventually("the server to tell of the deadlock", PATIENCE, || async {
        let counted: i64 = sandbox.sql(deadlocks, &[]).await[0].get(0);
        (counted > 0).then_some(())
    })
    .await;
    t.finish(first).await;
    t.finish(second).await;
}

/// A publisher does not wait for another one, nor for whoever records.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_waits_for_nobody() {
    let (t, sandbox) = fixture(PostgresOptions::default()).await;
    let (held, free) = (t.sealed(5).await, t.sealed(5).await);
    t.claim(free, 1).await;
    let publisher = session(&sandbox).await;
    publisher
        .execute(
            "SELECT FROM batch_dispatch WHERE batch_id = $1 FOR UPDATE",
            &[&held.0],
        )
        .await
        .expect("locks");
    let _recorder = holder(&sandbox, free).await;
    assert!(
        t.claim(held, 5).await.is_empty(),
        "somebody else is claiming from it"
    );
    assert_eq!(t.claim(free, 5).await[0].items.len(), 4);
}

/// What no honest worker sends must not stop the reports behind it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_that_does_not_fit_is_made_to_fit() {
    let (t, _sandbox) = fixture(PostgresOptions::default()).await;
    let id = t.dispatched(1).await;
    let error = ItemError {
        kind: ItemErrorKind::Handler,
        message: "a\0b".into(),
    };
    let odd = Attempt {
        started_at: Timestamp::MIN,
        duration_us: u64::MAX,
        worker: Some(WorkerId("w\0".into())),
        ..told(id, 0, Verdict::Fail(error))
    };
    assert_eq!(t.record(vec![odd]).await[0].counts.failed, 1);
    let item = t.items(id).await.remove(0);
    assert_eq!(item.error.map(|error| error.message).as_deref(), Some("ab"));
}
