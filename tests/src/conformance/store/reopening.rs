//! Items that ended and run again.

use std::time::Duration;

use flotilla_core::batch::{BatchState, Start};
use flotilla_core::command::{Command, Selection};
use flotilla_core::ids::BatchId;
use flotilla_core::item::ItemState;
use flotilla_core::place::Whereabouts;
use flotilla_core::ports::store::Reopened;

use super::fixture::{Fixture, somebody};
use super::samples::{
    REST, at_once, attempts, error, failure, indexes, items_of, lost, nth, retry, success, waiting,
};

async fn ask(t: &Fixture, id: BatchId, selection: &Selection, dry_run: bool) -> Reopened {
    let by = somebody();
    let answer = t.store.reopen(&t.space, id, selection, dry_run, &by, t.now());
    answer.await.expect("answers")
}

fn those(indices: &[u32]) -> Selection {
    Selection {
        indices: Some(indices.to_vec()),
        ..Selection::default()
    }
}

fn in_state(state: ItemState) -> Selection {
    Selection {
        states: vec![state],
        ..Selection::default()
    }
}

/// Two failed for different reasons, one waits no more, and one succeeded.
async fn ended(t: &Fixture) -> BatchId {
    let id = t.dispatched(4).await;
    t.record(vec![
        failure(id, 0, "row 7"),
        success(id, 1),
        failure(id, 2, "can't parse"),
        failure(id, 3, "row 9"),
    ])
    .await;
    id
}

/// All failed items, where nothing else is said; they go out as new ones would, and the batch goes on.
pub async fn failed_items_run_again(t: Fixture) {
    let id = ended(&t).await;
    let before = t.batch(id).await;
    t.advance(Duration::from_secs(60));
    let (items, batch) = t.reopen(id, &Selection::default()).await;
    assert_eq!((items, &batch), (3, &t.batch(id).await));
    assert_eq!((batch.state, batch.completed_at), (BatchState::Processing, None));
    assert_eq!((batch.version, batch.revision), (before.version + 1, 1));
    let counts = t.counts(id).await;
    assert_eq!((counts.retrying, counts.succeeded, counts.failed), (3, 1, 0));
    let item = t.item(id, 0).await;
    assert_eq!(
        (item.state, item.finished_at, item.attempts),
        (ItemState::Retrying, None, 1)
    );
    let claims = t.claim(id, 9).await;
    assert_eq!(attempts(&claims), [(0, 2), (2, 2), (3, 2)]);
    assert!(
        items_of(&claims).all(|item| item.last_attempt == 4),
        "as many as a new one"
    );
    t.publish(&claims).await;
    t.record(vec![
        nth(2, success(id, 0)),
        nth(2, failure(id, 2, "no")),
        nth(2, success(id, 3)),
    ])
    .await;
    assert_eq!(t.state(id).await, BatchState::Completed);
    t.assert_consistent(id).await;
}

/// The first one stays as it was.
pub async fn each_end_is_a_revision(t: Fixture) {
    let id = ended(&t).await;
    let first = t.result(id).await.expect("it ended");
    t.advance(Duration::from_secs(60));
    t.reopen(id, &Selection::default()).await;
    assert_eq!(
        t.result(id).await.as_ref(),
        Some(&first),
        "until there is another"
    );
    t.finish(id).await;
    let second = t.result(id).await.expect("it ended again");
    assert_eq!((first.revision, second.revision), (1, 2));
    assert!(second.created_at > first.created_at);
    let summary = &second.result_summary;
    assert_eq!((summary.succeeded, summary.failed, summary.attempts), (4, 0, 7));
    assert_eq!(summary.errors, []);
    let kept = t.store.result(&t.space, id, Some(1)).await.expect("reads");
    assert_eq!(kept, Some(first));
    assert_eq!(t.batch(id).await.revision, 2);
}

/// Those whose errors mean the same, and no others: what is left of the error groups is right.
pub async fn items_with_one_error_run_again(t: Fixture) {
    let id = ended(&t).await;
    let selection = Selection {
        fingerprint: Some(error("row 1").fingerprint()),
        ..Selection::default()
    };
    assert_eq!(t.reopen(id, &selection).await.0, 2);
    assert_eq!(indexes(&t.claim(id, 9).await), [0, 3]);
    t.record(vec![
        nth(2, failure(id, 3, "can't parse")),
        nth(2, success(id, 0)),
    ])
    .await;
    let errors = t.result(id).await.expect("it ended").result_summary.errors;
    assert_eq!((errors.len(), errors[0].count), (1, 2));
    assert_eq!(errors[0].sample, "can't parse");
    t.assert_consistent(id).await;
}

/// Of those named, what has ended as is asked for.
pub async fn named_items_run_again(t: Fixture) {
    let id = ended(&t).await;
    assert_eq!(
        t.reopen(id, &those(&[3, 1, 99, 3])).await.0,
        1,
        "one of them failed"
    );
    let succeeded = Selection {
        states: vec![ItemState::Succeeded],
        ..those(&[1, 2])
    };
    let (items, batch) = t.reopen(id, &succeeded).await;
    assert_eq!((items, batch.counts.retrying), (1, 2));
    assert_eq!(t.item(id, 1).await.output, None);
    t.finish(id).await;
}

