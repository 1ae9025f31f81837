//! Items that were given up on.

use flotilla_core::attempt::Tried;
use flotilla_core::batch::Forbidden;
use flotilla_core::dead_letter::{DeadGroup, DeadLetter};
use flotilla_core::{BatchId, Json};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::item::{ErrorView, TriedView};

/// An item that was given up on, until somebody decides about it.
#[derive(Serialize, ToSchema)]
#[schema(as = DeadLetter)]
pub(crate) struct DeadLetterView {
    /// The batch.
    #[schema(value_type = String, format = "uuid")]
    batch_id: String,
    /// The item.
    index: u32,
    /// The producer's own name for it.
    custom_id: Option<String>,
    /// What handled it.
    job_type: String,
    /// As submitted.
    #[schema(value_type = Value)]
    input: Json,
    /// Why it was given up on.
    error: ErrorView,
    /// The same for errors that differ only in numbers, ids and quoted values.
    fingerprint: String,
    /// How often it was attempted.
    attempts: u16,
    /// Who ran it last; null where nobody lived to tell.
    worker: Option<String>,
    /// When its last attempt began.
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    /// When it was given up on.
    #[schema(value_type = String, format = DateTime)]
    dead_at: Timestamp,
}

/// A dead letter with the attempts before the last one.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeadLetterDetail {
    #[serde(flatten)]
    letter: DeadLetterView,
    /// The attempts that failed and were followed by another, oldest first.
    history: Vec<TriedView>,
}

/// A page of dead letters: newest batch first, in each by index.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeadLetterPage {
    /// The dead letters.
    pub(crate) dead_letters: Vec<DeadLetterView>,
    /// The `cursor` of the next page; null on the last one.
    pub(crate) next_cursor: Option<String>,
}

/// Dead letters whose errors mean the same.
#[derive(Serialize, ToSchema)]
#[schema(as = DeadGroup)]
struct DeadGroupView {
    /// What they have in common.
    fingerprint: String,
    /// How many there are.
    count: u64,
    /// In how many batches.
    batches: u64,
    /// The message of the latest of them.
    sample: String,
    /// When the first of them died.
    #[schema(value_type = String, format = DateTime)]
    first_at: Timestamp,
    /// When the latest of them died.
    #[schema(value_type = String, format = DateTime)]
    last_at: Timestamp,
}

/// Dead letters by error, largest group first.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeadGroupList {
    /// The groups.
    groups: Vec<DeadGroupView>,
}

/// What was decided about dead letters.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Decided {
    /// How many.
    pub(crate) items: u64,
    /// In which batches.
    batches: Vec<DecidedBatch>,
    /// Batches that did not allow it: they are about to end.
    refused: Vec<RefusedBatch>,
    /// There are more than one request handles: repeat it.
    more: bool,
    /// Nothing was done, only counted.
    pub(crate) dry_run: bool,
}

/// What was decided about dead letters of one batch.
#[derive(Debug, Serialize, ToSchema)]
struct DecidedBatch {
    /// The batch.
    #[schema(value_type = String, format = "uuid")]
    batch_id: String,
    /// How many.
    items: u32,
}

/// A batch whose state did not allow it.
#[derive(Debug, Serialize, ToSchema)]
struct RefusedBatch {
    /// The batch.
    #[schema(value_type = String, format = "uuid")]
    batch_id: String,
    /// Why, in words.
    reason: String,
}

impl Decided {
    /// Nothing yet. `more` says that not all are being decided about.
    pub(crate) fn new(dry_run: bool, more: bool) -> Self {
        Self {
            dry_run,
            more,
            ..Self::default()
        }
    }

    /// So many of a batch were decided about.
    pub(crate) fn done(&mut self, batch: BatchId, items: u32) {
        if items > 0 {
            self.items += u64::from(items);
            let batch_id = batch.to_string();
            self.batches.push(DecidedBatch { batch_id, items });
        }
    }

    /// A batch did not allow it.
    pub(crate) fn refused(&mut self, batch: BatchId, why: &Forbidden) {
        self.refused.push(RefusedBatch {
            batch_id: batch.to_string(),
            reason: why.to_string(),
        });
    }
}

impl From<DeadLetter> for DeadLetterView {
    fn from(letter: DeadLetter) -> Self {
        Self {
            batch_id: letter.batch.to_string(),
            index: letter.index,
            custom_id: letter.custom_id,
            job_type: letter.job_type,
            input: letter.input,
            error: letter.error.into(),
            fingerprint: letter.fingerprint,
            attempts: letter.attempts,
            worker: letter.worker.map(|worker| worker.to_string()),
            started_at: letter.started_at,
            dead_at: letter.dead_at,
        }
    }
}

impl DeadLetterDetail {
    pub(crate) fn new(letter: DeadLetter, tried: Vec<Tried>) -> Self {
        Self {
            letter: letter.into(),
            history: tried.into_iter().map(TriedView::from).collect(),
        }
    }
}

impl From<Vec<DeadGroup>> for DeadGroupList {
    fn from(groups: Vec<DeadGroup>) -> Self {
        let view = |group: DeadGroup| DeadGroupView {
            fingerprint: group.fingerprint,
            count: group.count,
            batches: group.batches,
            sample: group.sample,
            first_at: group.first_at,
            last_at: group.last_at,
        };
        Self {
            groups: groups.into_iter().map(view).collect(),
        }
    }
}
