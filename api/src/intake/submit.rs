//! An upload from its first item to the sealed batch, or to nothing.

use std::sync::Arc;
use std::time::Duration;

use flotilla_core::batch::BatchSpec;
use flotilla_core::item::NewItem;
use flotilla_core::ports::store::{NewBatch, Opened};
use flotilla_core::{Batch, BatchId, BatchState, Space, crash};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::admission::{self, Admission, discard_abandoned};
use super::body::BodyReader;
use super::receive::{Incoming, start_parser};
use super::{Chunk, Format, Limits, OnInvalid, Options, Parsed, writes};
use crate::app::App;
use crate::live;
use crate::problem::{Kind, Problem};

/// How long cleaning up may take where the process is about to end.
const ABORT_PATIENCE: Duration = Duration::from_secs(3);

/// What a client wants to submit.
pub(crate) struct Submission {
    pub(crate) incoming: Incoming,
    pub(crate) options: Options,
    pub(crate) idempotency_key: Option<String>,
    /// What the request says besides its body, as far as that makes it another one.
    pub(crate) about: String,
    pub(crate) traceparent: Option<String>,
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
        on_invalid: submission.incoming.terms.on_invalid,
        space: None,
        stored: 0,
        skipped: 0,
        deduplicate: None,
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
    on_invalid: OnInvalid,
    stored: u32,
    skipped: u32,
    /// What was said of it when the first items were stored.
    deduplicate: Option<Duration>,
}

impl Upload {
    async fn run(&mut self, submission: Submission, body: BodyReader) -> Result<Accepted, Problem> {
        let Submission {
            incoming,
            options,
            about,
            traceparent,
            ..
        } = submission;
        // With a key, the batch may be there already. Where the space is known, that can be told before reading.
        let space_is_known = incoming.format != Format::Json || options.space.is_some();
        let mut existing = match space_is_known && self.key.is_some() {
            true => self.open(options.space.clone()).await?,
            false => None,
        };
        let limits = Limits::from(&self.app.config);
        let gone = incoming.gone.clone();
        let about = self.key.is_some().then_some(about);
        let (mut chunks, parsing) = start_parser(incoming, options, limits, body, about);
        while let Some(chunk) = chunks.recv().await {
            // The batch is there: what comes is only compared.
            if existing.is_none() {
                existing = self.store(chunk).await?;
            }
        }
        let parsed = parsing
            .await
            .map_err(|error| Problem::internal(&format!("the parser of an upload: {error}")))?;
        match (existing, parsed) {
            (Some(batch), Ok(parsed)) => replayed(batch, parsed.digest.as_deref()),
            // It was accepted once: what can't be accepted is something else. Unless it is just not complete.
            (Some(batch), Err(problem)) if !is_of_the_connection(problem.kind()) => replayed(batch, None),
            (None, Ok(parsed)) => self.finish(parsed, &gone, traceparent).await,
            (_, Err(problem)) => Err(problem),
        }
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
            if !discard_abandoned(&self.app, batch.id).await? {
                return Err(in_progress());
            }
        }
    }

    /// Stores a chunk; answers the batch that has the key already, where there is one.
    async fn store(&mut self, chunk: Chunk) -> Result<Option<Batch>, Problem> {
        if self.space.is_none()
            && let Some(batch) = self.open(chunk.space.clone()).await?
        {
            return Ok(Some(batch));
        }
        if self.stored == 0 {
            self.deduplicate = chunk.deduplicate;
        }
        let space = self.space.clone().unwrap_or_default();
        let admission = Admission {
            app: &self.app,
            space: &space,
            batch: self.id,
            on_invalid: self.on_invalid,
        };
        let before = (self.stored, self.skipped);
        (self.stored, self.skipped, _) = admission::store(&admission, chunk, before).await?;
        Ok(None)
    }

    async fn finish(
        &mut self,
        parsed: Parsed,
        gone: &CancellationToken,
        traceparent: Option<String>,
    ) -> Result<Accepted, Problem> {
        let Parsed {
            rest,
            options,
            digest,
        } = parsed;
        let wanted = options.space.clone().unwrap_or_default();
        let stays_open = options.stays_open();
        let mut spec = options.into_spec(traceparent)?;
        spec.request_hash.clone_from(&digest);
        let retention = self.app.config.retention.of(&wanted);
        spec.retention = spec.retention.over(retention);
        if let Some(follow_up) = &mut spec.on_complete {
            follow_up.retention = follow_up.retention.over(retention);
        }
        let plain = rest.skipped.is_empty() && rest.deduplicate.is_none() && rest.namesakes(0).is_empty();
        if self.space.is_none() && self.key.is_none() && !stays_open && plain {
            return self.create(wanted, rest.items, spec, gone).await;
        }
        if let Some(batch) = self.store(rest).await? {
            return replayed(batch, digest.as_deref());
        }
        if self.deduplicate != spec.deduplicate {
            return Err(option_came_late("deduplicate"));
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

/// The answer where the batch is there: unless it was made by another request.
fn replayed(batch: Batch, digest: Option<&str>) -> Result<Accepted, Problem> {
    // Batches of earlier versions don't say what made them.
    match &batch.spec.request_hash {
        Some(hash) if digest != Some(hash.as_str()) => Err(Problem::new(
            Kind::IdempotencyKeyReused,
            "this Idempotency-Key belongs to a request with another body or other parameters; use a new one",
        )
        .with("batch_id", batch.id.to_string())),
        _ => Ok(Accepted::Replayed(batch)),
    }
}

fn is_of_the_connection(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::TruncatedBody | Kind::UploadTimeout | Kind::ShuttingDown | Kind::Internal
    )
}

/// Items are stored as they arrive, so what they are stored by must be known then.
fn option_came_late(field: &str) -> Problem {
    Problem::new(
        Kind::InvalidField,
        format!("`{field}` stands behind many items; put it before them"),
    )
    .with("field", field)
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
