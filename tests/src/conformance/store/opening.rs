//! Opening batches, and giving up on them.

use std::time::Duration;

use flotilla_core::batch::{Batch, BatchState};
use flotilla_core::ids::BatchId;
use flotilla_core::ports::store::{Created, NewBatch, Opened};

use super::fixture::Fixture;
use super::samples::{assert_conflict, at_once, inputs, spec};

/// Whoever is not sure whether a batch was opened asks again.
pub async fn opening_again_answers_the_same_batch(t: Fixture) {
    let new = t.new_batch();
    assert_eq!(t.store.open_batch(new.clone()).await.expect("opens"), Opened::New);
    t.store
        .append_items(new.id, 0, inputs(0..2))
        .await
        .expect("takes items");
    match t.store.open_batch(new.clone()).await.expect("answers") {
        Opened::Existing(batch) => assert_eq!((batch.id, batch.counts.total), (new.id, 2)),
        Opened::New => panic!("the batch was opened twice"),
    }
}

/// Promise P7, for an open and for a finished batch; keys of two spaces have nothing to do with each other.
pub async fn an_idempotency_key_is_one_batch(t: Fixture) {
    let with_key = |key: &str| NewBatch {
        idempotency_key: Some(key.into()),
        ..t.new_batch()
    };
    let first = with_key("order 7 é");
    assert_eq!(
        t.store.open_batch(first.clone()).await.expect("opens"),
        Opened::New
    );
    assert_existing(
        t.store.open_batch(with_key("order 7 é")).await.expect("answers"),
        first.id,
        BatchState::Open,
    );

    t.store
        .seal_batch(first.id, spec(), t.now())
        .await
        .expect("seals");
    let again = t.store.open_batch(with_key("order 7 é")).await.expect("answers");
    assert_existing(again, first.id, BatchState::Completed);

    assert_eq!(
        t.store.open_batch(with_key("order 8")).await.expect("opens"),
        Opened::New
    );
    let elsewhere = NewBatch {
        space: "elsewhere".parse().expect("a name"),
        ..with_key("order 7 é")
    };
    assert_eq!(t.store.open_batch(elsewhere).await.expect("opens"), Opened::New);
}

#[track_caller]
fn assert_existing(opened: Opened, id: BatchId, state: BatchState) {
    match opened {
        Opened::Existing(batch) => assert_eq!((batch.id, batch.state), (id, state)),
        Opened::New => panic!("the key gave a second batch"),
    }
}

/// Twenty requests with one key at the same moment are one batch, and everybody gets to know which.
pub async fn one_of_many_concurrent_opens_is_new(t: Fixture) {
    let answers = at_once(20, |_| {
        let t = t.clone();
        async move {
            let new = NewBatch {
                idempotency_key: Some("same".into()),
                ..t.new_batch()
            };
            let id = new.id;
            match t.store.open_batch(new).await.expect("answers") {
                Opened::New => (true, id),
                Opened::Existing(batch) => (false, batch.id),
            }
        }
    })
    .await;
    assert_eq!(answers.iter().filter(|(new, _)| *new).count(), 1);
    assert!(answers.iter().all(|(_, id)| *id == answers[0].1), "{answers:?}");
}

/// The items and the key go with it.
pub async fn a_discarded_batch_leaves_nothing(t: Fixture) {
    let new = NewBatch {
        idempotency_key: Some("key".into()),
        ..t.new_batch()
    };
    t.store.open_batch(new.clone()).await.expect("opens");
    t.store
        .append_items(new.id, 0, inputs(0..5))
        .await
        .expect("takes items");
    assert!(t.store.discard_batch(new.id).await.expect("discards"));
    assert!(
        !t.store.discard_batch(new.id).await.expect("answers"),
        "it is gone"
    );

    assert_eq!(t.store.batch(&t.space, new.id).await.expect("reads"), None);
    assert!(t.items(new.id).await.is_empty());
    assert_conflict(t.store.append_items(new.id, 5, inputs(5..6)).await);
    assert_eq!(
        t.store.open_batch(new.clone()).await.expect("opens"),
        Opened::New,
        "the key is free"
    );
    t.store
        .append_items(new.id, 0, inputs(0..1))
        .await
        .expect("takes items");
    t.store.seal_batch(new.id, spec(), t.now()).await.expect("seals");
    assert_eq!(
        t.items(new.id).await.len(),
        1,
        "nothing of the first upload came back"
    );
}

