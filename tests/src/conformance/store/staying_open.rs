//! Batches that stay open, and take items until they are sealed.

use std::time::Duration;

use flotilla_core::batch::{Batch, BatchFilter, BatchState, Start};
use flotilla_core::command::Command;
use flotilla_core::ids::BatchId;
use flotilla_core::ports::store::{Appending, Steered};

use super::fixture::{Fixture, somebody};
use super::samples::{assert_conflict, at_once, inputs, spec};

const SILENCE: Duration = Duration::from_secs(60);

async fn kept_open(t: &Fixture, items: u32) -> BatchId {
    let id = t.uploaded(inputs(0..items)).await;
    t.store.keep_open(id, spec(), t.now()).await.expect("stays open");
    id
}

/// Nothing is skipped here.
fn ready(first: u32) -> Appending {
    Appending::Ready { first, skipped: 0 }
}

async fn begin(t: &Fixture, id: BatchId) -> Appending {
    let begun = t.store.begin_append(&t.space, id, SILENCE, t.now()).await;
    begun.expect("answers")
}

async fn append(t: &Fixture, id: BatchId, first: u32, items: u32) {
    let items = inputs(first..first + items);
    t.store.append_items(id, first, items).await.expect("takes items");
}

async fn end(t: &Fixture, id: BatchId, first: u32, keep: bool) -> Batch {
    let ended = t.store.end_append(id, first, keep, t.now()).await;
    ended.expect("ends an append")
}

/// It is listed with what it is to do and what it has, and dispatches nothing.
pub async fn a_batch_that_stays_open_is_accepted(t: Fixture) {
    let id = t.uploaded(inputs(0..3)).await;
    let mut what = spec();
    (what.name, what.start) = (Some("stream".into()), Start::Manual);
    let open = t
        .store
        .keep_open(id, what.clone(), t.now())
        .await
        .expect("stays open");
    assert_eq!((&open, open.state), (&t.batch(id).await, BatchState::Open));
    assert_eq!(
        (&open.spec, open.counts.total, open.counts.pending),
        (&what, 3, 3)
    );
    let listed = t.store.batches(&t.space, &BatchFilter::default(), 9).await;
    assert_eq!(listed.expect("lists"), [open]);
    let filter = BatchFilter {
        state: Some(BatchState::Open),
        before: None,
    };
    let listed = t.store.batches(&t.space, &filter, 9).await.expect("lists");
    assert_eq!(listed.len(), 1);
    assert_eq!(t.claim(id, 9).await, []);
    assert_eq!(t.active(9).await, []);
    t.uploaded(inputs(0..1)).await;
    assert_eq!(
        t.store.batches(&t.space, &filter, 9).await.expect("lists").len(),
        1,
        "no uploads"
    );
}

/// In as many turns as it likes, and then it goes like any other.
pub async fn items_are_appended_until_the_seal(t: Fixture) {
    let id = kept_open(&t, 2).await;
    for turn in 0..3 {
        let first = 2 + turn * 5;
        assert_eq!(begin(&t, id).await, ready(first));
        append(&t, id, first, 3).await;
        append(&t, id, first + 3, 2).await;
        assert_eq!(end(&t, id, first, true).await.counts.total, first + 5);
        assert_eq!(t.counts(id).await.total, first + 5);
    }
    let sealed = t.done(id, &Command::Seal).await;
    assert_eq!(
        (sealed.state, sealed.counts.pending, &sealed.spec),
        (BatchState::Pending, 17, &spec())
    );
    let items: Vec<_> = t.items(id).await.into_iter().map(|item| item.input).collect();
    assert_eq!(
        items,
        inputs(0..17)
            .into_iter()
            .map(|item| item.input)
            .collect::<Vec<_>>()
    );
    assert!(matches!(
        t.command(id, &Command::Seal).await,
        Steered::Unchanged(_)
    ));
    assert_eq!(t.active(9).await, [id]);
    t.finish(id).await;
    assert!(
        matches!(t.command(id, &Command::Seal).await, Steered::Unchanged(_)),
        "done twice"
    );
}

