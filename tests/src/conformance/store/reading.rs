//! Reading back.

use std::time::Duration;

use flotilla_core::Json;
use flotilla_core::batch::{BatchFilter, BatchSpec, BatchState, FailureAction, FailureThreshold, Start};
use flotilla_core::command::Command;
use flotilla_core::follow_up::{On, OnComplete};
use flotilla_core::ids::BatchId;
use flotilla_core::item::{ItemFilter, ItemState, NewItem};
use flotilla_core::limits::Ceilings;
use flotilla_core::message::Verdict;
use flotilla_core::outcome::{ItemError, ItemErrorKind, Output};
use flotilla_core::retention::Retention;
use flotilla_core::retry::Backoff;
use jiff::Timestamp;

use super::fixture::Fixture;
use super::samples::{failure, inputs, retry, success, told, waiting};

/// Every kind of ending, with all that belongs to it; and the whole of what a batch is to do.
pub async fn outcomes_read_back(t: Fixture) {
    let id = t.sealed_as(7, |spec| *spec = full_spec()).await;
    assert_eq!(t.batch(id).await.spec, full_spec());
    let claims = t.claim(id, 6).await;
    assert_eq!(claims[0].spec, full_spec());
    t.publish(&claims).await;

    let stored = Output::Stored {
        key: "outputs/é/1.json".into(),
        bytes: 5_000_000_000,
    };
    let inline = Output::Inline(Json::parse("{\"b\":1.50, \"b\":\"漢\\u0000\"}").expect("valid"));
    let timeout = ItemError::new(ItemErrorKind::Timeout, "after 30 s: \"é\"\n'x'");
    let lost = ItemError::new(ItemErrorKind::WorkerLost, "");
    let verdicts = [
        Verdict::Done(inline),
        Verdict::Done(stored),
        Verdict::Fail(timeout),
        Verdict::Fail(lost),
    ];
    let mut attempts: Vec<_> = (0..)
        .zip(verdicts)
        .map(|(index, verdict)| told(id, index, verdict))
        .collect();
    attempts[3].worker = None;
    attempts[1].duration_us = u64::from(u32::MAX) * 1_000;
    t.record(attempts.clone()).await;

    let items = t.items(id).await;
    for (item, attempt) in items.iter().zip(&attempts) {
        let (state, output, error) = match &attempt.verdict {
            Verdict::Done(output) => (ItemState::Succeeded, Some(output), None),
            Verdict::Fail(error) => (ItemState::Failed, None, Some(error)),
            other => panic!("{other:?} settles nothing"),
        };
        assert_eq!((item.index, item.state, item.attempts), (attempt.index, state, 1));
        assert_eq!((item.output.as_ref(), item.error.as_ref()), (output, error));
        assert_eq!(
            (item.finished_at, item.started_at),
            (Some(t.now()), Some(attempt.started_at))
        );
        assert_eq!(item.duration_us, Some(attempt.duration_us));
    }
    let rest = items[4..]
        .iter()
        .map(|item| (item.state, item.attempts, item.finished_at));
    let queued = (ItemState::Queued, 1, None);
    assert!(rest.eq([queued, queued, (ItemState::Pending, 0, None)]));
}

/// Nothing is left at its default.
fn full_spec() -> BatchSpec {
    BatchSpec {
        name: Some("Nightly 'é' \"漢\"".into()),
        job_type: "thumbnail".into(),
        pool: "gpu-2".parse().expect("a name"),
        priority: -100,
        concurrency: Some(4_000_000_000),
        rate_per_s: Some(1_234.5),
        start: Start::At(Timestamp::from_microsecond(1_600_000_000_123_456).expect("a time")),
        max_attempts: 65_535,
        backoff: Backoff {
            initial: Duration::from_millis(1_501),
            max: Duration::from_secs(86_400),
        },
        timeout: Duration::from_millis(1_500_001),
        callback_timeout: Some(Duration::from_millis(7_001)),
        deadline: Some(Timestamp::from_microsecond(4_000_000_000_654_321).expect("a time")),
        failure_threshold: Some(FailureThreshold {
            count: Some(4_000_000_000),
            percent: Some(12.5),
            min_sample: 7,
            action: FailureAction::Fail,
        }),
        canary: Some(6),
        retention: Retention {
            inputs: Some(Duration::from_secs(30 * 86_400)),
            outputs: Some(Duration::from_millis(1_500)),
            artifacts: Some(Duration::ZERO),
            results: Some(Duration::from_secs(90 * 86_400)),
            dead_letters: Some(Duration::from_secs(60)),
            archive: Some(true),
        },
        on_complete: Some(Box::new(OnComplete {
            on: On::Failed,
            job_type: "sum".into(),
            pool: "small".parse().expect("a name"),
            priority: 100,
            max_attempts: 7,
            timeout: Duration::from_millis(1_501),
            backoff: Backoff::default(),
            callback_timeout: Some(Duration::from_millis(9)),
            retention: Retention {
                archive: Some(false),
                ..Retention::default()
            },
            metadata: Some(Json::parse("{\"a\" : 1.0}").expect("valid")),
            input: Some(Json::parse("[1.50, \"é\"]").expect("valid")),
        })),
        metadata: Some(Json::parse("{\"a\" : 1.0, \"é\": null}").expect("valid")),
        deduplicate: Some(Duration::from_secs(3_600)),
        request_hash: Some("ab12".into()),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
    }
}

