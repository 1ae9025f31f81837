//! Items that were given up on.

use std::time::Duration;

use flotilla_core::attempt::Attempt;
use flotilla_core::command::{Command, Selection};
use flotilla_core::dead_letter::{DeadFilter, DeadLetter};
use flotilla_core::ids::{BatchId, ItemIndex};
use flotilla_core::item::ItemState;

use super::fixture::Fixture;
use super::samples::{PATIENCE, error, failure, inputs, item, lost, nth, retry, spec, success, waiting};

async fn list(t: &Fixture, filter: &DeadFilter, limit: u32) -> Vec<DeadLetter> {
    let letters = t.store.dead_letters(&t.space, filter, limit).await;
    letters.expect("lists dead letters")
}

async fn places(t: &Fixture, filter: &DeadFilter, limit: u32) -> Vec<(BatchId, ItemIndex)> {
    let letters = list(t, filter, limit).await;
    letters
        .iter()
        .map(|letter| (letter.batch, letter.index))
        .collect()
}

fn of(batch: BatchId) -> DeadFilter {
    DeadFilter {
        batch: Some(batch),
        ..DeadFilter::default()
    }
}

/// With everything that a person needs to decide.
pub async fn a_failed_item_leaves_a_dead_letter(t: Fixture) {
    let mut items = inputs(0..1);
    items.push(item(Some("row 'é'"), r#"{ "b" : 1.0,  "b":"漢"}"#));
    let id = t.uploaded(items).await;
    t.store.seal_batch(id, spec(), t.now()).await.expect("seals");
    t.sent(id, 9).await;
    t.record(vec![success(id, 0), retry(id, 1, "busy")]).await;
    assert_eq!(list(&t, &of(id), 9).await, [], "not yet");
    t.advance(Duration::from_secs(60));
    t.sent(id, 9).await;
    let last = nth(2, failure(id, 1, "row 7: \"é\"\n"));
    t.record(vec![last.clone(), last.clone()]).await;
    let error = error("row 7: \"é\"\n");
    let expected = DeadLetter {
        batch: id,
        index: 1,
        space: t.space.clone(),
        job_type: "echo".into(),
        custom_id: Some("row 'é'".into()),
        input: item(None, r#"{ "b" : 1.0,  "b":"漢"}"#).input,
        fingerprint: error.fingerprint(),
        error,
        attempts: 2,
        worker: last.worker.clone(),
        started_at: last.started_at,
        dead_at: t.now(),
    };
    let letters = list(&t, &of(id), 9).await;
    assert_eq!(letters[0].input.as_str(), expected.input.as_str());
    assert_eq!(letters, [expected]);
    t.assert_consistent(id).await;
}

/// Given up on by its handler, after its last attempt, for its losses, for a lease that is over, by nobody alive.
pub async fn whatever_an_item_died_of(t: Fixture) {
    let id = t.dispatched_as(5, |spec| spec.max_attempts = 1).await;
    let orphaned = Attempt {
        worker: None,
        ..failure(id, 4, "gone")
    };
    t.record(vec![
        failure(id, 0, "no"),
        retry(id, 1, "busy"),
        lost(id, 2),
        waiting(id, 3),
        orphaned,
    ])
    .await;
    for loss in 2..=3 {
        t.publish(&t.claim_of(id, 0, 1).await).await;
        t.record(vec![nth(loss, lost(id, 2))]).await;
    }
    t.advance(PATIENCE);
    t.expire_leases().await;
    let letters = list(&t, &of(id), 9).await;
    let died: Vec<_> = letters
        .iter()
        .map(|letter| (letter.index, letter.error.kind.as_str(), letter.worker.is_some()))
        .collect();
    assert_eq!(
        died,
        [
            (0, "handler", true),
            (1, "handler", true),
            (2, "worker_lost", true),
            (3, "timeout", false),
            (4, "handler", false),
        ]
    );
    t.assert_consistent(id).await;
}

/// Neither success nor a person's will is a failure.
pub async fn nothing_else_leaves_one(t: Fixture) {
    let id = t.sealed(3).await;
    t.sent(id, 2).await;
    t.record(vec![success(id, 0)]).await;
    t.done(id, &Command::Cancel).await;
    t.finish(id).await;
    assert_eq!(list(&t, &DeadFilter::default(), 9).await, []);
}

/// Newest batch first, then by index: pages without a gap or a repetition.
pub async fn dead_letters_come_in_pages(t: Fixture) {
    let first = t.failed(&["a", "b", "c"]).await;
    let second = t.failed(&["a", "b"]).await;
    let all = [(second, 0), (second, 1), (first, 0), (first, 1), (first, 2)];
    assert_eq!(places(&t, &DeadFilter::default(), 9).await, all);
    let mut filter = DeadFilter::default();
    let mut read = Vec::new();
    loop {
        let page = places(&t, &filter, 2).await;
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        filter.after = Some(*last);
        read.extend(page);
    }
    assert_eq!(read, all);
    assert_eq!(places(&t, &DeadFilter::default(), 0).await, []);
}

/// All that is said must fit.
pub async fn dead_letters_are_filtered(t: Fixture) {
    let first = t.failed(&["row 7", "no", "row 9"]).await;
    let second = t.failed(&["row 1"]).await;
    let other = t.dispatched_as(1, |spec| spec.job_type = "other".into()).await;
    t.record(vec![failure(other, 0, "row 2")]).await;
    let row = Some(error("row 3").fingerprint());
    let cases = [
        (of(first), vec![(first, 0), (first, 1), (first, 2)]),
        (
            DeadFilter {
                indices: Some(vec![2, 0, 7]),
                ..of(first)
            },
            vec![(first, 0), (first, 2)],
        ),
        (
            DeadFilter {
                job_type: Some("other".into()),
                ..DeadFilter::default()
            },
            vec![(other, 0)],
        ),
        (
            DeadFilter {
                fingerprint: row.clone(),
                ..DeadFilter::default()
            },
            vec![(other, 0), (second, 0), (first, 0), (first, 2)],
        ),
        (
            DeadFilter {
                fingerprint: row.clone(),
                job_type: Some("echo".into()),
                after: Some((first, 0)),
                ..DeadFilter::default()
            },
            vec![(first, 2)],
        ),
        (
            DeadFilter {
                fingerprint: row,
                indices: Some(vec![0, 1]),
                ..of(first)
            },
            vec![(first, 0)],
        ),
    ];
    for (filter, expected) in cases {
        assert_eq!(places(&t, &filter, 9).await, expected, "{filter:?}");
    }
    assert_eq!(places(&t, &of(t.new_batch().id), 9).await, []);
}

/// The largest group first, with its latest message, its times, and its batches.
pub async fn dead_letters_are_grouped_by_error(t: Fixture) {
    let first = t.failed(&["row 7", "no", "row 9"]).await;
    let began = t.now();
    t.advance(Duration::from_secs(60));
    t.failed(&["row 1"]).await;
    let groups = async |filter: &DeadFilter, limit| {
        let groups = t.store.dead_groups(&t.space, filter, limit).await;
        groups.expect("groups dead letters")
    };
    let all = groups(&DeadFilter::default(), 9).await;
    let counted: Vec<_> = all
        .iter()
        .map(|group| (group.count, group.batches, group.sample.as_str()))
        .collect();
    assert_eq!(counted, [(3, 2, "row 1"), (1, 1, "no")]);
    assert_eq!(all[0].fingerprint, error("row 0").fingerprint());
    assert_eq!((all[0].first_at, all[0].last_at), (began, t.now()));
    assert_eq!(groups(&DeadFilter::default(), 1).await, all[..1]);
    let only = groups(&of(first), 9).await;
    let counted: Vec<_> = only.iter().map(|group| (group.count, group.batches)).collect();
    assert_eq!(counted, [(2, 1), (1, 1)]);
}

/// Newest first, with how many.
pub async fn dead_letters_are_counted_by_batch(t: Fixture) {
    let first = t.failed(&["row 7", "no", "row 9"]).await;
    let second = t.failed(&["no"]).await;
    t.failed(&[]).await;
    let batches = async |filter: &DeadFilter, limit| {
        let batches = t.store.dead_batches(&t.space, filter, limit).await;
        batches.expect("counts dead letters")
    };
    assert_eq!(
        batches(&DeadFilter::default(), 9).await,
        [(second, 1), (first, 3)]
    );
    assert_eq!(batches(&DeadFilter::default(), 1).await, [(second, 1)]);
    let row = DeadFilter {
        fingerprint: Some(error("row 0").fingerprint()),
        ..DeadFilter::default()
    };
    assert_eq!(batches(&row, 9).await, [(first, 2)]);
}

/// The item stays failed, and the result what it was.
pub async fn a_discarded_dead_letter_is_gone(t: Fixture) {
    let id = t.failed(&["a", "b", "c"]).await;
    let before = (t.batch(id).await, t.items(id).await, t.result(id).await);
    let filter = DeadFilter {
        indices: Some(vec![1]),
        ..of(id)
    };
    let discard = async |filter: &DeadFilter, limit| {
        let gone = t.store.discard_dead(&t.space, filter, limit).await;
        gone.expect("discards")
    };
    assert_eq!(discard(&filter, 9).await, 1);
    assert_eq!(discard(&filter, 9).await, 0, "it is gone");
    assert_eq!(places(&t, &of(id), 9).await, [(id, 0), (id, 2)]);
    assert_eq!(discard(&of(id), 1).await, 1);
    assert_eq!(discard(&DeadFilter::default(), 9).await, 1);
    assert_eq!((t.batch(id).await, t.items(id).await, t.result(id).await), before);
    t.assert_consistent(id).await;
}

/// An item that runs again is not dead; should it fail again, it is anew.
pub async fn a_redriven_item_is_not_dead(t: Fixture) {
    let id = t.failed(&["a", "b"]).await;
    let selection = Selection {
        indices: Some(vec![0]),
        ..Selection::default()
    };
    assert_eq!(t.reopen(id, &selection).await.0, 1);
    assert_eq!(places(&t, &of(id), 9).await, [(id, 1)]);
    t.sent(id, 9).await;
    t.advance(Duration::from_secs(5));
    t.record(vec![nth(2, failure(id, 0, "again"))]).await;
    let letters = list(&t, &of(id), 9).await;
    assert_eq!((letters.len(), letters[0].error.message.as_str()), (2, "again"));
    assert_eq!((letters[0].attempts, letters[0].dead_at), (2, t.now()));
}

/// Somebody has decided about the others already.
pub async fn only_items_with_a_dead_letter_are_redriven(t: Fixture) {
    let id = t.failed(&["a", "b", "c"]).await;
    let filter = DeadFilter {
        indices: Some(vec![0, 1]),
        ..of(id)
    };
    t.store
        .discard_dead(&t.space, &filter, 9)
        .await
        .expect("discards");
    let selection = Selection {
        dead: true,
        ..Selection::default()
    };
    assert_eq!(t.reopen(id, &selection).await.0, 1);
    assert_eq!(t.item(id, 2).await.state, ItemState::Retrying);
    assert_eq!(t.item(id, 0).await.state, ItemState::Failed);
    t.finish(id).await;
}

/// Nobody sees or discards those of others.
pub async fn a_space_has_its_own_dead_letters(t: Fixture) {
    let mine = t.failed(&["no"]).await;
    let other = t.in_space("other");
    let theirs = other.failed(&["no", "no"]).await;
    assert_eq!(places(&t, &DeadFilter::default(), 9).await, [(mine, 0)]);
    assert_eq!(places(&t, &of(theirs), 9).await, []);
    let groups = t.store.dead_groups(&t.space, &DeadFilter::default(), 9).await;
    assert_eq!(groups.expect("groups")[0].count, 1);
    assert!(
        t.store
            .dead_groups(&t.space, &of(theirs), 9)
            .await
            .expect("groups")
            .is_empty()
    );
    let batches = t.store.dead_batches(&t.space, &DeadFilter::default(), 9).await;
    assert_eq!(batches.expect("counts"), [(mine, 1)]);
    for filter in [
        of(theirs),
        DeadFilter {
            after: Some((theirs, 0)),
            ..of(theirs)
        },
    ] {
        assert_eq!(
            t.store
                .discard_dead(&t.space, &filter, 9)
                .await
                .expect("discards"),
            0
        );
    }
    assert_eq!(
        t.store
            .discard_dead(&t.space, &DeadFilter::default(), 9)
            .await
            .expect("discards"),
        1
    );
    assert_eq!(places(&other, &DeadFilter::default(), 9).await.len(), 2);
}