/// A batch that was cancelled goes on, as many of its items as is asked for.
pub async fn cancelled_items_run_again(t: Fixture) {
    let id = t.sealed(6).await;
    t.sent(id, 3).await;
    t.record(vec![success(id, 0), retry(id, 1, "busy")]).await;
    t.done(
        id,
        &Command::Fail {
            error: "on fire".into(),
        },
    )
    .await;
    t.finish(id).await;
    let (items, batch) = t.reopen(id, &in_state(ItemState::Cancelled)).await;
    assert_eq!(
        (items, batch.state, &batch.error),
        (5, BatchState::Processing, &None)
    );
    let mut again = attempts(&t.claim(id, 9).await);
    again.sort_unstable();
    assert_eq!(again, [(1, 2), (2, 2), (3, 1), (4, 1), (5, 1)]);
    t.finish(id).await;
    assert_eq!(t.state(id).await, BatchState::Completed);
    assert_eq!(t.result(id).await.expect("it ended").revision, 2);
}

/// The first item that goes out starts it.
pub async fn a_batch_that_never_started_starts(t: Fixture) {
    let id = t.sealed(2).await;
    t.done(id, &Command::Cancel).await;
    t.finish(id).await;
    assert_eq!(t.batch(id).await.started_at, None);
    t.reopen(id, &in_state(ItemState::Cancelled)).await;
    t.sent(id, 9).await;
    assert_eq!(t.batch(id).await.started_at, Some(t.now()));
    t.finish(id).await;
}

/// Nothing moves.
pub async fn a_dry_run_only_counts(t: Fixture) {
    let id = ended(&t).await;
    let before = (t.batch(id).await, t.items(id).await);
    match ask(&t, id, &Selection::default(), true).await {
        Reopened::Done(items, batch) => assert_eq!((items, *batch), (3, before.0.clone())),
        other => panic!("{other:?}"),
    }
    assert_eq!((t.batch(id).await, t.items(id).await), before);
    assert_eq!(
        t.store.history(&t.space, id).await.expect("reads").len(),
        1,
        "its end"
    );
    t.assert_consistent(id).await;
}

/// Nothing to do is nothing done.
pub async fn a_selection_of_nothing_changes_nothing(t: Fixture) {
    let id = ended(&t).await;
    let before = t.batch(id).await;
    for selection in [
        those(&[]),
        those(&[1]),
        in_state(ItemState::Cancelled),
        in_state(ItemState::Queued),
    ] {
        let (items, batch) = t.reopen(id, &selection).await;
        assert_eq!((items, &batch), (0, &before), "{selection:?}");
    }
    assert_eq!(t.batch(id).await, before);
}

/// A batch that is open or being cancelled; those of others; those that are not there.
pub async fn only_what_may_be_opened_again_is(t: Fixture) {
    let open = t.uploaded(vec![]).await;
    let cancelling = t.dispatched(1).await;
    t.done(cancelling, &Command::Cancel).await;
    for (id, state) in [(open, BatchState::Open), (cancelling, BatchState::Cancelling)] {
        for dry_run in [true, false] {
            match ask(&t, id, &Selection::default(), dry_run).await {
                Reopened::Forbidden(forbidden) => assert_eq!(forbidden.state, state),
                other => panic!("{other:?}"),
            }
        }
    }
    let theirs = ended(&t.in_space("other")).await;
    for id in [theirs, t.new_batch().id] {
        assert_eq!(ask(&t, id, &Selection::default(), false).await, Reopened::Unknown);
        assert_eq!(ask(&t, id, &Selection::default(), true).await, Reopened::Unknown);
    }
}

/// While the rest goes on, or is paused.
pub async fn a_running_batch_is_reopened_as_it_is(t: Fixture) {
    let id = t.dispatched(4).await;
    t.record(vec![failure(id, 0, "no"), success(id, 1)]).await;
    let (items, batch) = t.reopen(id, &Selection::default()).await;
    assert_eq!(
        (items, batch.state, batch.counts.queued),
        (1, BatchState::Processing, 2)
    );
    t.done(id, &Command::Pause).await;
    t.record(vec![failure(id, 2, "no")]).await;
    let (items, batch) = t.reopen(id, &Selection::default()).await;
    assert_eq!((items, batch.state), (1, BatchState::Paused));
    assert_eq!(t.claim(id, 9).await, []);
    t.finish(id).await;
    assert_eq!(
        t.result(id).await.expect("it ended").revision,
        1,
        "it had not ended before"
    );
}

