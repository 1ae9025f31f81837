//! The end of batches that are cancelled, or that fail.

use std::time::Duration;

use flotilla_core::batch::BatchState;
use flotilla_core::command::Command;
use flotilla_core::item::ItemState;
use jiff::Timestamp;

use super::fixture::Fixture;
use super::samples::{REST, cancelled, failure, leased, lost, nth, released, retry, success, waiting};

async fn swept(t: &Fixture, id: flotilla_core::BatchId, limit: u32, grace_since: Timestamp) -> u32 {
    let swept = t.store.sweep(id, limit, grace_since, t.now()).await;
    swept.expect("sweeps").expect("it is being cancelled").1
}

/// Whatever is not in flight is cancelled, in chunks; the rest has time to end by itself.
pub async fn what_does_not_run_is_cancelled_first(t: Fixture) {
    let id = t.sealed(12).await;
    t.sent(id, 6).await;
    t.record(vec![
        retry(id, 0, "busy"),
        released(id, 1),
        lost(id, 2),
        waiting(id, 3),
        leased(id, 4, REST),
    ])
    .await;
    t.done(id, &Command::Cancel).await;
    let halted = t.now();
    let mut all = 0;
    for _ in 0..20 {
        let items = swept(&t, id, 3, halted).await;
        assert!(items <= 3, "{items}");
        all += items;
        t.counts(id).await;
    }
    assert_eq!(all, 10, "all but two");
    let counts = t.counts(id).await;
    assert_eq!((counts.cancelled, counts.queued, counts.pending), (10, 2, 0));
    assert_eq!(t.state(id).await, BatchState::Cancelling);
    t.assert_consistent(id).await;
    let ended = t.record(vec![cancelled(id, 4), success(id, 5)]).await;
    assert_eq!(ended[0].state, BatchState::Cancelled);
    assert_eq!((ended[0].counts.cancelled, ended[0].counts.succeeded), (11, 1));
    t.assert_consistent(id).await;
}

/// Once their time to end by themselves is over.
pub async fn what_runs_is_cancelled_after_its_grace(t: Fixture) {
    let id = t.dispatched(5).await;
    t.record(vec![leased(id, 4, REST)]).await;
    t.done(id, &Command::Cancel).await;
    let grace = Duration::from_secs(10);
    t.advance(grace);
    assert_eq!(
        swept(&t, id, 9, t.now() - grace).await,
        0,
        "halted then, not before"
    );
    t.advance(Duration::from_secs(1));
    assert_eq!(swept(&t, id, 2, t.now() - grace).await, 2);
    assert_eq!(t.counts(id).await.cancelled, 2);
    assert_eq!(swept(&t, id, 9, t.now() - grace).await, 3);
    let ended = t.batch(id).await;
    assert_eq!(
        (ended.state, ended.completed_at),
        (BatchState::Cancelled, Some(t.now()))
    );
    t.assert_consistent(id).await;
    assert_eq!(t.place_and_lease(id, 4).await.1, None);
}

/// Their workers did not know.
pub async fn late_reports_of_cancelled_items_are_ignored(t: Fixture) {
    let id = t.dispatched(3).await;
    t.done(id, &Command::Cancel).await;
    t.advance(Duration::from_secs(60));
    t.sweep(id, 9).await;
    let ended = t.batch(id).await;
    let late = t
        .record(vec![success(id, 0), failure(id, 1, "no"), retry(id, 2, "busy")])
        .await;
    assert_eq!(late[0], ended);
    assert_eq!(t.result(id).await.expect("it ended").result_summary.cancelled, 3);
    t.assert_consistent(id).await;
}

/// While it is being cancelled, success and failure count, and nothing else starts.
pub async fn reports_of_a_batch_that_is_being_cancelled_settle_its_items(t: Fixture) {
    let id = t.dispatched(7).await;
    t.done(id, &Command::Cancel).await;
    t.record(vec![
        success(id, 0),
        failure(id, 1, "no"),
        retry(id, 2, "busy"),
        released(id, 3),
        waiting(id, 4),
        lost(id, 5),
    ])
    .await;
    let counts = t.counts(id).await;
    assert_eq!(
        (counts.succeeded, counts.failed, counts.cancelled, counts.queued),
        (1, 1, 4, 1)
    );
    assert_eq!((counts.retrying, counts.waiting), (0, 0));
    t.finish(id).await;
}

/// Everything of it, and how it was halted.
pub async fn a_batch_ends_as_what_halted_it(t: Fixture) {
    let cancelled = t.sealed(3).await;
    t.done(cancelled, &Command::Cancel).await;
    let failed = t.sealed(3).await;
    t.done(failed, &Command::Fail { error: "late".into() }).await;
    let ends = [
        (cancelled, BatchState::Cancelled, None),
        (failed, BatchState::Failed, Some("late".to_owned())),
    ];
    for (id, state, error) in ends {
        let (batch, items) = t.sweep(id, 9).await.expect("it is being cancelled");
        assert_eq!((batch.state, batch.error.clone(), items), (state, error, 3));
        assert_eq!(batch, t.batch(id).await);
        let result = t.result(id).await.expect("it ended").result_summary;
        assert_eq!((result.cancelled, result.attempts), (3, 0));
        let item = t.item(id, 2).await;
        assert_eq!((item.state, item.attempts), (ItemState::Cancelled, 0));
        assert_eq!(
            (item.finished_at, item.error, item.output),
            (Some(t.now()), None, None)
        );
        t.assert_consistent(id).await;
    }
}

