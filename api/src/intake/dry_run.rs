//! What would become of an upload: checked, counted, and forgotten.

use flotilla_core::batch::{Batch, BatchFilter, BatchState};
use flotilla_core::{Json, Space};

use super::body::BodyReader;
use super::receive::{Incoming, start_parser};
use super::{Chunk, Limits, Options};
use crate::app::App;
use crate::problem::Problem;

/// Batches of a space that are looked at for those of the same job type.
const RECENT: u32 = 200;
/// So many of them are enough.
const ENOUGH: usize = 5;

/// What an upload amounts to.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    pub(crate) items: u32,
    pub(crate) skipped: u32,
    /// Bytes of the items, as JSON.
    pub(crate) bytes: u64,
    /// The first item, as its handler would get it.
    pub(crate) first: Option<Json>,
    pub(crate) estimate: Option<Estimate>,
}

/// How long it would run, in seconds, by how batches of its job type did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) low_s: f64,
    pub(crate) high_s: f64,
    /// So many batches.
    pub(crate) based_on: usize,
}

/// Reads `body` as if it were to be stored.
pub(crate) async fn dry_run(
    app: App,
    incoming: Incoming,
    options: Options,
    held: u32,
    body: BodyReader,
) -> Result<Checked, Problem> {
    let limits = Limits {
        held,
        ..Limits::from(&app.config)
    };
    let mut checked = Checked::default();
    let (mut chunks, parsing) = start_parser(incoming, options, limits, body, None);
    while let Some(chunk) = chunks.recv().await {
        checked.add(chunk);
    }
    let parsed = parsing
        .await
        .map_err(|error| Problem::internal(&format!("the parser of an upload: {error}")))??;
    checked.add(parsed.rest);
    let space = parsed.options.space.clone().unwrap_or_default();
    if let Some(job_type) = parsed.options.job_type() {
        checked.estimate = estimate(checked.items, &alike(&app, &space, job_type).await?);
    }
    Ok(checked)
}

impl Checked {
    fn add(&mut self, chunk: Chunk) {
        let count = |many: usize| u32::try_from(many).unwrap_or(u32::MAX);
        self.items = self.items.saturating_add(count(chunk.items.len()));
        self.skipped = self.skipped.saturating_add(count(chunk.skipped.len()));
        self.bytes += chunk
            .items
            .iter()
            .map(|item| item.input.len() as u64)
            .sum::<u64>();
        if self.first.is_none() {
            self.first = chunk.items.into_iter().next().map(|item| item.input);
        }
    }
}

/// The latest batches of a job type that completed.
async fn alike(app: &App, space: &Space, job_type: &str) -> Result<Vec<Batch>, Problem> {
    let filter = BatchFilter {
        state: Some(BatchState::Completed),
        before: None,
    };
    let mut batches = app.deps.store.batches(space, &filter, RECENT).await?;
    batches.retain(|batch| batch.spec.job_type == job_type && batch.counts.total > 0);
    batches.truncate(ENOUGH);
    Ok(batches)
}

fn estimate(items: u32, alike: &[Batch]) -> Option<Estimate> {
    let rates = alike
        .iter()
        .map(|batch| batch.rate_per_s)
        .filter(|rate| *rate > 0.0);
    let (mut slowest, mut fastest, mut based_on) = (f64::INFINITY, 0.0_f64, 0);
    for rate in rates {
        (slowest, fastest, based_on) = (slowest.min(rate), fastest.max(rate), based_on + 1);
    }
    (based_on > 0).then(|| Estimate {
        low_s: f64::from(items) / fastest,
        high_s: f64::from(items) / slowest,
        based_on,
    })
}