/// Each batch once, whatever comes in between the pages. Open ones are not accepted yet.
pub async fn batches_come_newest_first_in_pages(t: Fixture) {
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(t.sealed(1).await);
        t.uploaded(inputs(0..1)).await;
    }
    ids.reverse();
    let first = page(&t, None, None, 2).await;
    t.sealed(1).await;
    let second = page(&t, None, first.last().copied(), 2).await;
    let third = page(&t, None, second.last().copied(), 2).await;
    assert_eq!([first, second, third].concat(), ids);
    assert_eq!(page(&t, None, ids.last().copied(), 2).await, []);
    assert_eq!(page(&t, None, None, 0).await, []);
}

/// Pages of one state.
pub async fn batches_are_listed_by_state(t: Fixture) {
    let pending = t.sealed(2).await;
    let processing = t.dispatched(2).await;
    let paused = t.sealed(2).await;
    t.done(paused, &Command::Pause).await;
    let cancelling = t.sealed(2).await;
    t.done(cancelling, &Command::Cancel).await;
    let done = [t.sealed(0).await, t.sealed(0).await];
    t.uploaded(vec![]).await;
    assert_eq!(page(&t, Some(BatchState::Pending), None, 9).await, [pending]);
    assert_eq!(
        page(&t, Some(BatchState::Processing), None, 9).await,
        [processing]
    );
    assert_eq!(page(&t, Some(BatchState::Completed), None, 1).await, [done[1]]);
    assert_eq!(
        page(&t, Some(BatchState::Completed), Some(done[1]), 1).await,
        [done[0]]
    );
    assert_eq!(page(&t, Some(BatchState::Paused), None, 9).await, [paused]);
    assert_eq!(
        page(&t, Some(BatchState::Cancelling), None, 9).await,
        [cancelling]
    );
    assert_eq!(page(&t, Some(BatchState::Cancelled), None, 9).await, []);
    t.finish(cancelling).await;
    assert_eq!(page(&t, Some(BatchState::Cancelled), None, 9).await, [cancelling]);
    assert_eq!(
        page(&t, Some(BatchState::Open), None, 9).await,
        [],
        "not accepted yet"
    );
}

async fn page(t: &Fixture, state: Option<BatchState>, before: Option<BatchId>, limit: u32) -> Vec<BatchId> {
    let filter = BatchFilter { state, before };
    let batches = t.store.batches(&t.space, &filter, limit).await.expect("lists");
    batches.into_iter().map(|batch| batch.id).collect()
}

/// What is told of a batch without reading all of it; and batches that were chosen by that.
pub async fn names_come_as_batches_do(t: Fixture) {
    let pending = t.sealed(2).await;
    let done = t.sealed(0).await;
    let foreign = t.in_space("other").sealed(1).await;
    t.uploaded(vec![]).await;
    let names = async |state, before, limit| {
        let filter = BatchFilter { state, before };
        let names = t
            .store
            .batch_names(&t.space, &filter, limit)
            .await
            .expect("lists");
        for name in &names {
            let batch = t.batch(name.id).await;
            assert_eq!(
                (&name.name, &name.job_type),
                (&batch.spec.name, &batch.spec.job_type)
            );
        }
        names.into_iter().map(|name| name.id).collect::<Vec<_>>()
    };
    assert_eq!(names(None, None, 9).await, [done, pending]);
    assert_eq!(names(None, None, 1).await, [done]);
    assert_eq!(names(None, Some(done), 9).await, [pending]);
    assert_eq!(names(Some(BatchState::Pending), None, 9).await, [pending]);
    assert_eq!(names(Some(BatchState::Open), None, 9).await, []);

    let ids = [pending, foreign, done, BatchId::LOWEST];
    let found = t.store.batches_of(&t.space, &ids).await.expect("reads");
    assert_eq!(found, [t.batch(done).await, t.batch(pending).await]);
    assert_eq!(t.store.batches_of(&t.space, &[]).await.expect("reads"), []);
}

