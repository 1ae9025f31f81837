//! The follow-up of a batch: one more step, once all of its items have ended.
//!
//! It is a batch of its own, with one item, that a scheduler creates. Its id follows from the batch and the revision of the
//! result, so that it is created once however often that is attempted, and so that a worker can tell an item that follows
//! on a batch from one that only says so.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid, Variant, Version};

use crate::batch::{Batch, BatchSpec, BatchState, Counts};
use crate::ids::{BatchId, Pool, Space};
use crate::job_type::{duration, optional_duration};
use crate::json::Json;
use crate::ports::Objects;
use crate::result::BatchResult;
use crate::retention::Retention;
use crate::retry::Backoff;

/// When a follow-up is called for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum On {
    /// All items succeeded.
    Success,
    /// However the batch ended, but for a person who cancelled it.
    #[default]
    Complete,
    /// The batch failed, or some of its items did.
    Failed,
}

impl On {
    /// The name in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Complete => "complete",
            Self::Failed => "failed",
        }
    }

    /// True where a batch that ended in `state`, with so many failed items, calls for one.
    #[must_use]
    pub fn is_met(self, state: BatchState, failed: u32) -> bool {
        let ended = matches!(state, BatchState::Completed | BatchState::Failed);
        let failed = state == BatchState::Failed || failed > 0;
        ended
            && match self {
                Self::Success => !failed,
                Self::Complete => true,
                Self::Failed => failed,
            }
    }
}

/// The follow-up that a batch asks for, with what its job type said when the batch was created.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OnComplete {
    /// When.
    pub on: On,
    /// What handles it.
    pub job_type: String,
    /// Which fleet works on it.
    pub pool: Pool,
    /// Higher goes first, within its space.
    pub priority: i16,
    /// How often it is attempted.
    pub max_attempts: u16,
    /// The most time that one attempt may take.
    #[serde(with = "duration")]
    pub timeout: Duration,
    /// How long it rests between two attempts.
    pub backoff: Backoff,
    /// How long it may wait for a callback.
    #[serde(default, with = "optional_duration", skip_serializing_if = "Option::is_none")]
    pub callback_timeout: Option<Duration>,
    /// How long what it leaves stays.
    #[serde(default, skip_serializing_if = "Retention::is_empty")]
    pub retention: Retention,
    /// Anything the producer wants to find again: a JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Json>,
    /// Anything that is passed along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Json>,
}

/// The longest name of a batch, in characters.
const MAX_NAME: usize = 200;

impl OnComplete {
    /// What the follow-up of `batch` is to do. It has no follow-up itself.
    #[must_use]
    pub fn spec(&self, batch: &Batch) -> BatchSpec {
        let of = batch.spec.name.clone().unwrap_or_else(|| batch.id.to_string());
        let name = format!("follow-up of {of}");
        BatchSpec {
            name: Some(name.chars().take(MAX_NAME).collect()),
            job_type: self.job_type.clone(),
            pool: self.pool.clone(),
            priority: self.priority,
            max_attempts: self.max_attempts,
            backoff: self.backoff,
            timeout: self.timeout,
            callback_timeout: self.callback_timeout,
            retention: self.retention,
            metadata: self.metadata.clone(),
            traceparent: batch.spec.traceparent.clone(),
            ..BatchSpec::default()
        }
    }
}

/// The input of the one item of a follow-up.
#[derive(Debug, Serialize)]
pub struct FollowUpInput<'a> {
    /// The batch that it follows on.
    pub batch_id: BatchId,
    /// Which of its results.
    pub revision: u32,
    /// Its name.
    pub name: Option<&'a str>,
    /// How it ended.
    pub state: BatchState,
    /// Its items by state.
    pub counts: Counts,
    /// What it amounts to.
    pub result: &'a BatchResult,
    /// Its items, with what became of them.
    pub results: ResultsFile,
    /// What its producer passed along.
    pub input: Option<&'a Json>,
}

/// The items of a batch as a file: NDJSON, in the form of a download.
#[derive(Debug, Serialize)]
pub struct ResultsFile {
    /// Where it is in object storage.
    pub key: String,
    /// How long it is.
    pub bytes: u64,
    /// How many items it has.
    pub lines: u64,
    /// Where the API has the same: a path.
    pub url: String,
}