/// The attempts that were made count.
pub async fn attempts_of_cancelled_items_count(t: Fixture) {
    let id = t.dispatched(3).await;
    t.record(vec![retry(id, 0, "busy"), retry(id, 1, "busy")]).await;
    t.advance(REST);
    t.sent(id, 1).await;
    t.done(id, &Command::Cancel).await;
    t.finish(id).await;
    let mut attempts: Vec<_> = t.items(id).await.iter().map(|item| item.attempts).collect();
    attempts.sort_unstable();
    assert_eq!(attempts, [1, 1, 2]);
    let summary = t.result(id).await.expect("it ended").result_summary;
    assert_eq!(summary.attempts, 4);
}

/// Only a batch that is being cancelled is swept.
pub async fn nothing_else_is_swept(t: Fixture) {
    let running = t.dispatched(2).await;
    let done = t.sealed(0).await;
    let paused = t.sealed(2).await;
    t.done(paused, &Command::Pause).await;
    for id in [running, done, paused, t.new_batch().id] {
        assert_eq!(t.sweep(id, 9).await, None);
    }
    assert_eq!(t.counts(running).await.queued, 2);
    let cancelled = t.sealed(2).await;
    t.done(cancelled, &Command::Cancel).await;
    t.finish(cancelled).await;
    assert_eq!(t.sweep(cancelled, 9).await, None, "it has ended");
}

/// So that somebody sweeps them: of every space, those that are to be removed too, and no others.
pub async fn batches_that_are_being_cancelled_are_found(t: Fixture) {
    let cancelled = t.dispatched(1).await;
    t.done(cancelled, &Command::Cancel).await;
    let elsewhere = t.in_space("elsewhere");
    let failed = elsewhere.dispatched(1).await;
    elsewhere
        .done(failed, &Command::Fail { error: "no".into() })
        .await;
    let deleted = t.dispatched(1).await;
    t.done(deleted, &Command::Delete { force: true }).await;
    t.dispatched(1).await;
    let found = async |limit| {
        let mut found = t.store.halted_batches(limit).await.expect("lists");
        found.sort_unstable();
        found
    };
    assert_eq!(found(9).await, [cancelled, failed, deleted]);
    assert_eq!(found(2).await.len(), 2);
    t.finish(cancelled).await;
    assert_eq!(found(9).await, [failed, deleted]);
}

/// Publishers that hold items of it do not bring them back.
pub async fn claims_of_a_cancelled_batch_lead_nowhere(t: Fixture) {
    let id = t.sealed(4).await;
    t.claim(id, 4).await;
    t.done(id, &Command::Cancel).await;
    t.finish(id).await;
    t.advance(Duration::from_secs(3_600));
    assert_eq!(t.take_over().await, []);
    assert_eq!(t.redispatch(id).await, 0);
    t.assert_consistent(id).await;
}

/// Its second attempts too.
pub async fn items_of_later_attempts_are_cancelled_with_the_others(t: Fixture) {
    let id = t.dispatched(2).await;
    t.record(vec![retry(id, 0, "busy")]).await;
    t.advance(REST);
    t.sent(id, 9).await;
    t.record(vec![nth(2, waiting(id, 0))]).await;
    t.done(id, &Command::Cancel).await;
    let (batch, items) = t.sweep(id, 9).await.expect("it is being cancelled");
    assert!(items >= 1 && batch.counts.waiting == 0, "{batch:?}");
    t.finish(id).await;
    assert_eq!(t.item(id, 0).await.attempts, 2);
}

/// Nobody has to halt a batch twice.
pub async fn batches_whose_deadline_has_passed_are_found(t: Fixture) {
    let hour = Duration::from_secs(3_600);
    let deadline = t.now() + hour;
    let due = t.sealed_as(2, |spec| spec.deadline = Some(deadline)).await;
    let elsewhere = t.in_space("elsewhere");
    let theirs = elsewhere
        .dispatched_as(2, |spec| spec.deadline = Some(deadline))
        .await;
    let paused = t.sealed_as(2, |spec| spec.deadline = Some(deadline)).await;
    t.done(paused, &Command::Pause).await;
    let cancelled = t.sealed_as(2, |spec| spec.deadline = Some(deadline)).await;
    t.done(cancelled, &Command::Cancel).await;
    let ended = t.sealed_as(0, |spec| spec.deadline = Some(deadline)).await;
    t.sealed_as(2, |spec| spec.deadline = Some(deadline + hour)).await;
    t.sealed(2).await;
    let found = async |limit| {
        let mut found = t.store.overdue_batches(limit, t.now()).await.expect("lists");
        found.sort_unstable_by_key(|(_, id)| *id);
        found
    };
    assert_eq!(found(9).await, []);
    t.advance(hour);
    let expected = [
        (t.space.clone(), due),
        (elsewhere.space.clone(), theirs),
        (t.space.clone(), paused),
    ];
    let all = found(9).await;
    assert_eq!(all, expected);
    assert!(all.iter().all(|(_, id)| *id != ended));
    assert_eq!(found(2).await.len(), 2);
    for (space, id) in all {
        let t = t.in_space(space.as_str());
        t.done(
            id,
            &Command::Fail {
                error: "its deadline passed".into(),
            },
        )
        .await;
        t.finish(id).await;
        assert_eq!(t.state(id).await, BatchState::Failed);
    }
    assert_eq!(found(9).await, []);
}
