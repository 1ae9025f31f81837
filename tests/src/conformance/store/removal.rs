//! Removing batches.

use std::time::Duration;

use flotilla_core::batch::{BatchFilter, BatchState};
use flotilla_core::command::{Command, Selection};
use flotilla_core::dead_letter::DeadFilter;
use flotilla_core::ids::BatchId;
use flotilla_core::limits::Ceilings;
use flotilla_core::ports::store::{Appending, NewBatch, Opened, Reopened, Steered};

use super::fixture::{Fixture, somebody};
use super::samples::{REST, failure, inputs, retry, spec, success, waiting};

const DELETE: Command = Command::Delete { force: false };
const DELETE_BY_FORCE: Command = Command::Delete { force: true };

/// Nobody can see it, whatever they ask.
async fn assert_invisible(t: &Fixture, id: BatchId) {
    let (store, space) = (&t.store, &t.space);
    assert_eq!(store.batch(space, id).await.expect("reads"), None);
    assert!(t.items(id).await.is_empty());
    assert_eq!(t.result(id).await, None);
    assert_eq!(store.result(space, id, Some(1)).await.expect("reads"), None);
    assert_eq!(store.tried(space, id, 0).await.expect("reads"), []);
    assert_eq!(store.history(space, id).await.expect("reads"), []);
    let supply = store.supply(space, id, &Ceilings::default(), t.now()).await;
    assert_eq!(supply.expect("reads"), None);
    let listed = store
        .batches(space, &BatchFilter::default(), 99)
        .await
        .expect("lists");
    assert!(listed.iter().all(|batch| batch.id != id));
    let filter = DeadFilter::default();
    let dead = store.dead_letters(space, &filter, 99).await.expect("lists");
    assert!(dead.iter().all(|letter| letter.batch != id));
    let batches = store.dead_batches(space, &filter, 99).await.expect("counts");
    assert!(batches.iter().all(|(batch, _)| *batch != id));
    assert_eq!(store.audit(space, id).await.expect("reads"), None);
    assert_eq!(t.command(id, &Command::Resume).await, Steered::Unknown);
    assert_eq!(t.command(id, &DELETE_BY_FORCE).await, Steered::Unknown);
    let selection = Selection::default();
    let reopened = store
        .reopen(space, id, &selection, false, &somebody(), t.now())
        .await;
    assert_eq!(reopened.expect("answers"), Reopened::Unknown);
    let begun = store.begin_append(space, id, REST, t.now()).await;
    assert_eq!(begun.expect("answers"), Appending::Unknown);
}

/// With everything that a batch can leave.
async fn ended(t: &Fixture) -> BatchId {
    let id = t.dispatched(12).await;
    t.record((0..12).map(|index| retry(id, index, "busy")).collect())
        .await;
    t.advance(REST);
    t.sent(id, 12).await;
    let second = |attempt| super::samples::nth(2, attempt);
    t.record((0..12).map(|index| second(failure(id, index, "no"))).collect())
        .await;
    assert_eq!(t.state(id).await, BatchState::Completed);
    id
}

/// At once: what is left of it is nobody's.
pub async fn a_deleted_batch_is_invisible(t: Fixture) {
    let id = ended(&t).await;
    let other = ended(&t).await;
    let deleted = t.done(id, &DELETE).await;
    assert!(deleted.deleted);
    assert_invisible(&t, id).await;
    let groups = t.store.dead_groups(&t.space, &DeadFilter::default(), 9).await;
    assert_eq!(groups.expect("groups")[0].count, 12, "those of the other one");
    assert_eq!(t.items(other).await.len(), 12);
}

/// A few rows at a time, until nothing is left; and nothing of others.
pub async fn a_deleted_batch_is_removed_in_turns(t: Fixture) {
    let id = ended(&t).await;
    let other = ended(&t).await;
    t.done(id, &DELETE).await;
    let deleted = t.store.deleted_batches(9).await.expect("lists");
    assert_eq!(deleted, [(t.space.clone(), id)]);
    let mut turns = 0;
    while !t.store.purge(id, 5).await.expect("purges") {
        turns += 1;
        assert!(turns < 100, "it does not end");
        assert_invisible(&t, id).await;
    }
    assert!(turns > 5, "{turns} turns for some forty rows");
    assert_eq!(t.store.deleted_batches(9).await.expect("lists"), []);
    assert_invisible(&t, id).await;
    assert_eq!(t.store.place(id, 0).await.expect("reads"), None);
    assert!(t.store.purge(id, 5).await.expect("answers"), "again");
    assert_eq!(t.record(vec![success(id, 0)]).await, []);
    t.assert_consistent(other).await;
    assert_eq!(t.items(other).await.len(), 12);
}

