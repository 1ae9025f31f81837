//! What was sent with a batch and is not part of it: rows that its producer allowed to be skipped.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why something is not part of its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// It is no item: not JSON, or a row that does not fit the columns.
    Malformed,
    /// The schema of its job type refuses it, or its `custom_id` can't be one.
    Invalid,
    /// Another item of the batch has its `custom_id`.
    DuplicateId,
    /// An item with its `custom_id` was accepted a short while ago.
    Deduplicated,
}

impl SkipReason {
    /// Every reason.
    pub const ALL: [Self; 4] = [
        Self::Malformed,
        Self::Invalid,
        Self::DuplicateId,
        Self::Deduplicated,
    ];

    /// The name in the API and in both databases.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Invalid => "invalid",
            Self::DuplicateId => "duplicate_id",
            Self::Deduplicated => "deduplicated",
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for SkipReason {
    type Err = UnknownReason;
    fn from_str(text: &str) -> Result<Self, UnknownReason> {
        let known = Self::ALL.into_iter().find(|reason| reason.as_str() == text);
        known.ok_or_else(|| UnknownReason(text.to_owned()))
    }
}

/// A text that names no reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no reason {0:?} to skip an item")]
pub struct UnknownReason(String);

/// Something that was sent and skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedItem {
    /// Its place in what was sent, from 0, with everything that was skipped.
    pub position: u32,
    /// The line on which it began, where it came in lines.
    pub line: Option<u32>,
    /// Why.
    pub reason: SkipReason,
    /// Why, in words.
    pub detail: String,
    /// Where in the item: a JSON pointer.
    pub pointer: Option<String>,
    /// What was sent, as text; what is longer than [`SkippedItem::MAX_INPUT`] is cut.
    pub input: String,
}

impl SkippedItem {
    /// So much is kept of what was sent, in bytes.
    pub const MAX_INPUT: usize = 4 << 10;

    /// What is kept of `sent`.
    #[must_use]
    pub fn kept(sent: &[u8]) -> String {
        // A character more than is kept, so that the cut is never within the last one.
        let head = &sent[..sent.len().min(Self::MAX_INPUT + 4)];
        let mut text = String::from_utf8_lossy(head).replace('\0', "\u{fffd}");
        if text.len() > Self::MAX_INPUT {
            text.truncate(text.floor_char_boundary(Self::MAX_INPUT - '…'.len_utf8()));
            text.push('…');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_is_kept_as_text_and_cut() {
        assert_eq!(SkippedItem::kept(b"{\"a\": 1"), "{\"a\": 1");
        assert_eq!(SkippedItem::kept(b"a\0b\xff"), "a\u{fffd}b\u{fffd}");
        for one in ["x", "é", "漢"] {
            let kept = SkippedItem::kept(one.repeat(10_000).as_bytes());
            assert!(kept.len() <= SkippedItem::MAX_INPUT, "{}", kept.len());
            assert!(kept.ends_with('…') && kept.starts_with(one));
        }
    }

    #[test]
    fn names_are_read_back() {
        for reason in SkipReason::ALL {
            assert_eq!(reason.to_string().parse(), Ok(reason));
        }
        assert!("other".parse::<SkipReason>().is_err());
    }
}
