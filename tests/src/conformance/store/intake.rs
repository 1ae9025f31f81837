//! Taking batches in.

use std::time::Duration;

use flotilla_core::batch::{BatchState, Counts};
use flotilla_core::item::ItemState;
use flotilla_core::tally::Tally;

use super::fixture::Fixture;
use super::samples::{assert_conflict, indexes, inputs, item, items_of, spec};

/// Open, append twice, seal: the counts follow, and the items are there in order.
pub async fn an_upload_is_counted_and_sealed(t: Fixture) {
    let id = t.uploaded(inputs(0..3)).await;
    t.store
        .append_items(id, 3, inputs(3..10))
        .await
        .expect("takes more");
    let open = t.batch(id).await;
    assert_eq!(
        (open.state, open.counts.total, open.counts.pending),
        (BatchState::Open, 10, 10)
    );
    assert!(
        t.claim(id, 5).await.is_empty(),
        "nothing of an open batch is dispatched"
    );

    t.advance(Duration::from_secs(1));
    let sealed = t.store.seal_batch(id, spec(), t.now()).await.expect("seals");
    assert_eq!(sealed, t.batch(id).await);
    assert_eq!((sealed.state, sealed.spec), (BatchState::Pending, spec()));
    let counts = Counts {
        total: 10,
        pending: 10,
        ..Counts::default()
    };
    assert_eq!(sealed.counts, counts);
    assert!(sealed.version > open.version);
    assert_eq!(
        (sealed.created_at, sealed.started_at, sealed.completed_at),
        (open.created_at, None, None)
    );
    assert_eq!(sealed.max_input_bytes, 8);
    let items = t.items(id).await;
    assert_eq!(
        items.iter().map(|i| i.index).collect::<Vec<_>>(),
        (0..10).collect::<Vec<_>>()
    );
    assert!(
        items
            .iter()
            .all(|i| i.state == ItemState::Pending && i.attempts == 0)
    );
    t.assert_consistent(id).await;
}

/// A gap, a repetition or an overlap stores nothing.
pub async fn items_must_follow_each_other(t: Fixture) {
    let id = t.uploaded(inputs(0..3)).await;
    for first in [0, 2, 4] {
        assert_conflict(t.store.append_items(id, first, inputs(0..5)).await);
    }
    assert_eq!(t.counts(id).await.total, 3);
    t.store
        .append_items(id, 3, inputs(3..4))
        .await
        .expect("the right place");
    t.store.seal_batch(id, spec(), t.now()).await.expect("seals");
    let stored: Vec<_> = t.items(id).await.into_iter().map(|i| i.input).collect();
    assert_eq!(
        stored,
        inputs(0..4).into_iter().map(|i| i.input).collect::<Vec<_>>()
    );
}

/// The seal is the end of the upload.
pub async fn a_sealed_batch_takes_no_items(t: Fixture) {
    let id = t.sealed(2).await;
    assert_conflict(t.store.append_items(id, 2, inputs(2..3)).await);
    assert_eq!((t.counts(id).await.total, t.items(id).await.len()), (2, 2));
}

/// A second seal changes nothing.
pub async fn a_batch_is_sealed_once(t: Fixture) {
    let id = t.sealed(2).await;
    let before = t.batch(id).await;
    let mut other = spec();
    other.name = Some("other".into());
    assert_conflict(t.store.seal_batch(id, other, t.now()).await);
    assert_eq!(t.batch(id).await, before);
}

/// Nothing can be added to what is not there.
pub async fn an_unknown_batch_is_a_conflict(t: Fixture) {
    let unknown = t.new_batch().id;
    assert_conflict(t.store.append_items(unknown, 0, inputs(0..1)).await);
    assert_conflict(t.store.seal_batch(unknown, spec(), t.now()).await);
    assert!(!t.store.discard_batch(unknown).await.expect("answers"));
    assert!(t.claim(unknown, 1).await.is_empty());
    assert_eq!(t.redispatch(unknown).await, 0);
}

/// Nothing to do is done.
pub async fn an_empty_batch_completes_at_once(t: Fixture) {
    let id = t.uploaded(vec![]).await;
    t.advance(Duration::from_millis(250));
    let batch = t.store.seal_batch(id, spec(), t.now()).await.expect("seals");
    assert_eq!(
        (batch.state, batch.counts),
        (BatchState::Completed, Counts::default())
    );
    assert_eq!(batch.completed_at, Some(t.now()));
    let expected = Tally::default().result(id, 1, 0, batch.created_at, t.now());
    assert_eq!(t.result(id).await, Some(expected));
    assert_eq!(t.active(10).await, []);
    assert_conflict(t.store.seal_batch(id, spec(), t.now()).await);
}

/// What was submitted is what is read and what is dispatched, to the byte.
pub async fn odd_inputs_survive(t: Fixture) {
    let long = format!("\"{}\"", "long é ".repeat(150_000));
    let nested = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    let odd = [
        "null",
        "0",
        "-0.0",
        "1e400",
        "1.50",
        "123456789012345678901234567890",
        "true",
        "\"\"",
        "{}",
        "[]",
        r#"{ "b" : 1,  "a":2,"b":1.0 }"#,
        r#""\u0000\uD83D\ude00 \/ \\ \" '""#,
        "\"é 漢字 🚢 \u{2028}\u{7f}\"",
        "[\n\t1 ,\r\n 2 ]",
        r#""'; DROP TABLE batch_items; --""#,
        "\"\\\\N\\\\.\\n$1 %s {}\"",
        &nested,
        &long,
    ];
    let ids = [None, Some(""), Some("a,b\t\"c\"\n\\"), Some("ß🚢")];
    let items: Vec<_> = odd
        .iter()
        .zip(ids.iter().copied().chain(std::iter::repeat(None)))
        .map(|(input, id)| item(id, input))
        .collect();
    let id = t.uploaded(items.clone()).await;
    let sealed = t.store.seal_batch(id, spec(), t.now()).await.expect("seals");
    assert_eq!(sealed.max_input_bytes as usize, long.len());

    let read = t.items(id).await;
    assert_eq!(read.len(), items.len());
    for (read, item) in read.iter().zip(&items) {
        assert_eq!(read.input.as_str(), item.input.as_str());
        assert_eq!(read.custom_id, item.custom_id);
    }
    let claims = t.claim(id, 1_000).await;
    assert_eq!(indexes(&claims).len(), items.len());
    for (claimed, item) in items_of(&claims).zip(&items) {
        assert_eq!(claimed.input.as_str(), item.input.as_str());
    }
    t.finish(id).await;
}