/// Pages that meet without a gap or a repetition.
pub async fn items_come_in_input_order_in_pages(t: Fixture) {
    let id = t.sealed(10).await;
    let mut read = Vec::new();
    let mut after = None;
    loop {
        let page = item_page(&t, id, None, after, 4).await;
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 4);
        after = Some(*last);
        read.extend(page);
    }
    assert_eq!(read, (0..10).collect::<Vec<_>>());
    assert!(item_page(&t, id, None, Some(u32::MAX), 4).await.is_empty());
}

/// Each state has its own items, also in pages; to a store, `processing` is `queued`.
pub async fn items_are_listed_by_state(t: Fixture) {
    let id = t.sealed(14).await;
    t.sent(id, 10).await;
    t.record(vec![
        success(id, 1),
        failure(id, 2, "no"),
        success(id, 6),
        retry(id, 5, "busy"),
        retry(id, 8, "busy"),
        waiting(id, 9),
    ])
    .await;
    let states = [
        (ItemState::Pending, vec![10, 11, 12, 13]),
        (ItemState::Queued, vec![0, 3, 4, 7]),
        (ItemState::Processing, vec![0, 3, 4, 7]),
        (ItemState::Retrying, vec![5, 8]),
        (ItemState::Waiting, vec![9]),
        (ItemState::Succeeded, vec![1, 6]),
        (ItemState::Failed, vec![2]),
        (ItemState::Cancelled, vec![]),
    ];
    assert_listed(&t, id, &states).await;
    t.redispatch(id).await;
    let states = [
        (ItemState::Pending, vec![0, 3, 4, 7, 10, 11, 12, 13]),
        (ItemState::Queued, vec![]),
        (ItemState::Retrying, vec![5, 8]),
    ];
    assert_listed(&t, id, &states).await;
    t.assert_consistent(id).await;
    t.done(id, &Command::Cancel).await;
    t.sweep(id, 50).await;
    let cancelled = vec![0, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13];
    assert_listed(&t, id, &[(ItemState::Cancelled, cancelled)]).await;
}

async fn assert_listed(t: &Fixture, id: BatchId, states: &[(ItemState, Vec<u32>)]) {
    for (state, expected) in states {
        let listed = item_page(t, id, Some(*state), None, 99).await;
        assert_eq!(&listed, expected, "{state}");
        let rest = expected.iter().copied().filter(|&index| index > 3).take(2);
        let listed = item_page(t, id, Some(*state), Some(3), 2).await;
        assert_eq!(listed, rest.collect::<Vec<_>>(), "{state} after 3");
        let filter = ItemFilter {
            state: Some(*state),
            after: Some(3),
            before: Some(9),
        };
        let within = expected.iter().copied().filter(|index| (4..9).contains(index));
        let listed = t.store.items(&t.space, id, &filter, 99).await.expect("lists");
        assert!(
            listed.iter().map(|item| item.index).eq(within),
            "{state} from 4 to 8"
        );
    }
}

/// Names belong to one batch, and to nobody else.
pub async fn an_item_is_found_by_its_name(t: Fixture) {
    let named = |name: &str| NewItem {
        custom_id: Some(name.into()),
        ..inputs(0..1).remove(0)
    };
    let id = t.uploaded(vec![named("a"), named("b")]).await;
    let find = async |batch, name| t.store.item_named(&t.space, batch, name).await.expect("reads");
    assert_eq!(find(id, "b").await, Some(1));
    assert_eq!(find(id, "B").await, None);
    assert_eq!(find(t.sealed(2).await, "b").await, None);
    let elsewhere = t.in_space("other");
    let found = t.store.item_named(&elsewhere.space, id, "b").await;
    assert_eq!(found.expect("reads"), None);
    assert_eq!(find(id, "c").await, None);
    assert_eq!(
        t.store
            .items(&t.space, id, &ItemFilter::of(1), 9)
            .await
            .expect("reads")
            .len(),
        1
    );
}

