//! A batch.

use std::collections::HashMap;
use std::time::Duration;

use flotilla_core::batch::{FailureAction, FailureThreshold, Start};
use flotilla_core::command::Paused;
use flotilla_core::follow_up::OnComplete;
use flotilla_core::forecast::Eta;
use flotilla_core::retention::{Part, Retention};
use flotilla_core::{Batch, Counts, Json};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// A batch and where it stands.
#[derive(Serialize, ToSchema)]
#[schema(as = Batch)]
pub(crate) struct BatchView {
    /// Its id: a UUID, sortable by time of creation.
    #[schema(value_type = String, format = "uuid")]
    id: String,
    /// Its space.
    space: String,
    /// Its name for people.
    name: Option<String>,
    /// What handles its items.
    job_type: String,
    /// Where it stands. `completed` may contain failed items.
    #[schema(value_type = BatchStateName)]
    state: &'static str,
    /// Its items by state. `total` is the sum of the others.
    counts: CountsView,
    /// How much was sent with it and left out: see `/v1/batches/{id}/skipped`.
    skipped: u32,
    /// Share of items that reached their end, 0 to 100. 100 means all.
    percent: f64,
    /// Items that reached their end per second of late; over the whole run once it ended.
    rate_per_s: f64,
    /// When it will be done, in seconds from now, where that can be said.
    eta: Option<EtaView>,
    /// Why nothing of it starts, while it is paused.
    paused: Option<PausedView>,
    /// When it starts: `auto` (as soon as it is sealed), `manual`, or a time.
    #[schema(example = "auto")]
    start: String,
    /// Only its first items run until somebody has looked at them and resumed it.
    awaits_approval: bool,
    /// How many items run before somebody is to look at them.
    canary: Option<u32>,
    /// The most items in flight at once.
    concurrency: Option<u32>,
    /// The most items dispatched per second.
    rate_limit_per_s: Option<f64>,
    /// How often an item is attempted.
    max_attempts: u16,
    /// The most time that one attempt may take, in seconds.
    timeout_s: f64,
    /// When it fails where it has not ended by then.
    #[schema(value_type = Option<String>, format = DateTime)]
    deadline: Option<Timestamp>,
    /// When so many of its items failed that something must be wrong.
    failure_threshold: Option<ThresholdView>,
    /// Batches of a space with a higher one go first.
    priority: i16,
    /// How many results it has: more than one where items that had ended ran again.
    revision: u32,
    /// When its upload began.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When its first item was dispatched.
    #[schema(value_type = Option<String>, format = DateTime)]
    started_at: Option<Timestamp>,
    /// When its last item reached its end.
    #[schema(value_type = Option<String>, format = DateTime)]
    completed_at: Option<Timestamp>,
    /// When all of it is removed, counted from its end. Null before that, and where it stays until somebody deletes it.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// When parts of it are removed that go before the whole.
    part_expires_at: PartExpiries,
    /// What of it was removed because its time was over: `inputs`, `outputs`, `artifacts`, `dead_letters`. Items without
    /// inputs can't run again.
    #[schema(example = json!(["inputs"]))]
    expired: Vec<&'static str>,
    /// Its items are in `GET …/archive`, as they were when it last ended.
    archived: bool,
    /// How long what it leaves stays after its end.
    retention: RetentionView,
    /// What follows on it, once all of its items have ended.
    on_complete: Option<OnCompleteView>,
    /// Why it failed as a whole.
    error: Option<String>,
    /// How long its space remembers the `custom_id`s of its items, in seconds: others with one of them are left out.
    deduplicate_s: Option<f64>,
    /// As submitted.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Json>,
}

/// A pause.
#[derive(Serialize, ToSchema)]
#[schema(as = Paused)]
struct PausedView {
    /// `requested`, `failure_threshold` or `canary`.
    #[schema(example = "requested")]
    reason: &'static str,
    /// By whom.
    by: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
}