/// The id of the follow-up on a result of `batch` that was written at `at`. It sorts by that time as other ids do; what is
/// random in them is a hash here, and the version says so.
#[must_use]
pub fn follow_up_id(batch: BatchId, revision: u32, at: Timestamp) -> BatchId {
    let millis = u64::try_from(at.as_millisecond()).unwrap_or(0).to_be_bytes();
    id_of(batch, revision, &millis[2..])
}

fn id_of(batch: BatchId, revision: u32, time: &[u8]) -> BatchId {
    let digest = Sha256::new()
        .chain_update(b"flotilla follow-up")
        .chain_update(batch.0.as_bytes())
        .chain_update(revision.to_be_bytes())
        .finalize();
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(time);
    bytes[6..].copy_from_slice(&digest[..10]);
    let id = Builder::from_bytes(bytes)
        .with_variant(Variant::RFC4122)
        .with_version(Version::Custom);
    BatchId(id.into_uuid())
}

/// Where the results are on which an item follows: the key of its own space. `None` for every other item, whatever its
/// input says: nobody chooses the ids of batches.
#[must_use]
pub fn results_key(space: &Space, batch: BatchId, input: &Json) -> Option<String> {
    #[derive(Deserialize)]
    struct Follows {
        batch_id: Uuid,
        revision: u32,
    }
    if batch.0.get_version() != Some(Version::Custom) {
        return None;
    }
    let Follows { batch_id, revision } = input.to().ok()?;
    let parent = BatchId(batch_id);
    let follows = id_of(parent, revision, &batch.0.as_bytes()[..6]) == batch;
    follows.then(|| Objects::results_key(space, parent, revision))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: BatchId = BatchId(Uuid::from_u128(0x019a_8c1e_5b7e_7cc0_9d0e_8a54_b6a1_f0c2));

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(ms).unwrap()
    }

    #[test]
    fn what_calls_for_one() {
        use BatchState as S;
        for (on, state, failed, met) in [
            (On::Success, S::Completed, 0, true),
            (On::Success, S::Completed, 1, false),
            (On::Success, S::Failed, 0, false),
            (On::Complete, S::Completed, 1, true),
            (On::Complete, S::Failed, 1, true),
            (On::Complete, S::Cancelled, 0, false),
            (On::Failed, S::Completed, 0, false),
            (On::Failed, S::Completed, 1, true),
            (On::Failed, S::Failed, 0, true),
            (On::Failed, S::Cancelled, 1, false),
        ] {
            assert_eq!(on.is_met(state, failed), met, "{on:?} {state} {failed}");
        }
    }

    #[test]
    fn ids_are_the_same_for_the_same_and_sort_by_time() {
        let id = follow_up_id(PARENT, 1, at(1_700_000_000_000));
        assert_eq!(id, follow_up_id(PARENT, 1, at(1_700_000_000_000)));
        assert_ne!(id, follow_up_id(PARENT, 2, at(1_700_000_000_000)));
        assert!(id < follow_up_id(PARENT, 2, at(1_700_000_000_001)));
        assert_eq!(id.0.get_version_num(), 8);
    }

    #[test]
    fn only_a_follow_up_has_results_and_those_of_its_own_space() {
        let space: Space = "team".parse().unwrap();
        let id = follow_up_id(PARENT, 3, at(1_700_000_000_000));
        let input = |revision: u32| {
            Json::parse(format!(
                "{{\"batch_id\": \"{PARENT}\", \"revision\": {revision}, \"results\": {{\"key\": \"results/other/x\"}}}}"
            ))
            .unwrap()
        };
        let key = results_key(&space, id, &input(3));
        assert_eq!(key, Some(format!("results/team/{PARENT}/3.ndjson")));
        assert_eq!(results_key(&space, id, &input(2)), None, "it follows on another");
        assert_eq!(
            results_key(&space, PARENT, &input(3)),
            None,
            "its producer only says so"
        );
        assert_eq!(results_key(&space, id, &Json::string("x")), None);
    }
}
