//! The end of a batch.

use std::collections::HashMap;
use std::time::Duration;

use flotilla_core::batch::BatchState;
use flotilla_core::ids::BatchId;
use flotilla_core::outcome::{Ending, ItemError, ItemErrorKind, Outcome};
use flotilla_core::tally::Tally;

use super::fixture::Fixture;
use super::samples::{assert_same, at_once, ended, failure, success};

/// In the same transaction: who recorded it gets the finished batch.
pub async fn the_last_outcome_writes_the_result(t: Fixture) {
    let id = t.dispatched(3).await;
    let before_last = t.record(vec![success(id, 2), failure(id, 0, "no")]).await;
    assert_eq!(before_last[0].state, BatchState::Processing);
    assert_eq!(t.store.result(&t.space, id).await.expect("reads"), None);
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
    let result = t
        .store
        .result(&t.space, id)
        .await
        .expect("reads")
        .expect("is there");
    assert_eq!((result.created_at, result.total_time_ms >= 2_000), (end, true));

    t.advance(Duration::from_secs(2));
    assert_same(&t.record(vec![failure(id, 1, "late")]).await, &done[0]);
    assert_eq!(t.store.result(&t.space, id).await.expect("reads"), Some(result));
    assert!(t.store.active_batches(10).await.expect("reads").is_empty());
    t.assert_consistent(id).await;
}

/// Percentiles, attempts, averages and error groups are those of all outcomes, however they came in.
pub async fn the_result_is_that_of_the_rows(t: Fixture) {
    let id = t.dispatched(40).await;
    let batch = t.batch(id).await;
    let outcomes: Vec<_> = (0..40).map(|index| mixed(id, index)).collect();
    for chunk in outcomes.chunks(9).rev() {
        t.record(chunk.to_vec()).await;
    }
    let mut tally = Tally::default();
    tally.settle(outcomes.chunks(9).rev().flatten(), t.now(), t.now());
    let expected = tally.result(id, 40, batch.created_at, t.now());
    let result = t
        .store
        .result(&t.space, id)
        .await
        .expect("reads")
        .expect("is there");
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
fn mixed(id: BatchId, index: u32) -> Outcome {
    let outcome = match index % 10 {
        1 | 6 => failure(id, index, &format!("status {index} from 'host{index}'")),
        3 => failure(id, index, "can't 漢 parse"),
        _ if index >= 38 => {
            let error = ItemError::new(ItemErrorKind::WorkerLost, "gone");
            Outcome {
                worker: None,
                ..ended(id, index, Ending::Failed(error))
            }
        }
        _ => success(id, index),
    };
    Outcome {
        attempt: 1 + u16::try_from(index % 3).expect("small"),
        ..outcome
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
fn shuffled(batches: [BatchId; 3], items: u32, number: u32) -> Vec<Outcome> {
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