/// It is as if there had been none.
pub async fn an_append_that_is_not_kept_leaves_nothing(t: Fixture) {
    let id = kept_open(&t, 2).await;
    assert_eq!(begin(&t, id).await, ready(2));
    append(&t, id, 2, 5).await;
    assert_eq!(end(&t, id, 2, false).await.counts.total, 2);
    assert_eq!((t.counts(id).await.total, t.items(id).await.len()), (2, 2));
    assert_eq!(begin(&t, id).await, ready(2));
    append(&t, id, 2, 1).await;
    end(&t, id, 2, true).await;
    t.done(id, &Command::Seal).await;
    assert_eq!(t.items(id).await.len(), 3);
    t.finish(id).await;
}

/// Nobody mixes their items with those of somebody else.
pub async fn one_appends_at_a_time(t: Fixture) {
    let id = kept_open(&t, 0).await;
    assert_eq!(begin(&t, id).await, ready(0));
    assert_eq!(begin(&t, id).await, Appending::Busy);
    append(&t, id, 0, 2).await;
    end(&t, id, 0, true).await;
    assert_eq!(begin(&t, id).await, ready(2));
    let begun = at_once(6, |_| {
        let t = t.clone();
        async move { begin(&t, id).await }
    })
    .await;
    assert!(begun.iter().all(|begun| *begun == Appending::Busy), "{begun:?}");
    end(&t, id, 2, false).await;
    let begun = at_once(6, |_| {
        let t = t.clone();
        async move { begin(&t, id).await }
    })
    .await;
    let ready = begun.iter().filter(|begun| **begun == ready(2));
    assert_eq!(ready.count(), 1, "{begun:?}");
}

/// Who was silent for too long is taken for dead: what they left is removed, and they get to know.
pub async fn a_silent_append_gives_way(t: Fixture) {
    let id = kept_open(&t, 1).await;
    assert_eq!(begin(&t, id).await, ready(1));
    append(&t, id, 1, 4).await;
    t.advance(SILENCE * 2);
    assert_eq!(begin(&t, id).await, ready(1));
    assert_eq!((t.counts(id).await.total, t.items(id).await.len()), (1, 1));
    assert_conflict(t.store.append_items(id, 5, inputs(5..6)).await);
    append(&t, id, 1, 2).await;
    assert_eq!(end(&t, id, 1, true).await.counts.total, 3);
    assert_conflict(t.store.end_append(id, 1, true, t.now()).await);
    assert_eq!(t.counts(id).await.total, 3);
}

/// What was not begun is not ended, and nothing is appended in between.
pub async fn an_append_has_a_begin(t: Fixture) {
    let id = kept_open(&t, 1).await;
    assert_conflict(t.store.append_items(id, 1, inputs(1..2)).await);
    assert_conflict(t.store.end_append(id, 1, true, t.now()).await);
    begin(&t, id).await;
    for first in [0, 2] {
        assert_conflict(t.store.append_items(id, first, inputs(0..1)).await);
    }
    assert_eq!(t.counts(id).await.total, 1);
    end(&t, id, 1, true).await;
    assert_eq!(t.counts(id).await.total, 1, "of nothing");
}

/// Its items would be torn apart.
pub async fn a_batch_is_not_sealed_in_the_middle_of_an_append(t: Fixture) {
    let id = kept_open(&t, 1).await;
    begin(&t, id).await;
    append(&t, id, 1, 2).await;
    let sealed = t
        .store
        .command(&t.space, id, &Command::Seal, &somebody(), t.now())
        .await;
    assert_conflict(sealed);
    end(&t, id, 1, true).await;
    assert_eq!(t.done(id, &Command::Seal).await.counts.total, 3);
    t.finish(id).await;
}

/// Whoever appended to it gets to know; what they left is no part of it.
pub async fn a_seal_does_not_wait_for_the_dead(t: Fixture) {
    let id = kept_open(&t, 1).await;
    begin(&t, id).await;
    append(&t, id, 1, 2).await;
    t.advance(SILENCE * 2);
    assert_eq!(t.done(id, &Command::Seal).await.counts.total, 1);
    assert_eq!(t.items(id).await.len(), 1);
    assert_conflict(t.store.append_items(id, 3, inputs(3..4)).await);
    assert_conflict(t.store.end_append(id, 1, true, t.now()).await);
    t.finish(id).await;
}

