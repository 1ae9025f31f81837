//! Opening batches, and giving up on them.

use std::time::Duration;

use flotilla_core::batch::BatchState;
use flotilla_core::ids::BatchId;
use flotilla_core::ports::store::{NewBatch, Opened};

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