/// When so many items failed that something must be wrong.
#[derive(Serialize, ToSchema)]
#[schema(as = FailureThreshold)]
struct ThresholdView {
    /// More failed items than this.
    count: Option<u32>,
    /// More than this share of the items that ended, 0 to 100.
    percent: Option<f64>,
    /// The share says nothing before so many items have ended.
    min_sample: u32,
    /// What happens then: `pause` or `fail`.
    action: &'static str,
}

/// When parts of a batch are removed: those that go before the whole.
#[derive(Default, Serialize, ToSchema)]
struct PartExpiries {
    /// What its items were submitted with.
    #[schema(value_type = Option<String>, format = DateTime)]
    inputs: Option<Timestamp>,
    /// What its handlers answered.
    #[schema(value_type = Option<String>, format = DateTime)]
    outputs: Option<Timestamp>,
    /// The objects that were made of it.
    #[schema(value_type = Option<String>, format = DateTime)]
    artifacts: Option<Timestamp>,
    /// Its failed items that nobody has decided about.
    #[schema(value_type = Option<String>, format = DateTime)]
    dead_letters: Option<Timestamp>,
}

impl PartExpiries {
    fn of(batch: &Batch) -> Self {
        let Some(ended) = batch.completed_at else {
            return Self::default();
        };
        let due: HashMap<Part, Timestamp> = batch.spec.retention.due(ended).collect();
        Self {
            inputs: due.get(&Part::Inputs).copied(),
            outputs: due.get(&Part::Outputs).copied(),
            artifacts: due.get(&Part::Artifacts).copied(),
            dead_letters: due.get(&Part::DeadLetters).copied(),
        }
    }
}

/// How long what a batch leaves stays after its end, in seconds. Null: as long as the batch does.
#[derive(Serialize, ToSchema)]
#[schema(as = Retention)]
struct RetentionView {
    /// What its items were submitted with.
    inputs_s: Option<f64>,
    /// What its handlers answered.
    outputs_s: Option<f64>,
    /// The objects that were made of it.
    artifacts_s: Option<f64>,
    /// Its failed items that nobody has decided about.
    dead_letters_s: Option<f64>,
    /// The batch itself. Null: until somebody deletes it, or as long as the deployment keeps batches.
    results_s: Option<f64>,
    /// Its items are archived before inputs, outputs or all of it are removed.
    archive: bool,
}

impl From<Retention> for RetentionView {
    fn from(retention: Retention) -> Self {
        let seconds = |kept: Option<Duration>| kept.map(|kept| kept.as_secs_f64());
        Self {
            inputs_s: seconds(retention.inputs),
            outputs_s: seconds(retention.outputs),
            artifacts_s: seconds(retention.artifacts),
            dead_letters_s: seconds(retention.dead_letters),
            results_s: seconds(retention.results),
            archive: retention.archive == Some(true),
        }
    }
}

/// What follows on a batch, once all of its items have ended.
#[derive(Serialize, ToSchema)]
#[schema(as = OnComplete)]
struct OnCompleteView {
    /// What handles it.
    job_type: String,
    /// When: `success`, `complete` or `failed`.
    on: &'static str,
    /// Higher goes first.
    priority: i16,
    /// How often it is attempted.
    max_attempts: u16,
    /// The most time that one attempt may take, in seconds.
    timeout_s: f64,
}

impl From<&OnComplete> for OnCompleteView {
    fn from(follow_up: &OnComplete) -> Self {
        Self {
            job_type: follow_up.job_type.clone(),
            on: follow_up.on.as_str(),
            priority: follow_up.priority,
            max_attempts: follow_up.max_attempts,
            timeout_s: follow_up.timeout.as_secs_f64(),
        }
    }
}

/// Where a batch stands.
#[derive(ToSchema)]
#[schema(as = BatchState, rename_all = "snake_case")]
#[expect(dead_code, reason = "describes `BatchState` of the domain")]
pub(crate) enum BatchStateName {
    Open,
    Pending,
    Processing,
    Paused,
    Cancelling,
    Completed,
    Failed,
    Cancelled,
}

