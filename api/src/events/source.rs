//! Where batches stand: from the live view, and from the store where that does not say.

use std::time::Duration;

use flotilla_core::batch::BatchFilter;
use flotilla_core::snapshot::Snapshot;
use flotilla_core::{BatchId, Result, Space};
use futures_util::{StreamExt, stream};
use tokio::time::timeout;

use super::update::Update;
use crate::app::App;
use crate::follow_ups;
use crate::problem::Problem;
use crate::views::ResultView;

/// The live view answers within this time, or the store is asked.
const LIVE_PATIENCE: Duration = Duration::from_secs(1);
/// Questions to the store at once.
const AT_ONCE: usize = 8;
/// Batches that are looked for in the store while the live view is away.
const NEWEST: u32 = 200;
/// Batches that are shown without having been asked for, at most: the newest.
const SHOWN: usize = 1_000;

/// What the live view holds of the space and what is not final.
pub(super) async fn active(app: &App, space: &Space) -> Result<Vec<BatchId>> {
    let active = timeout(LIVE_PATIENCE, app.deps.progress.active(space)).await;
    let mut active = active.unwrap_or_else(|_| Err(silent()))?;
    Ok(active.split_off(active.len().saturating_sub(SHOWN)))
}

/// The same as the store has it, with where they stand.
pub(super) async fn newest(app: &App, space: &Space) -> Result<Vec<Snapshot>> {
    let all = BatchFilter::default();
    let batches = app.deps.store.batches(space, &all, NEWEST).await?;
    let now = app.deps.clock.now();
    let snapshots = batches.iter().map(|batch| Snapshot::of(batch, 0, now));
    Ok(snapshots.collect())
}

/// Where batches stand, each with its id: `None` where nothing can be found out at the moment.
pub(super) async fn look(app: &App, space: &Space, ids: &[BatchId]) -> Vec<(BatchId, Option<Update>)> {
    let live = timeout(LIVE_PATIENCE, app.deps.progress.read(ids)).await;
    let live = live.unwrap_or_else(|_| Err(silent())).unwrap_or_else(|error| {
        tracing::debug!(error = error.chain(), "reading progress from the store instead");
        vec![None; ids.len()]
    });
    let all = ids.iter().copied().zip(live);
    // What is of another space is not there.
    let all = all.map(|(id, live)| (id, live.filter(|snapshot| snapshot.space == *space)));
    let looks = stream::iter(all).map(|(id, live)| async move {
        let update = one(app, space, id, live).await;
        (
            id,
            update
                .map_err(|error| tracing::debug!(%error, "a change is shown later"))
                .ok(),
        )
    });
    looks.buffer_unordered(AT_ONCE).collect().await
}

async fn one(app: &App, space: &Space, id: BatchId, live: Option<Snapshot>) -> Result<Update, Problem> {
    let snapshot = match live {
        Some(snapshot) => snapshot,
        None => match app.deps.store.batch(space, id).await? {
            Some(batch) => Snapshot::of(&batch, 0, app.deps.clock.now()),
            None => return Ok(Update::deleted(id, space, app.deps.clock.now())),
        },
    };
    if !snapshot.state.is_final() {
        return Ok(Update::progress(snapshot));
    }
    let result = result(app, space, id).await?;
    Ok(Update::complete(snapshot, result))
}

async fn result(app: &App, space: &Space, id: BatchId) -> Result<Option<ResultView>, Problem> {
    let Some(result) = app.deps.store.result(space, id, None).await? else {
        return Ok(None);
    };
    let Some(batch) = app.deps.store.batch(space, id).await? else {
        return Ok(None);
    };
    let follow_up = follow_ups::of(app, space, &batch, result.revision).await?;
    Ok(Some(ResultView::new(result, follow_up)))
}

fn silent() -> flotilla_core::Error {
    flotilla_core::Error::unavailable("the live view", "no answer in time")
}