/// A person's will goes before an append.
pub async fn a_batch_is_cancelled_in_the_middle_of_an_append(t: Fixture) {
    let id = kept_open(&t, 1).await;
    begin(&t, id).await;
    append(&t, id, 1, 2).await;
    t.done(id, &Command::Cancel).await;
    assert_conflict(t.store.append_items(id, 3, inputs(3..4)).await);
    assert_conflict(t.store.end_append(id, 1, true, t.now()).await);
    t.finish(id).await;
    assert_eq!((t.counts(id).await.cancelled, t.items(id).await.len()), (1, 1));
}

/// Uploads, sealed batches, those of others, and none.
pub async fn only_what_stays_open_is_appended_to(t: Fixture) {
    let sealed = t.sealed(2).await;
    assert_eq!(
        begin(&t, sealed).await,
        Appending::NotOpen(Box::new(t.batch(sealed).await))
    );
    let theirs = kept_open(&t.in_space("other"), 1).await;
    assert_eq!(begin(&t, theirs).await, Appending::Unknown);
    assert_eq!(begin(&t, t.new_batch().id).await, Appending::Unknown);
    assert_conflict(t.store.keep_open(sealed, spec(), t.now()).await);
    assert_conflict(t.store.keep_open(t.new_batch().id, spec(), t.now()).await);
}

/// Before its first item, too.
pub async fn an_empty_batch_that_stays_open_is_completed_by_its_seal(t: Fixture) {
    let id = kept_open(&t, 0).await;
    assert_eq!(t.state(id).await, BatchState::Open);
    let sealed = t.done(id, &Command::Seal).await;
    assert_eq!(sealed.state, BatchState::Completed);
    t.assert_consistent(id).await;
}

/// Neither kind is taken for the other.
pub async fn what_nobody_seals_is_found(t: Fixture) {
    let hour = Duration::from_secs(3_600);
    let upload = t.uploaded(inputs(0..1)).await;
    let open = kept_open(&t, 1).await;
    let sealed = t.sealed(1).await;
    let until = t.now() + hour;
    let abandoned = t.store.abandoned_batches(until, 9).await.expect("lists");
    assert!(
        abandoned.contains(&upload) && !abandoned.contains(&open),
        "{abandoned:?}"
    );
    let unsealed = async |since, limit| t.store.unsealed_batches(since, limit).await.expect("lists");
    assert_eq!(unsealed(until, 9).await, [open]);
    assert_eq!(unsealed(t.now() - hour, 9).await, []);
    assert!(
        ![upload, sealed]
            .iter()
            .any(|id| abandoned.contains(id) && *id == sealed)
    );
    t.done(open, &Command::Seal).await;
    assert_eq!(unsealed(until, 9).await, []);
}

/// A touch is an append that was begun or ended.
pub async fn an_append_shows_that_somebody_is_there(t: Fixture) {
    let hour = Duration::from_secs(3_600);
    let id = kept_open(&t, 1).await;
    t.advance(hour * 5);
    let unsealed = async |since| t.store.unsealed_batches(since, 9).await.expect("lists");
    assert_eq!(unsealed(t.now() - hour).await, [id]);
    begin(&t, id).await;
    end(&t, id, 1, false).await;
    assert_eq!(unsealed(t.now() - hour).await, []);
}

/// Of many who append at the same moment, each appends all or nothing.
pub async fn concurrent_appends_do_not_mix(t: Fixture) {
    let id = kept_open(&t, 0).await;
    let kept = at_once(6, |number| {
        let t = t.clone();
        async move {
            for _ in 0..10_000 {
                let Appending::Ready { first, .. } = begin(&t, id).await else {
                    tokio::task::yield_now().await;
                    continue;
                };
                append(&t, id, first, 3).await;
                tokio::task::yield_now().await;
                append(&t, id, first + 3, 2).await;
                let keep = number.is_multiple_of(2);
                end(&t, id, first, keep).await;
                return keep;
            }
            panic!("nobody let it append");
        }
    })
    .await;
    let appends = kept.iter().filter(|keep| **keep).count();
    t.done(id, &Command::Seal).await;
    assert_eq!(t.items(id).await.len(), appends * 5);
    t.finish(id).await;
}
