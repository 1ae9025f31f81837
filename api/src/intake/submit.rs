//! An upload from its first item to the sealed batch, or to nothing.

use std::sync::Arc;
use std::time::Duration;

use flotilla_core::batch::BatchSpec;
use flotilla_core::item::NewItem;
use flotilla_core::ports::store::{NewBatch, Opened};
use flotilla_core::{Batch, BatchId, BatchState, Space, crash};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::body::BodyReader;
use super::receive::start_parser;
use super::{Chunk, Encoding, Format, Limits, Options, Parsed, writes};
use crate::app::App;
use crate::live;
use crate::problem::{Kind, Problem};

/// What a client sent last may take so long to arrive in the store.
const LATEST: Duration = Duration::from_secs(10);
/// Of so many abandoned uploads, those of producers that come back are found.
const ABANDONED: u32 = 1_000;
/// How long cleaning up may take where the process is about to end.
const ABORT_PATIENCE: Duration = Duration::from_secs(3);

/// What a client wants to submit.
pub(crate) struct Submission {
    pub(crate) format: Format,
    /// How the body is packed.
    pub(crate) encoding: Encoding,
    pub(crate) options: Options,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) traceparent: Option<String>,
    /// Held while the body is parsed.
    pub(crate) permit: OwnedSemaphorePermit,
    /// Cancelled when the client is gone.
    pub(crate) gone: CancellationToken,
}

/// A submission that got through.
pub(crate) enum Accepted {
    /// As a new batch.
    New(Batch),
    /// It had got through before, with the same idempotency key.
    Replayed(Batch),
}

/// Stores `body` as a batch. Runs as a task of its own, so that it is there to clean up when the request is not.
pub(crate) async fn submit(app: App, submission: Submission, body: BodyReader) -> Result<Accepted, Problem> {
    let mut upload = Upload {
        id: app.deps.ids.batch(),
        key: submission.idempotency_key.clone(),
        space: None,
        stored: 0,
        app: app.clone(),
    };
    let shutdown = app.deps.tasks.shutdown();
    let ended = match shutdown.until_aborting(upload.run(submission, body)).await {
        Some(ended) => ended,
        None => Err(Problem::new(
            Kind::ShuttingDown,
            "the server is stopping; nothing was stored",
        )),
    };
    if let Err(problem) = &ended
        && upload.space.is_some()
    {
        clean_up(&app, upload.id, problem.kind()).await;
    }
    ended
}

/// Removes what was stored. The client waits for that, so that a refusal means that nothing is there; but not where
/// the store does not answer.
async fn clean_up(app: &App, batch: BatchId, kind: Kind) {
    let store = Arc::clone(&app.deps.store);
    let discard = async move { writes::discard(&*store, batch).await };
    match kind {
        Kind::Unavailable => {
            let shutdown = app.deps.tasks.shutdown().clone();
            let patient = async move { shutdown.until_aborting(discard).await };
            app.deps.tasks.spawn("discard an upload", patient);
        }
        Kind::ShuttingDown => {
            let _ = timeout(ABORT_PATIENCE, discard).await;
        }
        _ => discard.await,
    }
}

struct Upload {
    app: App,
    id: BatchId,
    key: Option<String>,
    /// The space in which the batch is open, or may be.
    space: Option<Space>,
    stored: u32,
}

impl Upload {
    async fn run(&mut self, submission: Submission, body: BodyReader) -> Result<Accepted, Problem> {
        let Submission {
            format,
            encoding,
            options,
            permit,
            gone,
            traceparent,
            ..
        } = submission;
        // With a key, the batch may be there already. Where the space is known, that can be told before reading.
        let space_is_known = format != Format::Json || options.space.is_some();
        if self.key.is_some()
            && space_is_known
            && let Some(batch) = self.open(options.space.clone()).await?
        {
            return Ok(Accepted::Replayed(batch));
        }
        let limits = Limits::from(&self.app.config);
        let (mut chunks, parsing) = start_parser((format, encoding), options, limits, permit, body);
        while let Some(chunk) = chunks.recv().await {
            if let Some(batch) = self.store(chunk).await? {
                return Ok(Accepted::Replayed(batch));
            }
        }
        let parsed = parsing
            .await
            .map_err(|error| Problem::internal(&format!("the parser of an upload: {error}")))??;
        self.finish(parsed, &gone, traceparent).await
    }

