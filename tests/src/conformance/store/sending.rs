//! Names, producers, what is skipped, keys: what a batch of millions needs on its way in.

use std::time::Duration;

use flotilla_core::batch::Batch;
use flotilla_core::command::Command;
use flotilla_core::ids::{BatchId, Space};
use flotilla_core::item::NewItem;
use flotilla_core::ports::store::{Appended, Appending, KeyHolder, Namesake, Portion, Portioned, Steered};
use flotilla_core::skipped::{SkipReason, SkippedItem};

use super::fixture::Fixture;
use super::samples::{assert_conflict, at_once, inputs, item, spec};

const SILENCE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

fn named(names: &[&str]) -> Vec<NewItem> {
    names.iter().map(|name| item(Some(name), "1")).collect()
}

fn skipped(position: u32, reason: SkipReason) -> SkippedItem {
    SkippedItem {
        position,
        line: position.is_multiple_of(2).then_some(position + 1),
        reason,
        detail: format!("no {position} é"),
        pointer: (!position.is_multiple_of(2)).then(|| "/a~1b/0".to_owned()),
        input: format!("{{\"n\": {position}"),
    }
}

async fn kept_open(t: &Fixture, items: u32) -> BatchId {
    let id = t.uploaded(inputs(0..items)).await;
    t.store.keep_open(id, spec(), t.now()).await.expect("stays open");
    id
}

fn portion(producer: &str, position: u32, items: Vec<NewItem>) -> Portion {
    Portion {
        producer: producer.into(),
        position,
        read: u32::try_from(items.len()).expect("few"),
        items,
        skipped: Vec::new(),
    }
}

async fn send(t: &Fixture, id: BatchId, portion: Portion) -> Portioned {
    let sent = t.store.append_portion(&t.space, id, portion, t.now()).await;
    sent.expect("answers")
}

fn done(portioned: Portioned) -> Batch {
    match portioned {
        Portioned::Done(batch) => *batch,
        other => panic!("{other:?}"),
    }
}

async fn position(t: &Fixture, id: BatchId, producer: &str) -> Option<u32> {
    let position = t.store.producer_position(&t.space, id, producer).await;
    position.expect("answers")
}

async fn all_skipped(t: &Fixture, id: BatchId) -> Vec<(u32, SkippedItem)> {
    t.store.skipped(&t.space, id, None, 100).await.expect("reads")
}

/// Of two items with one name, the second is refused with its whole chunk, whether they come together or not.
pub async fn a_name_is_one_item_of_its_batch(t: Fixture) {
    let id = t.uploaded(named(&["a", "b", ""])).await;
    let other = t.uploaded(named(&["a"])).await;
    let appended = t.store.append_items(id, 3, named(&["c", "b", "d", "c"])).await;
    let namesakes = vec![Namesake { index: 4, other: 1 }, Namesake { index: 6, other: 3 }];
    assert_eq!(appended.expect("answers"), Appended::Named(namesakes));
    assert_eq!(t.counts(id).await.total, 3, "nothing of it is stored");
    let appended = t.store.append_items(id, 3, named(&["c", "d", "e"])).await;
    assert_eq!(appended.expect("answers"), Appended::All);
    for id in [id, other] {
        t.store.seal_batch(id, spec(), t.now()).await.expect("seals");
        t.assert_consistent(id).await;
    }
    assert_eq!(t.items(id).await[5].custom_id.as_deref(), Some("e"));
    let new = t.new_batch();
    let created = t
        .store
        .create_batch(new, named(&["x", "x"]), spec(), t.now())
        .await;
    assert_conflict(created);
}

/// What an append took and did not keep is free.
pub async fn names_are_free_again(t: Fixture) {
    let id = kept_open(&t, 0).await;
    for _ in 0..2 {
        let begun = t.store.begin_append(&t.space, id, SILENCE, t.now()).await;
        let ready = Appending::Ready { first: 0, skipped: 0 };
        assert_eq!(begun.expect("answers"), ready);
        let appended = t.store.append_items(id, 0, named(&["a"])).await;
        assert_eq!(appended.expect("answers"), Appended::All);
        t.store.end_append(id, 0, false, t.now()).await.expect("ends");
    }
}