/// What was accepted stays.
pub async fn only_open_batches_are_discarded(t: Fixture) {
    let sealed = t.sealed(2).await;
    let empty = t.sealed(0).await;
    for id in [sealed, empty] {
        assert!(!t.store.discard_batch(id).await.expect("answers"));
    }
    assert_eq!(t.items(sealed).await.len(), 2);
    t.finish(sealed).await;
}

/// An upload is abandoned when nothing came for a while; a new chunk shows that its uploader is alive.
pub async fn abandoned_uploads_are_found(t: Fixture) {
    let hours = |n: u64| Duration::from_secs(n * 3_600);
    let mut old = t.new_batch();
    old.created_at = t.now() - hours(2);
    t.store.open_batch(old.clone()).await.expect("opens");
    let fresh = t.uploaded(inputs(0..1)).await;
    let sealed = t.sealed(1).await;

    let hour_ago = t.now() - hours(1);
    let abandoned = async |since| t.store.abandoned_batches(since, 10).await.expect("reads");
    assert_eq!(abandoned(hour_ago).await, [old.id]);
    t.store
        .append_items(old.id, 0, inputs(0..1))
        .await
        .expect("takes items");
    assert_eq!(abandoned(hour_ago).await, [], "its uploader is back");

    let all = abandoned(t.now() + hours(1)).await;
    assert!(
        all.contains(&old.id) && all.contains(&fresh) && !all.contains(&sealed),
        "{all:?}"
    );
    let limited = t.store.abandoned_batches(t.now() + hours(1), 1).await;
    assert_eq!(limited.expect("reads").len(), 1);
}

/// A batch that is there as a whole is what it would be had it come in pieces.
pub async fn a_batch_is_created_at_once(t: Fixture) {
    let pieces = t.sealed(7).await;
    let new = t.new_batch();
    let created = t
        .store
        .create_batch(new.clone(), inputs(0..7), spec(), t.now())
        .await;
    let Created::New(created) = created.expect("creates") else {
        panic!("there was no such batch before")
    };
    let read = async |id| {
        t.store
            .batch(&t.space, id)
            .await
            .expect("reads")
            .expect("is there")
    };
    let (whole, pieces) = (read(new.id).await, read(pieces).await);
    assert_eq!(*created, whole);
    let like_pieces = Batch {
        id: pieces.id,
        created_at: pieces.created_at,
        version: pieces.version,
        ..whole
    };
    assert_eq!(like_pieces, pieces);
    assert_eq!(t.sent(new.id, 7).await.len(), 7, "it is dispatched");
    t.finish(new.id).await;
    assert_eq!(t.items(new.id).await.len(), 7);
}

/// Whoever is not sure whether it was created asks again, and an idempotency key is one batch here, too.
pub async fn creating_again_answers_the_same_batch(t: Fixture) {
    let new = NewBatch {
        idempotency_key: Some("once".into()),
        ..t.new_batch()
    };
    let create = async |new: NewBatch| {
        let created = t.store.create_batch(new, inputs(0..3), spec(), t.now()).await;
        created.expect("answers")
    };
    assert!(matches!(create(new.clone()).await, Created::New(_)));
    let other = NewBatch {
        id: t.new_batch().id,
        ..new.clone()
    };
    for again in [new.clone(), other] {
        match create(again).await {
            Created::Existing(batch) => assert_eq!((batch.id, batch.counts.total), (new.id, 3)),
            Created::New(_) => panic!("the batch was created twice"),
        }
    }
    assert_eq!(t.items(new.id).await.len(), 3);
}

/// It ends with its creation, as it would with its seal.
pub async fn an_empty_batch_is_created_completed(t: Fixture) {
    let new = t.new_batch();
    let created = t
        .store
        .create_batch(new.clone(), Vec::new(), spec(), t.now())
        .await;
    let Created::New(batch) = created.expect("creates") else {
        panic!("there was no such batch before")
    };
    assert_eq!(batch.state, BatchState::Completed);
    let result = t.store.result(&t.space, new.id, None).await.expect("reads");
    assert_eq!(result.expect("has a result").result_summary.total, 0);
}
