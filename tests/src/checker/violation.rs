//! What must not be.

use std::fmt;

use serde::Serialize;

/// A promise that was broken, with what it takes to look for the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "violation", rename_all = "snake_case")]
#[expect(missing_docs, reason = "each variant says what its fields are")]
pub enum Violation {
    /// A batch was accepted and is not there.
    BatchLost {
        batch: String,
        upload: String,
        items: u32,
    },
    /// A batch has not ended in time.
    BatchStuck {
        batch: String,
        state: String,
        unsettled: u32,
    },
    /// A batch has other items than were uploaded.
    ItemsDiffer {
        batch: String,
        uploaded: u32,
        total: u32,
        rows: u32,
    },
    /// An item has no end.
    ItemLost { batch: String, index: u32 },
    /// An item has ended more than once.
    ManyEnds { batch: String, index: u32, ends: u32 },
    /// An item has ended that was never submitted.
    UnknownItem { batch: String, index: u32 },
    /// An item ended otherwise than its handler said.
    WrongEnd {
        batch: String,
        index: u32,
        expected: String,
        found: String,
    },
    /// An item is said to be done, and its handler was not called, or did not say so.
    NeverCalled { batch: String, index: u32, attempt: u32 },
    /// The output of an item is not what its handler answered.
    WrongOutput { batch: String, index: u32 },
    /// An item was attempted more often than it may be.
    OverBudget {
        batch: String,
        index: u32,
        attempt: u32,
        allowed: u32,
    },
    /// An attempt was made without the one before it.
    AttemptSkipped { batch: String, index: u32, attempt: u32 },
    /// Two places disagree about a number of a batch.
    CountsDiffer {
        batch: String,
        place: &'static str,
        what: String,
        expected: String,
        found: String,
    },
    /// A batch has other results than it should.
    Revisions {
        batch: String,
        expected: u32,
        found: Vec<u32>,
    },
    /// The API answers with another result than the one that is stored.
    ResultDiffers { batch: String },
    /// Flotilla's own audit finds that a batch does not add up.
    Audit { batch: String, findings: String },
    /// The live view does not have a batch.
    NotShown { batch: String },
    /// Something is left over of a batch that has ended.
    LeftOver { batch: String, rows: u32 },
    /// The handler was called for something that nobody was promised: an upload that broke off, say.
    UnexpectedCall {
        batch: String,
        index: u32,
        upload: String,
    },
    /// The handler got another item than the one under that key.
    WrongItem {
        batch: String,
        index: u32,
        upload: String,
        position: u32,
    },
    /// There is a batch that nobody was promised.
    UnexpectedBatch { batch: String },
    /// Items were called again although nothing happened that is an excuse.
    CalledAgain { calls: u64 },
    /// Messages are left on a queue after everything has ended.
    NotDrained { queue: String, messages: u64 },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The fields say everything, and JSON has their names.
        let text = serde_json::to_string(self).map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}