    /// Opens the batch, or answers the one that has the key already.
    async fn open(&mut self, space: Option<Space>) -> Result<Option<Batch>, Problem> {
        let space = space.unwrap_or_default();
        let new = NewBatch {
            id: self.id,
            space: space.clone(),
            idempotency_key: self.key.clone(),
            created_at: self.app.deps.clock.now(),
        };
        loop {
            // From before the call on: one that fails may have happened.
            self.space = Some(space.clone());
            let Opened::Existing(batch) = self.app.deps.store.open_batch(new.clone()).await? else {
                return Ok(None);
            };
            self.space = None;
            if !is_upload(&batch) {
                return Ok(Some(*batch));
            }
            if !self.discard_abandoned(batch.id).await? {
                return Err(in_progress());
            }
        }
    }

    /// Removes what a killed process has left of an upload: nobody goes on with it, and its client is here again. True
    /// where it was that.
    async fn discard_abandoned(&self, batch: BatchId) -> Result<bool, Problem> {
        let deps = &self.app.deps;
        let silence = self.app.config.upload_idle_timeout.saturating_add(LATEST);
        let silence = SignedDuration::try_from(silence).unwrap_or(SignedDuration::MAX);
        let idle_since = deps.clock.now().saturating_sub(silence).unwrap_or(Timestamp::MIN);
        let abandoned = deps.store.abandoned_batches(idle_since, ABANDONED).await?;
        Ok(abandoned.contains(&batch) && deps.store.discard_batch(batch).await?)
    }

    /// Stores a chunk; answers the batch that has the key already, where there is one.
    async fn store(&mut self, chunk: Chunk) -> Result<Option<Batch>, Problem> {
        if self.space.is_none()
            && let Some(batch) = self.open(chunk.space).await?
        {
            return Ok(Some(batch));
        }
        if !chunk.items.is_empty() {
            writes::append(&*self.app.deps.store, self.id, self.stored, &chunk.items).await?;
            crash::point("api.upload.chunk");
            self.stored += u32::try_from(chunk.items.len()).unwrap_or(u32::MAX);
        }
        Ok(None)
    }

    async fn finish(
        &mut self,
        parsed: Parsed,
        gone: &CancellationToken,
        traceparent: Option<String>,
    ) -> Result<Accepted, Problem> {
        let Parsed { rest, options } = parsed;
        let wanted = options.space.clone().unwrap_or_default();
        let stays_open = options.stays_open();
        let spec = options.into_spec(traceparent)?;
        if self.space.is_none() && self.key.is_none() && !stays_open {
            return self.create(wanted, rest.items, spec, gone).await;
        }
        if let Some(batch) = self.store(rest).await? {
            return Ok(Accepted::Replayed(batch));
        }
        let Some(space) = self.space.clone().filter(|space| *space == wanted) else {
            return Err(space_came_late(&wanted));
        };
        if gone.is_cancelled() {
            return Err(Problem::disconnected());
        }
        let deps = &self.app.deps;
        let (store, clock) = (&*deps.store, &*deps.clock);
        crash::point("api.accept.before_commit");
        let batch = if stays_open {
            writes::keep_open(store, clock, &space, self.id, &spec).await?
        } else {
            writes::seal(store, clock, &space, self.id, &spec).await?
        };
        crash::point("api.accept.after_commit");
        self.accepted(batch).await
    }

    /// A batch that came in one piece.
    async fn create(
        &self,
        space: Space,
        items: Vec<NewItem>,
        spec: BatchSpec,
        gone: &CancellationToken,
    ) -> Result<Accepted, Problem> {
        if gone.is_cancelled() {
            return Err(Problem::disconnected());
        }
        let deps = &self.app.deps;
        let new = NewBatch {
            id: self.id,
            space,
            idempotency_key: None,
            created_at: deps.clock.now(),
        };
        crash::point("api.accept.before_commit");
        let batch = writes::create(&*deps.store, &*deps.clock, &new, &items, &spec).await?;
        crash::point("api.accept.after_commit");
        self.accepted(batch).await
    }

    async fn accepted(&self, batch: Batch) -> Result<Accepted, Problem> {
        self.app.deps.wake.notify_one();
        live::show_new(&self.app, &batch).await;
        Ok(Accepted::New(batch))
    }
}

/// True for a batch that was not accepted yet: one that stays open says what it is to do.
fn is_upload(batch: &Batch) -> bool {
    batch.state == BatchState::Open && batch.spec.job_type.is_empty()
}

fn in_progress() -> Problem {
    Problem::new(
        Kind::UploadInProgress,
        "an upload with this Idempotency-Key has not ended yet; try again later to get its batch",
    )
    .retry_after(Duration::from_secs(2))
}

/// Items are stored as they arrive, so the space must be known when the first of them are.
fn space_came_late(wanted: &Space) -> Problem {
    Problem::new(
        Kind::SpaceMismatch,
        format!("`space` stands behind many items; put it before them, or use the query: ?space={wanted}"),
    )
    .with("field", "space")
}