/// Reports of before the item ran again, however late, and whatever they say.
pub async fn reports_of_an_earlier_life_are_ignored(t: Fixture) {
    let id = ended(&t).await;
    t.reopen(id, &Selection::default()).await;
    let stale = || {
        vec![
            failure(id, 0, "no"),
            success(id, 2),
            retry(id, 3, "no"),
            lost(id, 0),
            waiting(id, 2),
        ]
    };
    for step in 0..3 {
        let before = t.batch(id).await;
        let after = t.record(stale()).await;
        assert_eq!(
            (after[0].version, after[0].counts),
            (before.version, before.counts),
            "step {step}"
        );
        assert!(t.sent(id, 9).await.len() == if step == 0 { 3 } else { 0 });
    }
    assert_eq!(t.place(id, 2).await.at, Whereabouts::Dispatched);
    t.assert_consistent(id).await;
    t.record(vec![
        nth(2, success(id, 0)),
        nth(2, success(id, 2)),
        nth(2, success(id, 3)),
    ])
    .await;
    assert_eq!(t.counts(id).await.succeeded, 4);
    t.assert_consistent(id).await;
}

/// All of them count from the last one.
pub async fn an_item_has_all_of_its_attempts_again(t: Fixture) {
    let id = t.dispatched_as(1, |spec| spec.max_attempts = 2).await;
    t.record(vec![retry(id, 0, "one")]).await;
    t.advance(REST);
    t.sent(id, 1).await;
    t.record(vec![nth(2, retry(id, 0, "two"))]).await;
    t.reopen(id, &Selection::default()).await;
    t.sent(id, 1).await;
    t.record(vec![nth(3, retry(id, 0, "three"))]).await;
    assert_eq!(t.counts(id).await.retrying, 1);
    t.advance(REST);
    t.sent(id, 1).await;
    t.record(vec![nth(4, retry(id, 0, "four"))]).await;
    assert_eq!(t.item(id, 0).await.attempts, 4);
    let tried = t.store.tried(&t.space, id, 0).await.expect("reads");
    let said: Vec<_> = tried
        .iter()
        .map(|tried| (tried.attempt, tried.error.message.as_str()))
        .collect();
    assert!(
        said.starts_with(&[(1, "one")]) && said.ends_with(&[(3, "three")]),
        "{said:?}"
    );
    t.assert_consistent(id).await;
}

/// A new life has no losses.
pub async fn what_was_lost_may_run_beside_others_again(t: Fixture) {
    let id = t.dispatched(1).await;
    for loss in 1..=3 {
        t.record(vec![nth(loss, lost(id, 0))]).await;
        t.publish(&t.claim_of(id, 0, 1).await).await;
    }
    assert_eq!(t.counts(id).await.failed, 1);
    t.reopen(id, &Selection::default()).await;
    assert_eq!(t.claim_of(id, 0, 9).await, []);
    let claims = t.claim(id, 9).await;
    assert!(items_of(&claims).all(|item| !item.isolated), "{claims:?}");
    assert_eq!(indexes(&claims), [0]);
    t.finish(id).await;
}

/// It would end the batch again before anything runs.
pub async fn a_deadline_that_has_passed_is_lifted(t: Fixture) {
    let deadline = t.now() + Duration::from_secs(60);
    let id = t.dispatched_as(1, |spec| spec.deadline = Some(deadline)).await;
    t.record(vec![failure(id, 0, "no")]).await;
    t.advance(Duration::from_secs(3_600));
    let (_, batch) = t.reopen(id, &Selection::default()).await;
    assert_eq!(
        (batch.spec.deadline, t.batch(id).await.spec.deadline),
        (None, None)
    );
    let overdue = t.store.overdue_batches(9, t.now()).await.expect("lists");
    assert_eq!(overdue, []);
    t.finish(id).await;
}

/// Who, and how many.
pub async fn history_tells_of_it(t: Fixture) {
    let id = ended(&t).await;
    t.advance(Duration::from_secs(60));
    t.reopen(id, &Selection::default()).await;
    let history = t.store.history(&t.space, id).await.expect("reads");
    let last = history.last().expect("something happened");
    let told = (last.at, &last.by, last.action.as_str(), last.detail.as_deref());
    assert_eq!(told, (t.now(), &somebody(), "retry", Some("3 items")));
}

/// Of many who ask at the same moment, each gets what nobody else got.
pub async fn an_item_is_reopened_by_one(t: Fixture) {
    let id = t.dispatched(30).await;
    t.record((0..30).map(|index| failure(id, index, "no")).collect())
        .await;
    let counted = at_once(6, |_| {
        let t = t.clone();
        async move { t.reopen(id, &Selection::default()).await.0 }
    })
    .await;
    assert_eq!(counted.iter().sum::<u32>(), 30, "{counted:?}");
    assert_eq!(t.counts(id).await.retrying, 30);
    t.finish(id).await;
}

/// Its start counts as come.
pub async fn a_batch_that_was_to_start_later_is_reopened_to_its_start(t: Fixture) {
    let start = t.now() + Duration::from_secs(60);
    let id = t.sealed_as(1, |spec| spec.start = Start::At(start)).await;
    t.done(id, &Command::Cancel).await;
    t.finish(id).await;
    t.reopen(id, &in_state(ItemState::Cancelled)).await;
    assert_eq!(t.claim(id, 9).await, []);
    t.advance(Duration::from_secs(60));
    assert_eq!(t.sent(id, 9).await, [0]);
}
