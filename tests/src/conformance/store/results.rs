//! The end of a batch.

use std::collections::HashMap;
use std::time::Duration;

use flotilla_core::attempt::Attempt;
use flotilla_core::batch::BatchState;
use flotilla_core::ids::BatchId;
use flotilla_core::message::Verdict;
use flotilla_core::outcome::{Ending, ItemError, ItemErrorKind, Outcome};
use flotilla_core::tally::Tally;

use super::fixture::Fixture;
use super::samples::{REST, assert_same, at_once, failure, nth, retry, success, told};

/// In the same transaction: who recorded it gets the finished batch.
pub async fn the_last_outcome_writes_the_result(t: Fixture) {
    let id = t.dispatched(3).await;
    let before_last = t.record(vec![success(id, 2), failure(id, 0, "no")]).await;
    assert_eq!(before_last[0].state, BatchState::Processing);
    assert_eq!(t.result(id).await, None);
    t.advance(Duration::from_secs(2));
    let end = t.now();
    let done = t.record(vec![success(id, 1)]).await;
    assert_same(&done, &t.batch(id).await);
    assert_eq!(
        (done[0].state, done[0].completed_at, done[0].eta),
        (BatchState::Completed, Some(end), None)
    );
    assert!(
        (done[0].rate_per_s - 1.5).abs() < 0.01,
        "3 items in 2 seconds: {}",
        done[0].rate_per_s
    );
    let result = t.result(id).await.expect("is there");
    assert_eq!((result.created_at, result.total_time_ms >= 2_000), (end, true));

    t.advance(Duration::from_secs(2));
    assert_same(&t.record(vec![failure(id, 1, "late")]).await, &done[0]);
    assert_eq!(t.result(id).await, Some(result));
    assert_eq!(t.active(10).await, []);
    t.assert_consistent(id).await;
}

/// Percentiles, attempts, averages and error groups are those of all outcomes, however they came in.
pub async fn the_result_is_that_of_the_rows(t: Fixture) {
    let id = t.dispatched(40).await;
    let batch = t.batch(id).await;
    // A third of the items succeed or fail at their first attempt, a third at their second, a third at their third.
    for nth_attempt in 1..=3 {
        let due = t.sent(id, 99).await;
        let running = (0..40).filter(|index| nth_attempt == 1 || due.contains(index));
        let attempts: Vec<_> = running
            .map(|index| match index % 3 < u32::from(nth_attempt) {
                true => nth(nth_attempt, mixed(id, index)),
                false => nth(nth_attempt, retry(id, index, "busy")),
            })
            .collect();
        for chunk in attempts.chunks(9).rev() {
            t.record(chunk.to_vec()).await;
        }
        t.advance(REST);
    }
    let outcomes: Vec<_> = (0..40).map(|index| outcome(mixed(id, index), index)).collect();
    let mut tally = Tally::default();
    let end = t.batch(id).await.completed_at.expect("it ended");
    tally.settle(&outcomes, end, end);
    let expected = tally.result(id, 1, 40, batch.created_at, end);
    let result = t.result(id).await.expect("is there");
    assert_eq!(result, expected);
    let groups: Vec<_> = result
        .result_summary
        .errors
        .iter()
        .map(|group| group.count)
        .collect();
    assert_eq!(groups, [8, 4, 2], "one group for what differs in numbers only");
    t.assert_consistent(id).await;
}

/// 26 successes, 8 and 4 failures of two kinds, 2 that nobody ran.
fn mixed(id: BatchId, index: u32) -> Attempt {
    match index % 10 {
        1 | 6 => failure(id, index, &format!("row {index} from 'host{index}'")),
        3 => failure(id, index, "can't 漢 parse"),
        _ if index >= 38 => {
            let error = ItemError::new(ItemErrorKind::WorkerLost, "gone");
            Attempt {
                worker: None,
                ..told(id, index, Verdict::Fail(error))
            }
        }
        _ => success(id, index),
    }
}

/// What an attempt that settles its item comes to.
fn outcome(last: Attempt, index: u32) -> Outcome {
    Outcome {
        batch: last.batch,
        index,
        attempt: 1 + u16::try_from(index % 3).expect("small"),
        ending: match last.verdict {
            Verdict::Done(output) => Ending::Succeeded(output),
            Verdict::Fail(error) => Ending::Failed(error),
            other => panic!("{other:?} settles nothing"),
        },
        started_at: last.started_at,
        duration_us: last.duration_us,
        worker: last.worker,
        artifacts: last.artifacts,
    }
}

/// Six recorders report every item of three batches, in different orders and with different endings.
pub async fn concurrent_recorders_finish_a_batch_once(t: Fixture) {
    const ITEMS: u32 = 120;
    let batches = [
        t.dispatched(ITEMS).await,
        t.dispatched(ITEMS).await,
        t.dispatched(ITEMS).await,
    ];
    let changed = at_once(6, |number| {
        let t = t.clone();
        async move {
            let mut seen = Vec::new();
            for chunk in shuffled(batches, ITEMS, number).chunks(23) {
                seen.extend(t.record(chunk.to_vec()).await);
            }
            seen
        }
    })
    .await;
    let mut by_version = HashMap::new();
    for view in changed.into_iter().flatten() {
        let shown = (view.state, view.counts, view.completed_at);
        let first = *by_version.entry((view.id, view.version)).or_insert(shown);
        assert_eq!(first, shown, "no two transactions share a version");
    }
    for id in batches {
        t.assert_consistent(id).await;
        let ends = by_version
            .iter()
            .filter(|((of, _), shown)| *of == id && shown.0.is_final());
        assert_eq!(ends.count(), 1, "a batch ends once");
    }
}

/// Every item of all batches once, in an order and with endings that differ from recorder to recorder.
fn shuffled(batches: [BatchId; 3], items: u32, number: u32) -> Vec<Attempt> {
    let all = items * 3;
    // 77, 79, 83, … have no factor in common with 360: each step visits every item.
    let step = [77, 79, 83, 89, 91, 97][number as usize % 6];
    let at = |n: u32| (n * step + number * 50) % all;
    (0..all)
        .map(|n| (batches[(at(n) % 3) as usize], at(n) / 3))
        .map(|(id, index)| match number % 2 {
            0 => success(id, index),
            _ => failure(id, index, "another view"),
        })
        .collect()
}