/// How many items are in which state.
#[derive(Serialize, ToSchema)]
#[schema(as = Counts)]
pub(crate) struct CountsView {
    /// All items.
    total: u32,
    /// Not dispatched yet.
    pending: u32,
    /// On their way to a worker.
    queued: u32,
    /// Running, as of the workers' last heartbeats.
    processing: u32,
    /// Failed an attempt; the next one is due later.
    retrying: u32,
    /// Something else will complete them.
    waiting: u32,
    /// Done.
    succeeded: u32,
    /// Given up on.
    failed: u32,
    /// Stopped by a person.
    cancelled: u32,
}

/// When a batch will be done, in seconds from now.
#[derive(Serialize, ToSchema)]
#[schema(as = Eta)]
pub(crate) struct EtaView {
    /// As likely as not by then.
    low_s: f64,
    /// Nine times of ten by then.
    high_s: f64,
}

/// A page of batches, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct BatchPage {
    /// The batches.
    pub(crate) batches: Vec<BatchView>,
    /// The `cursor` of the next page; null on the last one.
    pub(crate) next_cursor: Option<String>,
}

impl From<Batch> for BatchView {
    fn from(batch: Batch) -> Self {
        let ended = batch.completed_at;
        Self {
            expires_at: ended.and_then(|ended| batch.spec.retention.expires_at(Part::Results, ended)),
            part_expires_at: PartExpiries::of(&batch),
            expired: batch.expired.iter().map(|part| part.as_str()).collect(),
            archived: batch.archived > 0,
            retention: batch.spec.retention.into(),
            on_complete: batch.spec.on_complete.as_deref().map(OnCompleteView::from),
            id: batch.id.to_string(),
            space: batch.space.into(),
            name: batch.spec.name,
            job_type: batch.spec.job_type,
            state: batch.state.as_str(),
            percent: batch.counts.percent(),
            skipped: batch.skipped,
            counts: batch.counts.into(),
            rate_per_s: batch.rate_per_s,
            eta: batch.eta.map(EtaView::from),
            paused: batch.paused.map(PausedView::from),
            start: start(batch.spec.start),
            awaits_approval: batch.awaits_approval,
            canary: batch.spec.canary,
            concurrency: batch.spec.concurrency,
            rate_limit_per_s: batch.spec.rate_per_s,
            max_attempts: batch.spec.max_attempts,
            timeout_s: batch.spec.timeout.as_secs_f64(),
            deadline: batch.spec.deadline,
            failure_threshold: batch.spec.failure_threshold.map(ThresholdView::from),
            revision: batch.revision,
            priority: batch.spec.priority,
            created_at: batch.created_at,
            started_at: batch.started_at,
            completed_at: batch.completed_at,
            error: batch.error,
            deduplicate_s: batch.spec.deduplicate.map(|window| window.as_secs_f64()),
            metadata: batch.spec.metadata,
        }
    }
}

fn start(start: Start) -> String {
    match start {
        Start::Auto => "auto".into(),
        Start::Manual => "manual".into(),
        Start::At(time) => time.to_string(),
    }
}

impl From<Paused> for PausedView {
    fn from(paused: Paused) -> Self {
        Self {
            reason: paused.reason.as_str(),
            by: paused.by.to_string(),
            at: paused.at,
        }
    }
}

impl From<FailureThreshold> for ThresholdView {
    fn from(threshold: FailureThreshold) -> Self {
        Self {
            count: threshold.count,
            percent: threshold.percent,
            min_sample: threshold.min_sample,
            action: match threshold.action {
                FailureAction::Pause => "pause",
                FailureAction::Fail => "fail",
            },
        }
    }
}

impl From<Counts> for CountsView {
    fn from(counts: Counts) -> Self {
        Self {
            total: counts.total,
            pending: counts.pending,
            queued: counts.queued,
            processing: counts.processing,
            retrying: counts.retrying,
            waiting: counts.waiting,
            succeeded: counts.succeeded,
            failed: counts.failed,
            cancelled: counts.cancelled,
        }
    }
}

impl From<Eta> for EtaView {
    fn from(eta: Eta) -> Self {
        Self {
            low_s: eta.low_s,
            high_s: eta.high_s,
        }
    }
}