/// It is numbered, listed with the sealed batch, in nobody else's space, and gone with an upload that is discarded.
pub async fn what_is_skipped_is_listed(t: Fixture) {
    let id = t.uploaded(inputs(0..2)).await;
    let rows: Vec<_> = (0..4).map(|n| skipped(n, SkipReason::ALL[n as usize])).collect();
    for _ in 0..2 {
        // Repeated, it changes nothing.
        let skip = t.store.skip_items(id, 0, rows[..3].to_vec()).await;
        skip.expect("keeps");
    }
    t.store
        .skip_items(id, 3, rows[3..].to_vec())
        .await
        .expect("keeps");
    let sealed = t.store.seal_batch(id, spec(), t.now()).await.expect("seals");
    assert_eq!((sealed.skipped, sealed.counts.total), (4, 2));
    assert_eq!(t.batch(id).await, sealed);
    let expected: Vec<_> = (0..).zip(rows.clone()).collect();
    assert_eq!(all_skipped(&t, id).await, expected);
    let page = t.store.skipped(&t.space, id, Some(1), 1).await.expect("reads");
    assert_eq!(page, expected[2..3]);
    let elsewhere: Space = "elsewhere".parse().expect("a name");
    let theirs = t.store.skipped(&elsewhere, id, None, 9).await.expect("reads");
    assert_eq!(theirs, []);
    assert_conflict(t.store.skip_items(id, 4, rows).await);
}

/// What an append skipped counts when it is kept.
pub async fn what_an_append_skipped_goes_with_it(t: Fixture) {
    let id = kept_open(&t, 1).await;
    for (keep, first) in [(false, 0), (true, 0), (false, 2)] {
        let begun = t.store.begin_append(&t.space, id, SILENCE, t.now()).await;
        let ready = Appending::Ready {
            first: 1,
            skipped: first,
        };
        assert_eq!(begun.expect("answers"), ready);
        let rows = vec![skipped(0, SkipReason::Invalid), skipped(1, SkipReason::Malformed)];
        t.store.skip_items(id, first, rows).await.expect("keeps");
        assert_eq!(
            all_skipped(&t, id).await.len(),
            first as usize,
            "not before the end"
        );
        let ended = t.store.end_append(id, 1, keep, t.now()).await.expect("ends");
        assert_eq!(ended.skipped, if keep { first + 2 } else { first });
        assert_eq!(all_skipped(&t, id).await.len(), ended.skipped as usize);
    }
}

/// Its position moves with what it sends; said again, nothing is stored twice.
pub async fn a_producer_goes_on_where_it_was(t: Fixture) {
    let id = kept_open(&t, 2).await;
    assert_eq!(position(&t, id, "a").await, Some(0));
    let mut first = portion("a", 0, inputs(2..5));
    first.skipped = vec![skipped(1, SkipReason::Deduplicated)];
    first.read = 5;
    let batch = done(send(&t, id, first.clone()).await);
    assert_eq!((batch.counts.total, batch.skipped), (5, 1));
    assert_eq!(batch, t.batch(id).await);
    assert_eq!(send(&t, id, first).await, Portioned::Elsewhere(5));
    assert_eq!(position(&t, id, "a").await, Some(5));
    let batch = done(send(&t, id, portion("a", 5, inputs(5..6))).await);
    assert_eq!(batch.counts.total, 6);
    assert_eq!(
        send(&t, id, portion("a", 9, inputs(6..7))).await,
        Portioned::Elsewhere(6)
    );
    let sealed = t.command(id, &Command::Seal).await;
    let Steered::Done(sealed) = sealed else {
        panic!("{sealed:?}");
    };
    assert_eq!((sealed.counts.total, sealed.skipped), (6, 1));
    let late = send(&t, id, portion("a", 6, inputs(6..7))).await;
    assert!(matches!(late, Portioned::NotOpen(_)), "{late:?}");
    let stored: Vec<_> = t.items(id).await.into_iter().map(|item| item.input).collect();
    assert_eq!(
        stored,
        inputs(0..6)
            .into_iter()
            .map(|item| item.input)
            .collect::<Vec<_>>()
    );
    t.assert_consistent(id).await;
}

/// Several at once: every item once, each producer's in its order.
pub async fn producers_mix(t: Fixture) {
    const PRODUCERS: u32 = 4;
    const PORTIONS: u32 = 10;
    let id = kept_open(&t, 0).await;
    let sends = |producer: u32| {
        let (store, space, now) = (t.store.clone(), t.space.clone(), t.now());
        async move {
            for n in 0..PORTIONS {
                let items = (0..3)
                    .map(|i| item(None, &format!("[{producer}, {}]", n * 3 + i)))
                    .collect();
                let portion = portion(&format!("p{producer}"), n * 3, items);
                let sent = store.append_portion(&space, id, portion, now).await;
                done(sent.expect("answers"));
            }
        }
    };
    at_once(PRODUCERS, sends).await;
    let items = t.items(id).await;
    assert_eq!(items.len(), (PRODUCERS * PORTIONS * 3) as usize);
    for producer in 0..PRODUCERS {
        let of: Vec<u32> = items
            .iter()
            .map(|item| item.input.to::<(u32, u32)>().expect("a pair"))
            .filter(|(by, _)| *by == producer)
            .map(|(_, n)| n)
            .collect();
        assert_eq!(of, (0..PORTIONS * 3).collect::<Vec<_>>());
        assert_eq!(
            position(&t, id, &format!("p{producer}")).await,
            Some(PORTIONS * 3)
        );
    }
}

