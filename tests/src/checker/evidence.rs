//! What a run leaves behind.

use std::collections::BTreeMap;

use serde_json::Value;

/// Everything that was seen of a run.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// What producers got a 202 for.
    pub batches: Vec<BatchEvidence>,
    /// The handler's ledger: one line per call, written before it answers.
    pub calls: Vec<Call>,
    /// Batches in the store that no producer was told of.
    pub unknown_batches: Vec<String>,
    /// Nothing happened that may call a handler twice for an attempt.
    pub no_duplicates: bool,
    /// How often an item may have been set apart because workers were lost with it. Each such loss takes a number of an
    /// attempt, and does not count against what the producer allowed.
    pub losses: u32,
}

/// An upload, as the producer meant it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Its name, which each of its items carries. No two uploads have the same.
    pub upload: String,
    /// Its items, in order.
    pub items: Vec<ItemPlan>,
    /// How often each may be attempted.
    pub max_attempts: u32,
}

/// What the handler is to do with an item.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ItemPlan {
    /// How many attempts it refuses, in a way that may pass.
    pub refusals: u32,
    /// It refuses the item for good.
    pub hopeless: bool,
    /// How long it takes, in milliseconds.
    pub ms: u32,
}

impl ItemPlan {
    /// What the handler answers to an attempt, the first of which is 1.
    #[must_use]
    pub fn answer(self, attempt: u32) -> Answer {
        if self.hopeless {
            Answer::Never
        } else if attempt <= self.refusals {
            Answer::Later
        } else {
            Answer::Done
        }
    }

    /// How it has to end, and with which attempt, where its batch is not cancelled and no worker was lost with it.
    #[must_use]
    pub fn end(self, max_attempts: u32) -> (&'static str, u32) {
        if self.hopeless {
            ("failed", 1)
        } else if self.refusals >= max_attempts {
            ("failed", max_attempts)
        } else {
            ("succeeded", self.refusals + 1)
        }
    }
}

/// What the handler answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Done.
    Done,
    /// Refused: another attempt may succeed.
    Later,
    /// Refused for good.
    Never,
}

/// One call of the handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The batch, as the key says.
    pub batch: String,
    /// The index in it, as the key says.
    pub index: u32,
    /// The attempt.
    pub attempt: u32,
    /// The upload that the item says it is from.
    pub upload: String,
    /// Its position there, as the item says.
    pub position: u32,
    /// What it was answered.
    pub answer: Answer,
}

/// A batch that was promised.
#[derive(Debug, Clone)]
pub struct BatchEvidence {
    /// Its id.
    pub id: String,
    /// What was uploaded.
    pub plan: Plan,
    /// The producer had to ask again, because an answer did not come.
    pub asked_again: bool,
    /// Somebody asked for its end: items may be cancelled.
    pub cancelled: bool,
    /// How many results it must have: one, and one more for each time that it ended and was opened again.
    pub revisions: u32,
    /// What is known of it. `None`: nothing, it does not exist.
    pub seen: Option<Seen>,
}

/// What the store, the live view and the API know of a batch in the end.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Its state.
    pub state: String,
    /// How many items the batch says it has.
    pub total: u32,
    /// How many items there are rows of, where that can be seen.
    pub inputs: Option<u32>,
    /// The counters' version, where that can be seen.
    pub version: Option<i64>,
    /// The counters that are moved with every outcome, where they can be seen.
    pub counters: Option<Tally>,
    /// A row per item that ended.
    pub outcomes: Vec<Outcome>,
    /// The results, in the order of their revisions.
    pub results: Vec<ResultRow>,
    /// Rows of claims, retries and leases that an ended batch has no use for.
    pub left_over: u32,
    /// It ended so long ago that it is not shown again where Redis was lost.
    pub ended_long_ago: bool,
    /// The hash in Redis. `None`: this engine has none.
    pub live: Option<BTreeMap<String, String>>,
    /// What the API answers.
    pub api: Option<Value>,
    /// The result that the API answers.
    pub api_result: Option<Value>,
    /// What Flotilla finds when it counts the rows itself.
    pub audit: Option<Value>,
}

/// How many items are where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Done.
    pub succeeded: u32,
    /// Given up on.
    pub failed: u32,
    /// Ended with their batch.
    pub cancelled: u32,
    /// On their way somewhere: none, once a batch has ended.
    pub unsettled: u32,
}

/// What became of an item.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// Which one.
    pub index: u32,
    /// How it ended.
    pub state: String,
    /// With which attempt.
    pub attempt: u32,
    /// Why, where it failed.
    pub error_kind: Option<String>,
    /// The same for errors that mean the same, where that can be seen.
    pub fingerprint: Option<String>,
    /// How long the handler took, in microseconds; `None` where none ran or that can't be seen.
    pub duration_us: Option<i64>,
    /// Whether the output is the one of its item, where there is one.
    pub output_fits: bool,
}

/// A result, as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct ResultRow {
    /// Which one.
    pub revision: u32,
    /// The result.
    pub result: Value,
}
