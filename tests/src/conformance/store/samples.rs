//! Items, outcomes and what the cases do with them.

use std::time::Duration;

use flotilla_core::batch::{Batch, BatchSpec};
use flotilla_core::ids::{BatchId, ItemIndex, WorkerId};
use flotilla_core::item::NewItem;
use flotilla_core::outcome::{Ending, ItemError, ItemErrorKind, Outcome, Output};
use flotilla_core::ports::store::{Claim, ClaimedItem};
use flotilla_core::{Error, ErrorKind, Json};
use jiff::Timestamp;
use tokio::task::JoinSet;

/// What the batches of the suite are to do.
#[must_use]
pub fn spec() -> BatchSpec {
    BatchSpec {
        job_type: "echo".into(),
        max_attempts: 3,
        ..BatchSpec::default()
    }
}

/// Items that can be told apart by their input.
#[must_use]
pub fn inputs(range: std::ops::Range<u32>) -> Vec<NewItem> {
    range.map(|i| item(None, &format!(r#"{{"n": {i}}}"#))).collect()
}

/// An item.
#[must_use]
pub fn item(custom_id: Option<&str>, input: &str) -> NewItem {
    NewItem {
        custom_id: custom_id.map(str::to_owned),
        input: Json::parse(input).expect("valid JSON"),
    }
}

/// The indexes of all items of `claims`, in the order in which they came.
#[must_use]
pub fn indexes(claims: &[Claim]) -> Vec<ItemIndex> {
    items_of(claims).map(|item| item.index).collect()
}

/// All items of `claims`.
pub fn items_of(claims: &[Claim]) -> impl Iterator<Item = &ClaimedItem> {
    claims.iter().flat_map(|claim| &claim.items)
}

/// A worker ran the item, and it succeeded.
#[must_use]
pub fn success(batch: BatchId, index: ItemIndex) -> Outcome {
    let output = Output::Inline(Json::of(&index).expect("a number is JSON"));
    ended(batch, index, Ending::Succeeded(output))
}

/// A worker ran the item, and it failed.
#[must_use]
pub fn failure(batch: BatchId, index: ItemIndex, message: &str) -> Outcome {
    let error = ItemError::new(ItemErrorKind::Handler, message);
    ended(batch, index, Ending::Failed(error))
}

/// A worker ran the item for `index` + 1 milliseconds.
#[must_use]
pub fn ended(batch: BatchId, index: ItemIndex, ending: Ending) -> Outcome {
    Outcome {
        batch,
        index,
        attempt: 1,
        ending,
        started_at: Timestamp::from_second(1_700_000_000).expect("a valid time"),
        duration_us: (u64::from(index) + 1) * 1_000,
        worker: Some(WorkerId("worker-1".into())),
    }
}

/// The call contradicts the state.
#[track_caller]
pub fn assert_conflict<T: std::fmt::Debug>(result: Result<T, Error>) {
    let error = result.expect_err("a conflict was expected");
    assert_eq!(error.kind(), ErrorKind::Conflict, "{}", error.chain());
}

/// The rate and the time to the end go on while somebody reads; all else is what the recorder was told.
#[track_caller]
pub fn assert_same(changed: &[Batch], read: &Batch) {
    assert_eq!(changed.len(), 1, "one batch was named");
    let still = |batch: &Batch| Batch {
        eta: None,
        rate_per_s: 0.0,
        ..batch.clone()
    };
    assert_eq!(still(&changed[0]), still(read));
}

/// Runs `task` so many times at once, on all threads of the runtime, and gathers what they return.
pub async fn at_once<T, F>(times: u32, task: impl Fn(u32) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut running = JoinSet::new();
    for number in 0..times {
        running.spawn(task(number));
    }
    let all = tokio::time::timeout(Duration::from_secs(60), running.join_all());
    all.await.expect("ended within a minute")
}
