//! More items for a batch that stays open: all of them, or none.

use std::time::Duration;

use flotilla_core::ports::store::Appending;
use flotilla_core::{Batch, BatchId, ItemIndex, Space, crash};
use tokio::time::timeout;

use super::admission::{self, Admission};
use super::body::BodyReader;
use super::chunk::MAX_AGE;
use super::receive::{Incoming, start_parser};
use super::{Chunk, Limits, Options, writes};
use crate::app::{App, unknown_batch};
use crate::live;
use crate::problem::{Kind, Problem};

/// How long cleaning up may take where the process is about to end.
const ABORT_PATIENCE: Duration = Duration::from_secs(3);
/// How long a write may take until another append thinks that nobody is there.
const WRITE_PATIENCE: Duration = Duration::from_secs(60);

/// What a client wants to append.
pub(crate) struct Append {
    pub(crate) space: Space,
    pub(crate) batch: Batch,
    pub(crate) incoming: Incoming,
    /// The index that the first item is to get, where that matters.
    pub(crate) first: Option<ItemIndex>,
}

/// An append that got through.
pub(crate) struct Appended {
    pub(crate) items: u32,
    pub(crate) skipped: u32,
    /// Of those, the ones that the space has already.
    pub(crate) deduplicated: u32,
    pub(crate) batch: Batch,
}

/// Appends `body`. Runs as a task of its own, so that it is there to clean up when the request is not.
pub(crate) async fn append(app: App, append: Append, body: BodyReader) -> Result<Appended, Problem> {
    let deps = &app.deps;
    // Between two chunks a client may be silent for as long as an upload may be.
    let patience = app.config.upload_idle_timeout + MAX_AGE + WRITE_PATIENCE;
    let (space, id) = (append.space.clone(), append.batch.id);
    let begun = writes::begin_append(&*deps.store, &*deps.clock, &space, id, patience).await?;
    let (first, first_skipped) = match begun {
        Appending::Ready { first, skipped } => (first, skipped),
        Appending::Busy => return Err(busy()),
        Appending::NotOpen(batch) => return Err(not_open(&batch)),
        Appending::Unknown => return Err(unknown_batch(&space, &id.to_string())),
    };
    let mut storing = Storing {
        app: app.clone(),
        first,
        first_skipped,
        stored: first,
        skipped: first_skipped,
        deduplicated: 0,
    };
    let ended = match deps
        .tasks
        .shutdown()
        .until_aborting(storing.run(append, body))
        .await
    {
        Some(ended) => ended,
        None => Err(Problem::new(
            Kind::ShuttingDown,
            "the server is stopping; nothing was appended",
        )),
    };
    if let Err(problem) = &ended {
        take_back(&app, &space, (id, first), problem.kind()).await;
    }
    ended
}

/// Removes what was stored, and lets others append. The client waits for that, so that a refusal means that nothing was
/// appended; but not where the store does not answer. Where all of this fails, the next append does it.
async fn take_back(app: &App, space: &Space, (batch, first): (BatchId, ItemIndex), kind: Kind) {
    let (deps, space) = (app.deps.clone(), space.clone());
    let end = async move {
        let ended = writes::end_append(&*deps.store, &*deps.clock, &space, (batch, first, 0), false).await;
        if let Err(error) = ended {
            tracing::warn!(%batch, error = error.chain(), "an append that broke is removed by the next one");
        }
    };
    match kind {
        Kind::Unavailable => {
            let shutdown = app.deps.tasks.shutdown().clone();
            let patient = async move { shutdown.until_aborting(end).await };
            app.deps.tasks.spawn("take an append back", patient);
        }
        Kind::ShuttingDown => {
            let _ = timeout(ABORT_PATIENCE, end).await;
        }
        _ => end.await,
    }
}

struct Storing {
    app: App,
    first: ItemIndex,
    first_skipped: u32,
    /// How many items the batch holds,
    stored: u32,
    /// and how many others.
    skipped: u32,
    deduplicated: u32,
}

impl Storing {
    async fn run(&mut self, append: Append, body: BodyReader) -> Result<Appended, Problem> {
        let Append {
            space,
            batch,
            incoming,
            first,
        } = append;
        if let Some(expected) = first.filter(|first| *first != self.first) {
            return Err(elsewhere(expected, self.first));
        }
        let (app, deps) = (self.app.clone(), self.app.deps.clone());
        let admission = Admission {
            app: &app,
            space: &space,
            batch: batch.id,
            on_invalid: incoming.terms.on_invalid,
        };
        let options = Options::of_items(&deps, &batch.spec, deps.clock.now());
        let limits = Limits {
            held: self.first,
            ..Limits::from(&app.config)
        };
        let gone = incoming.gone.clone();
        let (mut chunks, parsing) = start_parser(incoming, options, limits, body, None);
        while let Some(chunk) = chunks.recv().await {
            self.store(&admission, chunk).await?;
        }
        let parsed = parsing
            .await
            .map_err(|error| Problem::internal(&format!("the parser of an upload: {error}")))??;
        self.store(&admission, parsed.rest).await?;
        if gone.is_cancelled() {
            return Err(Problem::disconnected());
        }
        let items = self.stored - self.first;
        crash::point("api.accept.before_commit");
        let appended = (batch.id, self.first, items);
        let batch = writes::end_append(&*deps.store, &*deps.clock, &space, appended, true).await?;
        crash::point("api.accept.after_commit");
        live::show(&self.app, &batch).await;
        Ok(Appended {
            items,
            skipped: self.skipped - self.first_skipped,
            deduplicated: self.deduplicated,
            batch,
        })
    }

    async fn store(&mut self, admission: &Admission<'_>, chunk: Chunk) -> Result<(), Problem> {
        let before = (self.stored, self.skipped);
        let (stored, skipped, deduplicated) = admission::store(admission, chunk, before).await?;
        (self.stored, self.skipped) = (stored, skipped);
        self.deduplicated += deduplicated;
        Ok(())
    }
}

/// The answer where somebody else is at it.
pub(super) fn busy() -> Problem {
    Problem::new(
        Kind::AppendInProgress,
        "somebody else is appending to this batch; try again when they are done",
    )
    .retry_after(Duration::from_secs(2))
}

/// The answer to an append where the state does not allow it.
pub(crate) fn not_open(batch: &Batch) -> Problem {
    Problem::new(
        Kind::Conflict,
        format!(
            "a batch that is {} takes no more items; create one with `start` = \"open\" to append to it",
            batch.state
        ),
    )
    .with("state", batch.state.as_str())
}

fn elsewhere(expected: ItemIndex, found: ItemIndex) -> Problem {
    Problem::new(
        Kind::Conflict,
        format!("the batch has {found} items, not {expected}: were these appended before?"),
    )
    .with("total", found)
}
