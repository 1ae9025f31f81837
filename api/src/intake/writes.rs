//! The writes of an upload, repeated where the store does not answer.
//!
//! A write that failed may have happened. Only one submission ever writes to an open batch, so a conflict after such a
//! failure has one explanation: the write had happened.

use std::future::Future;
use std::time::Duration;

use flotilla_core::batch::BatchSpec;
use flotilla_core::item::NewItem;
use flotilla_core::ports::Store;
use flotilla_core::ports::store::{Appended, Appending, Created, Namesake, NewBatch, Portion, Portioned};
use flotilla_core::skipped::SkippedItem;
use flotilla_core::{Batch, BatchId, BatchState, Clock, Error, ErrorKind, ItemIndex, Result, Space};
use tokio::time::{Instant, sleep};

/// How long to wait before each repetition.
const WAITS: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(3),
];

/// Once a write has taken this long, it is not repeated any more: the client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Repeats `write` while the store is away, for a bounded time. The flag tells whether it may have happened before the last answer.
pub(crate) async fn repeat<T, F>(what: &'static str, mut write: impl FnMut() -> F) -> (Result<T>, bool)
where
    F: Future<Output = Result<T>>,
{
    let began = Instant::now();
    for (repetition, wait) in WAITS.into_iter().enumerate() {
        match write().await {
            Err(error) if error.is_transient() && began.elapsed() < PATIENCE => {
                tracing::warn!(error = error.chain(), "can't {what} at the moment: trying again");
                sleep(error.wait().unwrap_or(wait).min(WAITS[3])).await;
            }
            answer => return (answer, repetition > 0),
        }
    }
    (write().await, true)
}

/// Appends a chunk. Answers the items that keep it from being stored, because their `custom_id` is taken.
pub(crate) async fn append(
    store: &dyn Store,
    batch: BatchId,
    first: ItemIndex,
    items: &[NewItem],
) -> Result<Option<Vec<Namesake>>> {
    let write = || store.append_items(batch, first, items.to_vec());
    let appended = match repeat("store items", write).await {
        (Err(error), true) if error.kind() == ErrorKind::Conflict => {
            // Either it had happened before the answer was lost, or the store can't take these items. If it had,
            // an append of nothing behind them is fine.
            let behind = first.saturating_add(items.len() as u32);
            let probe = || store.append_items(batch, behind, Vec::new());
            match repeat("look for items", probe).await.0 {
                Err(other) if other.kind() == ErrorKind::Conflict => return Err(error),
                answer => answer,
            }
        }
        (answer, _) => answer,
    };
    Ok(match appended? {
        Appended::All => None,
        Appended::Named(namesakes) => Some(namesakes),
    })
}

/// Keeps what is skipped.
pub(crate) async fn skip(
    store: &dyn Store,
    batch: BatchId,
    first: u32,
    skipped: &[SkippedItem],
) -> Result<()> {
    let write = || store.skip_items(batch, first, skipped.to_vec());
    repeat("keep what is skipped", write).await.0
}

/// Appends what a producer sends next.
pub(crate) async fn portion(
    store: &dyn Store,
    clock: &dyn Clock,
    space: &Space,
    batch: BatchId,
    portion: &Portion,
) -> Result<Portioned> {
    let write = || store.append_portion(space, batch, portion.clone(), clock.now());
    match repeat("append items of a producer", write).await {
        // It had happened before the answer was lost, where the producer is right behind it.
        (Ok(Portioned::Elsewhere(found)), true) if found == portion.position + portion.read => {
            let batch = store.batch(space, batch).await?;
            Ok(batch.map_or(Portioned::Unknown, |batch| Portioned::Done(Box::new(batch))))
        }
        (answer, _) => answer,
    }
}

/// Seals a batch.
pub(crate) async fn seal(
    store: &dyn Store,
    clock: &dyn Clock,
    space: &Space,
    batch: BatchId,
    spec: &BatchSpec,
) -> Result<Batch> {
    let write = || store.seal_batch(batch, spec.clone(), clock.now());
    match repeat("seal a batch", write).await {
        (Err(error), true) if error.kind() == ErrorKind::Conflict => {
            sealed_before(store, space, batch).await?.ok_or(error)
        }
        (answer, _) => answer,
    }
}

async fn sealed_before(store: &dyn Store, space: &Space, batch: BatchId) -> Result<Option<Batch>, Error> {
    let found = store.batch(space, batch).await?;
    Ok(found.filter(|batch| batch.state != BatchState::Open))
}

/// Creates a batch that is there as a whole. One that is there already is what an earlier try has made: nobody else knows
/// its id, and it has no key.
pub(crate) async fn create(
    store: &dyn Store,
    clock: &dyn Clock,
    new: &NewBatch,
    items: &[NewItem],
    spec: &BatchSpec,
) -> Result<Batch> {
    let write = || store.create_batch(new.clone(), items.to_vec(), spec.clone(), clock.now());
    let (Created::New(batch) | Created::Existing(batch)) = repeat("create a batch", write).await.0?;
    Ok(*batch)
}

/// Makes an upload a batch that stays open.
pub(crate) async fn keep_open(
    store: &dyn Store,
    clock: &dyn Clock,
    space: &Space,
    batch: BatchId,
    spec: &BatchSpec,
) -> Result<Batch> {
    let write = || store.keep_open(batch, spec.clone(), clock.now());
    match repeat("keep a batch open", write).await {
        (Err(error), true) if error.kind() == ErrorKind::Conflict => {
            let found = store.batch(space, batch).await?;
            found.filter(|batch| !batch.spec.job_type.is_empty()).ok_or(error)
        }
        (answer, _) => answer,
    }
}

/// Lets an append begin.
pub(crate) async fn begin_append(
    store: &dyn Store,
    clock: &dyn Clock,
    space: &Space,
    batch: BatchId,
    patience: Duration,
) -> Result<Appending> {
    let write = || store.begin_append(space, batch, patience, clock.now());
    repeat("begin an append", write).await.0
}

/// Ends an append that began at `first` and stored `stored` items: keeps all of them, or none.
pub(crate) async fn end_append(
    store: &dyn Store,
    clock: &dyn Clock,
    space: &Space,
    (batch, first, stored): (BatchId, ItemIndex, u32),
    keep: bool,
) -> Result<Batch> {
    let write = || store.end_append(batch, first, keep, clock.now());
    match repeat("end an append", write).await {
        (Err(error), true) if keep && error.kind() == ErrorKind::Conflict => {
            // It had happened before the answer was lost, where the batch has all of them.
            let found = store.batch(space, batch).await?;
            let total = first.saturating_add(stored);
            found.filter(|batch| batch.counts.total >= total).ok_or(error)
        }
        (answer, _) => answer,
    }
}

/// Removes what an upload left. Where that fails too, the scheduler removes it when it has been idle for long enough.
pub(crate) async fn discard(store: &dyn Store, batch: BatchId) {
    match repeat("discard an upload", || store.discard_batch(batch)).await {
        (Ok(_), _) => tracing::info!(%batch, "discarded an upload that did not get through"),
        (Err(error), _) => {
            tracing::warn!(%batch, error = error.chain(), "an upload that broke stays open until it is cleaned up");
        }
    }
}
