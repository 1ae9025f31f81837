//! What a batch is to do.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::follow_up::OnComplete;
use crate::ids::Pool;
use crate::json::Json;
use crate::retention::Retention;
use crate::retry::Backoff;

/// What a batch is to do: fixed when it is sealed, but for what [`Change`](crate::command::Change) names.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchSpec {
    /// A name for people.
    pub name: Option<String>,
    /// Which job type handles its items.
    pub job_type: String,
    /// Which fleet works on it.
    pub pool: Pool,
    /// Batches of a space with a higher one go first. -100 to 100.
    pub priority: i16,
    /// The most items in flight at once, over the whole fleet.
    pub concurrency: Option<u32>,
    /// The most items dispatched per second, over the whole fleet. Over 0.
    pub rate_per_s: Option<f64>,
    /// When its items may be dispatched.
    pub start: Start,
    /// How often an item is attempted.
    pub max_attempts: u16,
    /// How long an item rests between two attempts.
    pub backoff: Backoff,
    /// The most time that one attempt may take.
    pub timeout: Duration,
    /// How long an item may wait for a callback. None: its handler can't answer that it waits.
    pub callback_timeout: Option<Duration>,
    /// When the batch fails, and what is left of it is cancelled.
    pub deadline: Option<Timestamp>,
    /// When so many items failed that something must be wrong.
    pub failure_threshold: Option<FailureThreshold>,
    /// The first so many items run alone; then the batch is paused until a person resumes it.
    pub canary: Option<u32>,
    /// Items whose `custom_id` was accepted in its space less than so long ago are skipped. None: all are taken.
    pub deduplicate: Option<Duration>,
    /// How long what it leaves stays after its end.
    pub retention: Retention,
    /// What follows on it, once all of its items have ended.
    pub on_complete: Option<Box<OnComplete>>,
    /// Anything the producer wants to find again: a JSON object.
    pub metadata: Option<Json>,
    /// The W3C trace context of the request that created it: items continue this trace.
    pub traceparent: Option<String>,
    /// A hash of the request that created it, where that had an idempotency key: another request with the key is none.
    pub request_hash: Option<String>,
}

impl Default for BatchSpec {
    /// What an upload reads as before it is sealed.
    fn default() -> Self {
        Self {
            name: None,
            job_type: String::new(),
            pool: Pool::default(),
            priority: 0,
            concurrency: None,
            rate_per_s: None,
            start: Start::Auto,
            max_attempts: 1,
            backoff: Backoff::default(),
            timeout: Duration::from_secs(300),
            callback_timeout: None,
            deadline: None,
            failure_threshold: None,
            canary: None,
            deduplicate: None,
            retention: Retention::default(),
            on_complete: None,
            metadata: None,
            traceparent: None,
            request_hash: None,
        }
    }
}

/// When the items of a sealed batch may be dispatched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// As soon as it is sealed.
    #[default]
    Auto,
    /// When a person says so.
    Manual,
    /// Not before this time.
    At(Timestamp),
}

impl Start {
    /// True where items may be dispatched at `now`.
    #[must_use]
    pub fn has_come(self, now: Timestamp) -> bool {
        match self {
            Self::Auto => true,
            Self::Manual => false,
            Self::At(time) => time <= now,
        }
    }
}

/// When so many items of a batch failed that something must be wrong. With both bounds, either one is enough.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailureThreshold {
    /// More failed items than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// More than this share of the settled items failed, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<f64>,
    /// The share says nothing before so many items are settled.
    #[serde(default = "hundred")]
    pub min_sample: u32,
    /// What happens then.
    #[serde(default)]
    pub action: FailureAction,
}

/// What a batch does whose failure threshold was crossed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureAction {
    /// It is paused: a person looks, and resumes or cancels.
    #[default]
    Pause,
    /// It fails; what is left is cancelled.
    Fail,
}

fn hundred() -> u32 {
    100
}

impl FailureThreshold {
    /// True where `failed` of `settled` items are too many.
    #[must_use]
    pub fn is_crossed(&self, failed: u32, settled: u32) -> bool {
        let share = f64::from(failed) * 100.0 / f64::from(settled.max(1));
        self.count.is_some_and(|most| failed > most)
            || (settled >= self.min_sample && self.percent.is_some_and(|most| share > most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_needs_a_sample_and_a_count_does_not() {
        let threshold = FailureThreshold {
            count: Some(50),
            percent: Some(10.0),
            min_sample: 20,
            action: FailureAction::Pause,
        };
        assert!(!threshold.is_crossed(19, 19));
        assert!(threshold.is_crossed(3, 20));
        assert!(!threshold.is_crossed(2, 20), "not more than the share");
        assert!(!threshold.is_crossed(50, 10_000));
        assert!(threshold.is_crossed(51, 10_000));
    }
}