async fn item_page(
    t: &Fixture,
    id: BatchId,
    state: Option<ItemState>,
    after: Option<u32>,
    limit: u32,
) -> Vec<u32> {
    let filter = ItemFilter {
        state,
        after,
        before: None,
    };
    let items = t.store.items(&t.space, id, &filter, limit).await.expect("lists");
    if let Some(state) = state.filter(|state| *state != ItemState::Processing) {
        assert!(items.iter().all(|item| item.state == state), "{items:?}");
    }
    items.into_iter().map(|item| item.index).collect()
}

/// Promise P8: what belongs to another space does not exist.
pub async fn a_space_sees_only_its_own(t: Fixture) {
    let other = t.in_space("other");
    let mine = t.dispatched(2).await;
    t.finish(mine).await;
    let theirs = other.dispatched(3).await;
    other.finish(theirs).await;
    for (t, own, foreign, items) in [(&t, mine, theirs, 2), (&other, theirs, mine, 3)] {
        let (store, space) = (&t.store, &t.space);
        assert_eq!(store.batch(space, foreign).await.expect("reads"), None);
        assert_eq!(store.result(space, foreign, None).await.expect("reads"), None);
        assert!(store.tried(space, foreign, 0).await.expect("reads").is_empty());
        assert!(store.history(space, foreign).await.expect("reads").is_empty());
        let supply = store.supply(space, foreign, &Ceilings::default(), t.now()).await;
        assert_eq!(supply.expect("reads"), None);
        assert!(t.items(foreign).await.is_empty());
        for state in ItemState::ALL {
            assert!(item_page(t, foreign, Some(state), None, 9).await.is_empty());
        }
        assert_eq!(page(t, None, None, 9).await, [own]);
        assert_eq!(page(t, Some(BatchState::Completed), None, 9).await, [own]);
        assert!(!page(t, None, Some(foreign), 9).await.contains(&foreign));
        assert_eq!(t.items(own).await.len(), items);
        assert!(t.result(own).await.is_some());
    }
}

/// Sealed and not ended, of anybody.
pub async fn batches_are_watched_to_their_end(t: Fixture) {
    t.sealed(0).await;
    let elsewhere = t.in_space("elsewhere").dispatched(1).await;
    t.uploaded(inputs(0..1)).await;
    let done = t.dispatched(1).await;
    t.finish(done).await;
    let (here, there) = (t.sealed(1).await, t.dispatched(1).await);

    let unfinished = async |after, limit| {
        let batches = t.store.unfinished(after, limit).await.expect("lists");
        batches.into_iter().map(|batch| batch.id).collect::<Vec<_>>()
    };
    assert_eq!(unfinished(None, 9).await, [elsewhere, here, there]);
    assert_eq!(unfinished(None, 2).await, [elsewhere, here]);
    assert_eq!(unfinished(Some(here), 2).await, [there]);
    assert_eq!(unfinished(Some(there), 2).await, []);
}

/// In the order of their ends, page after page: also those that ended at the same moment.
pub async fn ended_batches_are_listed_by_their_ends(t: Fixture) {
    let ended_long_ago = t.sealed(0).await;
    t.advance(Duration::from_secs(60));
    let since = t.now();
    let late = t.dispatched(1).await;
    let mut expected = vec![t.in_space("elsewhere").sealed(0).await, t.sealed(0).await];
    t.sealed(1).await;
    t.advance(Duration::from_secs(1));
    t.finish(late).await;
    expected.push(late);

    let mut point = (since - Duration::from_micros(1), BatchId::LOWEST);
    let mut listed = Vec::new();
    loop {
        let page = t.store.finished(point, 1).await.expect("lists");
        let Some(batch) = page.first() else { break };
        point = (batch.completed_at.expect("it has ended"), batch.id);
        listed.push(batch.id);
    }
    assert_eq!(listed, expected);
    let all = t
        .store
        .finished((Timestamp::UNIX_EPOCH, BatchId::LOWEST), 9)
        .await;
    let all: Vec<_> = all.expect("lists").into_iter().map(|batch| batch.id).collect();
    assert_eq!(all[0], ended_long_ago);
    assert_eq!(all[1..], expected);
}