/// Whoever opens a batch with it opens another one, also while the old one is being removed.
pub async fn the_key_of_a_deleted_batch_is_free(t: Fixture) {
    let with_key = || NewBatch {
        idempotency_key: Some("order 7".into()),
        ..t.new_batch()
    };
    let first = with_key();
    t.store.open_batch(first.clone()).await.expect("opens");
    t.store
        .append_items(first.id, 0, inputs(0..3))
        .await
        .expect("takes items");
    t.store
        .seal_batch(first.id, spec(), t.now())
        .await
        .expect("seals");
    t.finish(first.id).await;
    t.done(first.id, &DELETE).await;
    let second = with_key();
    assert_eq!(
        t.store.open_batch(second.clone()).await.expect("opens"),
        Opened::New
    );
    while !t.store.purge(first.id, 100).await.expect("purges") {}
    match t.store.open_batch(with_key()).await.expect("answers") {
        Opened::Existing(batch) => assert_eq!(batch.id, second.id),
        Opened::New => panic!("the key gave a third batch"),
    }
}

/// First it is cancelled, then it is removed; meanwhile it is watched, but nobody sees it.
pub async fn a_running_batch_is_deleted_by_force(t: Fixture) {
    let id = t.sealed(6).await;
    t.sent(id, 3).await;
    t.record(vec![retry(id, 0, "busy"), waiting(id, 1)]).await;
    assert!(matches!(t.command(id, &DELETE).await, Steered::Forbidden(_)));
    let deleted = t.done(id, &DELETE_BY_FORCE).await;
    assert_eq!((deleted.state, deleted.deleted), (BatchState::Cancelling, true));
    assert_invisible(&t, id).await;
    assert_eq!(t.claim(id, 9).await, []);
    assert_eq!(
        t.store.deleted_batches(9).await.expect("lists"),
        [],
        "not before it ended"
    );
    assert!(!t.store.purge(id, 100).await.expect("answers"));
    assert_eq!(t.store.halted_batches(9).await.expect("lists"), [id]);
    let mut swept = 0;
    for _ in 0..10 {
        swept += t.sweep(id, 2).await.map_or(0, |(batch, items)| {
            assert!(batch.deleted);
            items
        });
    }
    assert_eq!(swept, 6);
    assert_eq!(
        t.store.deleted_batches(9).await.expect("lists"),
        [(t.space.clone(), id)]
    );
    while !t.store.purge(id, 3).await.expect("purges") {}
    assert_invisible(&t, id).await;
}

/// Reports of its items come late, and are no error.
pub async fn reports_about_a_deleted_batch_still_end_it(t: Fixture) {
    let id = t.dispatched(2).await;
    t.done(id, &DELETE_BY_FORCE).await;
    let ended = t.record(vec![success(id, 0), success(id, 1)]).await;
    assert_eq!((ended[0].state, ended[0].deleted), (BatchState::Cancelled, true));
    assert_eq!(t.store.deleted_batches(9).await.expect("lists").len(), 1);
}

/// Nothing is removed that nobody deleted.
pub async fn only_deleted_batches_are_removed(t: Fixture) {
    let done = ended(&t).await;
    let running = t.dispatched(2).await;
    for id in [done, running] {
        assert!(!t.store.purge(id, 100).await.expect("answers"));
        t.assert_consistent(id).await;
    }
    assert_eq!(t.store.deleted_batches(9).await.expect("lists"), []);
    assert!(
        t.store.purge(t.new_batch().id, 9).await.expect("answers"),
        "nothing is left of it"
    );
}

/// Nobody deletes what is another's.
pub async fn a_space_deletes_its_own(t: Fixture) {
    let theirs = ended(&t.in_space("other")).await;
    assert_eq!(t.command(theirs, &DELETE_BY_FORCE).await, Steered::Unknown);
    assert_eq!(t.in_space("other").items(theirs).await.len(), 12);
}

/// A batch that stays open goes with what it has.
pub async fn an_open_batch_is_deleted_by_force(t: Fixture) {
    let id = t.uploaded(inputs(0..3)).await;
    t.store.keep_open(id, spec(), t.now()).await.expect("stays open");
    assert!(matches!(t.command(id, &DELETE).await, Steered::Forbidden(_)));
    t.store
        .begin_append(&t.space, id, REST, t.now())
        .await
        .expect("begins");
    t.store
        .append_items(id, 3, inputs(3..5))
        .await
        .expect("takes items");
    t.done(id, &DELETE_BY_FORCE).await;
    assert_invisible(&t, id).await;
    for _ in 0..5 {
        t.sweep(id, 9).await;
    }
    while !t.store.purge(id, 1).await.expect("purges") {}
    t.advance(Duration::from_secs(3_600));
    let later = t.now() + Duration::from_secs(3_600);
    assert_eq!(t.store.unsealed_batches(later, 9).await.expect("lists"), []);
    assert_eq!(t.store.abandoned_batches(later, 9).await.expect("lists"), []);
}

/// Watchers see to it that what is removed is shown to nobody any more.
pub async fn what_is_being_removed_is_watched(t: Fixture) {
    let id = t.dispatched(1).await;
    t.done(id, &DELETE_BY_FORCE).await;
    let mut watched = t.store.unfinished(None, 9).await.expect("lists");
    let since = (t.now(), BatchId::LOWEST);
    watched.extend(t.store.finished(since, 9).await.expect("lists"));
    for batch in watched {
        assert!(batch.id != id || batch.deleted);
    }
}