/// A taken name stores nothing of a portion, and does not move the producer.
pub async fn a_portion_is_stored_whole_or_not_at_all(t: Fixture) {
    let id = kept_open(&t, 0).await;
    done(send(&t, id, portion("a", 0, named(&["x", "y"]))).await);
    let refused = send(&t, id, portion("b", 0, named(&["z", "y"]))).await;
    assert_eq!(
        refused,
        Portioned::Named {
            first: 2,
            namesakes: vec![Namesake { index: 3, other: 1 }]
        }
    );
    assert_eq!(
        (t.counts(id).await.total, position(&t, id, "b").await),
        (2, Some(0))
    );
    done(send(&t, id, portion("b", 0, named(&["z"]))).await);
}

/// Appends that keep all or nothing and those of producers exclude each other; strangers and uploads are refused.
pub async fn a_portion_needs_a_batch_that_takes_it(t: Fixture) {
    let id = kept_open(&t, 0).await;
    let begun = t.store.begin_append(&t.space, id, SILENCE, t.now()).await;
    assert!(matches!(begun, Ok(Appending::Ready { .. })));
    assert_eq!(send(&t, id, portion("a", 0, inputs(4..5))).await, Portioned::Busy);
    t.advance(SILENCE);
    let batch = done(send(&t, id, portion("a", 0, inputs(4..5))).await);
    assert_eq!(batch.counts.total, 1, "a silent append gives way");
    assert_conflict(t.store.end_append(id, 0, true, t.now()).await);

    let upload = t.uploaded(inputs(0..1)).await;
    assert_eq!(
        send(&t, upload, portion("a", 0, inputs(1..2))).await,
        Portioned::Busy
    );
    let elsewhere: Space = "elsewhere".parse().expect("a name");
    let theirs = t
        .store
        .append_portion(&elsewhere, id, portion("a", 1, inputs(0..1)), t.now())
        .await;
    assert_eq!(theirs.expect("answers"), Portioned::Unknown);
    let unknown = t.new_batch().id;
    assert_eq!(
        send(&t, unknown, portion("a", 0, vec![])).await,
        Portioned::Unknown
    );
    assert_eq!(position(&t, unknown, "a").await, None);
    let seen = t.store.producer_position(&elsewhere, id, "a").await;
    assert_eq!(seen.expect("answers"), None);
}

async fn reserve(t: &Fixture, id: BatchId, keys: &[&str]) -> Vec<KeyHolder> {
    let keys = keys.iter().map(|key| (*key).to_owned()).collect();
    let until = t.now() + DAY;
    let holders = t.store.reserve_keys(&t.space, id, keys, until, t.now()).await;
    holders.expect("answers")
}

/// The first batch has a key until its time is over. Asking again changes nothing.
pub async fn a_key_belongs_to_one_batch_for_a_time(t: Fixture) {
    let first = t.uploaded(inputs(0..1)).await;
    let second = t.uploaded(inputs(0..1)).await;
    for _ in 0..2 {
        assert_eq!(reserve(&t, first, &["b", "a", "a"]).await, [KeyHolder::Asker; 3]);
    }
    assert_eq!(
        reserve(&t, second, &["c", "a"]).await,
        [KeyHolder::Asker, KeyHolder::Uploading(first)]
    );
    t.store.seal_batch(first, spec(), t.now()).await.expect("seals");
    assert_eq!(
        reserve(&t, second, &["a", "c"]).await,
        [KeyHolder::Accepted(first), KeyHolder::Asker]
    );
    let elsewhere: Space = "elsewhere".parse().expect("a name");
    let theirs = t
        .store
        .reserve_keys(&elsewhere, second, vec!["a".into()], t.now() + DAY, t.now())
        .await;
    assert_eq!(theirs.expect("answers"), [KeyHolder::Asker]);
    t.advance(DAY);
    assert_eq!(reserve(&t, second, &["a"]).await, [KeyHolder::Asker]);
}

/// An upload that does not get through gives its keys back.
pub async fn keys_of_a_discarded_upload_are_free(t: Fixture) {
    let first = t.uploaded(inputs(0..1)).await;
    let second = t.uploaded(inputs(0..1)).await;
    reserve(&t, first, &["a"]).await;
    assert!(t.store.discard_batch(first).await.expect("discards"));
    assert_eq!(reserve(&t, second, &["a"]).await, [KeyHolder::Asker]);
}

/// Some at a time.
pub async fn keys_are_forgotten(t: Fixture) {
    let id = t.uploaded(inputs(0..1)).await;
    reserve(&t, id, &["a", "b", "c"]).await;
    assert_eq!(t.store.forget_keys(9, t.now()).await.expect("forgets"), 0);
    t.advance(DAY);
    assert_eq!(t.store.forget_keys(2, t.now()).await.expect("forgets"), 2);
    assert_eq!(t.store.forget_keys(9, t.now()).await.expect("forgets"), 1);
}
