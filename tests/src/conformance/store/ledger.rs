//! Counting what was recorded.

use std::collections::HashMap;

use flotilla_core::batch::BatchState;
use flotilla_core::item::ItemState;
use flotilla_core::message::Verdict;
use flotilla_core::outcome::{ItemError, ItemErrorKind};

use super::fixture::Fixture;
use super::samples::{assert_same, failure, indexes, inputs, nth, spec, success, told};

/// Succeeded and failed items are counted as such, and nothing else moves.
pub async fn counts_are_what_was_recorded(t: Fixture) {
    let id = t.dispatched(6).await;
    let before = t.batch(id).await;
    let attempts = vec![
        success(id, 4),
        failure(id, 0, "no"),
        told(
            id,
            2,
            Verdict::Fail(ItemError::new(ItemErrorKind::Timeout, "late")),
        ),
        success(id, 5),
    ];
    let changed = t.record(attempts).await;
    let batch = t.batch(id).await;
    assert_same(&changed, &batch);
    assert_eq!(batch.state, BatchState::Processing);
    assert_eq!(
        batch.version,
        before.version + 1,
        "one transaction is one version"
    );
    let counts = t.counts(id).await;
    assert_eq!((counts.succeeded, counts.failed, counts.queued), (2, 2, 2));
    assert!(t.record(vec![]).await.is_empty());
    t.assert_consistent(id).await;
}

/// Within a call, in a later one, and among new ones.
pub async fn a_duplicate_changes_nothing(t: Fixture) {
    let id = t.dispatched(5).await;
    t.record(vec![
        success(id, 1),
        success(id, 1),
        success(id, 2),
        success(id, 1),
    ])
    .await;
    assert_eq!(t.counts(id).await.succeeded, 2);
    let before = t.batch(id).await;
    // It is answered all the same: whoever recorded it first may not have lived to show it.
    assert_same(&t.record(vec![success(id, 2), success(id, 1)]).await, &before);
    assert_same(&[t.batch(id).await], &before);
    t.record(vec![success(id, 2), success(id, 3), success(id, 1)])
        .await;
    assert_eq!(t.counts(id).await.succeeded, 3);
    t.finish(id).await;
}

/// Whatever comes later: a failure after a success, a success after a failure, another attempt.
pub async fn the_first_outcome_counts(t: Fixture) {
    let id = t.dispatched(3).await;
    t.record(vec![success(id, 0), failure(id, 0, "late")]).await;
    t.record(vec![failure(id, 1, "first")]).await;
    t.record(vec![failure(id, 0, "later"), nth(2, success(id, 1))])
        .await;
    let items = t.items(id).await;
    assert_eq!(
        (items[0].state, items[1].state),
        (ItemState::Succeeded, ItemState::Failed)
    );
    assert_eq!((items[0].error.as_ref(), items[1].output.as_ref()), (None, None));
    assert_eq!(
        items[1].error,
        Some(ItemError::new(ItemErrorKind::Handler, "first"))
    );
    assert_eq!((items[0].attempts, items[1].attempts), (1, 1));
    let counts = t.counts(id).await;
    assert_eq!((counts.succeeded, counts.failed), (1, 1));
    t.finish(id).await;
}

/// They don't keep the others from being counted.
pub async fn unknown_items_and_batches_are_ignored(t: Fixture) {
    let id = t.dispatched(3).await;
    let unknown = t.new_batch().id;
    let attempts = vec![
        success(unknown, 0),
        success(id, 3),
        success(id, u32::MAX),
        success(id, 1),
    ];
    let changed = t.record(attempts).await;
    assert_eq!(
        (changed.len(), changed[0].id, changed[0].counts.settled()),
        (1, id, 1)
    );
    let unchanged = t.record(vec![success(unknown, 1), success(id, 1 << 31)]).await;
    assert_same(&unchanged, &changed[0]);
    assert_eq!(t.store.batch(&t.space, unknown).await.expect("reads"), None);
    t.finish(id).await;
}

/// Whatever a confused worker reports, counts add up and every item ends.
pub async fn an_item_that_was_never_dispatched_upsets_no_count(t: Fixture) {
    let open = t.uploaded(inputs(0..2)).await;
    t.record(vec![success(open, 0), success(open, 1)]).await;
    assert_eq!(t.batch(open).await.state, BatchState::Open);

    let id = t.sealed(8).await;
    t.record(vec![success(id, 0), success(id, 7)]).await;
    t.counts(id).await;
    let claims = t.claim(id, 3).await;
    t.publish(&claims).await;
    t.record(vec![success(id, 5)]).await;
    t.record(
        indexes(&claims)
            .into_iter()
            .map(|index| success(id, index))
            .collect(),
    )
    .await;
    t.counts(id).await;
    t.finish(id).await;
}

/// One call moves each batch by its own.
pub async fn several_batches_in_one_call(t: Fixture) {
    let (a, b, untouched) = (
        t.dispatched(2).await,
        t.dispatched(3).await,
        t.dispatched(1).await,
    );
    let attempts = vec![success(b, 0), success(a, 1), failure(b, 2, "no"), success(a, 0)];
    let changed: HashMap<_, _> = t
        .record(attempts)
        .await
        .into_iter()
        .map(|batch| (batch.id, batch))
        .collect();
    assert_eq!(changed.len(), 2);
    assert_eq!(
        (changed[&a].state, changed[&b].state),
        (BatchState::Completed, BatchState::Processing)
    );
    assert_eq!((changed[&b].counts.succeeded, changed[&b].counts.failed), (1, 1));
    assert_eq!(t.counts(untouched).await.settled(), 0);
    for id in [a, b, untouched] {
        t.finish(id).await;
    }
}

/// Through the whole life of a batch: a reader never goes back.
pub async fn versions_only_grow(t: Fixture) {
    let id = t.uploaded(inputs(0..4)).await;
    let mut versions = vec![t.batch(id).await.version];
    t.store.seal_batch(id, spec(), t.now()).await.expect("seals");
    versions.push(t.batch(id).await.version);
    let claims = t.claim(id, 4).await;
    t.publish(&claims).await;
    versions.push(t.batch(id).await.version);
    t.record(vec![success(id, 0)]).await;
    versions.push(t.batch(id).await.version);
    t.redispatch(id).await;
    versions.push(t.batch(id).await.version);
    t.claim(id, 4).await;
    versions.push(t.batch(id).await.version);
    t.record((0..4).map(|index| success(id, index)).collect()).await;
    versions.push(t.batch(id).await.version);
    assert!(versions.windows(2).all(|pair| pair[0] < pair[1]), "{versions:?}");
}
