//! Items, attempts and what the cases do with them.

use std::time::Duration;

use flotilla_core::attempt::Attempt;
use flotilla_core::batch::{Batch, BatchSpec};
use flotilla_core::ids::{BatchId, ItemIndex, WorkerId};
use flotilla_core::item::NewItem;
use flotilla_core::message::{Verdict, Waiting};
use flotilla_core::outcome::{ItemError, ItemErrorKind, Output};
use flotilla_core::ports::store::{Claim, ClaimedItem, Want};
use flotilla_core::retry::Backoff;
use flotilla_core::{Error, ErrorKind, Json};
use jiff::Timestamp;
use tokio::task::JoinSet;

/// The longest rest between two attempts of the suite's items.
pub const REST: Duration = Duration::from_secs(10);

/// The most time that the suite's items wait for a callback.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// What the batches of the suite are to do.
#[must_use]
pub fn spec() -> BatchSpec {
    BatchSpec {
        job_type: "echo".into(),
        max_attempts: 3,
        backoff: Backoff {
            initial: REST,
            max: REST,
        },
        callback_timeout: Some(PATIENCE),
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

/// Wants items of a batch that may run beside others.
#[must_use]
pub fn want(batch: BatchId, items: u32) -> Want {
    Want {
        batch,
        items,
        suspects: 0,
    }
}

/// The indexes of all items of `claims`, in the order in which they came.
#[must_use]
pub fn indexes(claims: &[Claim]) -> Vec<ItemIndex> {
    items_of(claims).map(|item| item.index).collect()
}

/// Index and attempt of all items of `claims`, in the order in which they came.
#[must_use]
pub fn attempts(claims: &[Claim]) -> Vec<(ItemIndex, u16)> {
    items_of(claims).map(|item| (item.index, item.attempt)).collect()
}

/// All items of `claims`.
pub fn items_of(claims: &[Claim]) -> impl Iterator<Item = &ClaimedItem> {
    claims.iter().flat_map(|claim| &claim.items)
}

/// Every item of `claims` succeeded.
#[must_use]
pub fn successes(claims: &[Claim]) -> Vec<Attempt> {
    claims
        .iter()
        .flat_map(|claim| claim.items.iter().map(|item| (claim.batch, item)))
        .map(|(batch, item)| nth(item.attempt, success(batch, item.index)))
        .collect()
}

/// A worker ran the item for `index` + 1 milliseconds, as its first attempt.
#[must_use]
pub fn told(batch: BatchId, index: ItemIndex, verdict: Verdict) -> Attempt {
    Attempt {
        batch,
        index,
        attempt: 1,
        verdict,
        started_at: Timestamp::from_second(1_700_000_000).expect("a valid time"),
        duration_us: (u64::from(index) + 1) * 1_000,
        worker: Some(WorkerId("worker-1".into())),
        artifacts: Vec::new(),
    }
}

/// The same of another attempt.
#[must_use]
pub fn nth(attempt: u16, told: Attempt) -> Attempt {
    Attempt { attempt, ..told }
}

/// It succeeded.
#[must_use]
pub fn success(batch: BatchId, index: ItemIndex) -> Attempt {
    let output = Output::Inline(Json::of(&index).expect("a number is JSON"));
    told(batch, index, Verdict::Done(output))
}

/// It failed for good.
#[must_use]
pub fn failure(batch: BatchId, index: ItemIndex, message: &str) -> Attempt {
    told(batch, index, Verdict::Fail(error(message)))
}

/// It failed, and another attempt may succeed.
#[must_use]
pub fn retry(batch: BatchId, index: ItemIndex, message: &str) -> Attempt {
    let verdict = Verdict::Retry {
        error: error(message),
        after_ms: None,
    };
    told(batch, index, verdict)
}

/// It waits for a callback, as long as it may.
#[must_use]
pub fn waiting(batch: BatchId, index: ItemIndex) -> Attempt {
    told(batch, index, Verdict::Waiting(Waiting::default()))
}

/// A worker keeps it for so long.
#[must_use]
pub fn leased(batch: BatchId, index: ItemIndex, time: Duration) -> Attempt {
    let ttl_ms = u64::try_from(time.as_millis()).expect("a short time");
    told(batch, index, Verdict::Leased { ttl_ms })
}

/// It was given back.
#[must_use]
pub fn released(batch: BatchId, index: ItemIndex) -> Attempt {
    told(batch, index, Verdict::Released)
}

/// A worker was lost with it.
#[must_use]
pub fn lost(batch: BatchId, index: ItemIndex) -> Attempt {
    told(batch, index, Verdict::Lost)
}

/// It was stopped.
#[must_use]
pub fn cancelled(batch: BatchId, index: ItemIndex) -> Attempt {
    told(batch, index, Verdict::Cancelled)
}

/// An error of a handler.
#[must_use]
pub fn error(message: &str) -> ItemError {
    ItemError::new(ItemErrorKind::Handler, message)
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
