//! Batches by what people call them.

use flotilla_core::batch::{Batch, BatchFilter, Words};
use flotilla_core::{BatchId, Result, Space};

use crate::app::App;

/// Batches in one step of a search.
const STEP: u32 = 5_000;
/// Batches that one request looks at: it ends in bounded time, however many there are.
const LOOKED_AT: u32 = 20_000;

/// What a search has found.
pub(crate) struct Found {
    /// What fits, newest first.
    pub(crate) batches: Vec<Batch>,
    /// Where to go on: what is not older was looked at. `None` where all were.
    pub(crate) looked_to: Option<BatchId>,
}

/// The first `limit` batches that fit, as far as one request looks.
pub(crate) async fn search(
    app: &App,
    space: &Space,
    words: &Words,
    filter: &BatchFilter,
    limit: u32,
) -> Result<Found> {
    let (mut filter, mut fitting) = (filter.clone(), Vec::new());
    let (mut looked_at, mut more) = (0, true);
    'looking: while looked_at < LOOKED_AT && more {
        let names = app.deps.store.batch_names(space, &filter, STEP).await?;
        more = names.len() == STEP as usize;
        looked_at += STEP;
        for name in names {
            if fitting.len() == limit as usize {
                more = true;
                break 'looking;
            }
            filter.before = Some(name.id);
            if words.fit(&name) {
                fitting.push(name.id);
            }
        }
    }
    Ok(Found {
        batches: app.deps.store.batches_of(space, &fitting).await?,
        looked_to: filter.before.filter(|_| more),
    })
}
