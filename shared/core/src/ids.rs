//! Typed identifiers: mixing them up does not compile.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Clock;

/// A batch. A UUIDv7: sorts by creation time, and its last 62 bits are random.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BatchId(pub Uuid);

impl BatchId {
    /// Before every batch: where a listing begins.
    pub const LOWEST: Self = Self(Uuid::nil());
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for BatchId {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// An item's position in its batch, from 0, in the order of submission. With the batch it is the item's identity and
/// the idempotency key that handlers get: `{batch}:{index}`.
pub type ItemIndex = u32;

/// The most items that one batch may hold: PostgreSQL's `integer`.
pub const MAX_ITEMS: u32 = i32::MAX as u32;

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{what} {given:?} is not valid: 1 to 63 characters out of a-z, 0-9, '-' and '_', starting with a letter or digit"
)]
pub struct InvalidName {
    what: &'static str,
    given: String,
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(Arc<str>);

        impl $type {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Default for $type {
            fn default() -> Self {
                Self("default".into())
            }
        }

        impl FromStr for $type {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, InvalidName> {
                let fine = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
                let ok = text.len() <= 63
                    && text.as_bytes().first().copied().is_some_and(fine)
                    && text.bytes().all(|c| fine(c) || c == b'-' || c == b'_');
                if ok { Ok(Self(text.into())) } else {
                    let given = text.chars().take(80).collect();
                    Err(InvalidName { what: $what, given })
                }
            }
        }

        impl TryFrom<String> for $type {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// A tenant. Every row, key and channel that belongs to one carries it.
    Space, "space"
);
name!(
    /// A fleet of workers with a work queue of its own (`default`, `gpu`).
    Pool, "pool"
);

/// A worker process: host name, process id and a random part, so that a restarted worker is another one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkerId(pub Arc<str>);

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Makes ids from an injected clock and random source.
#[derive(Debug)]
pub struct Ids {
    clock: Arc<dyn Clock>,
    random: Mutex<StdRng>,
}

impl Ids {
    /// Ids seeded by the operating system.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            random: Mutex::new(rand::make_rng()),
        }
    }

    /// Ids that are the same in every run, for tests.
    #[must_use]
    pub fn seeded(clock: Arc<dyn Clock>, seed: u64) -> Self {
        Self {
            clock,
            random: Mutex::new(StdRng::seed_from_u64(seed)),
        }
    }

    /// A new batch id.
    #[must_use]
    pub fn batch(&self) -> BatchId {
        BatchId(self.uuid())
    }

    /// A new UUIDv7, for what has no type of its own: a request, say.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        let millis = u64::try_from(self.clock.now().as_millisecond()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &self.bytes()).into_uuid()
    }

    /// A new worker id on `host`.
    #[must_use]
    pub fn worker(&self, host: &str) -> WorkerId {
        let [a, b, c, ..]: [u8; 10] = self.bytes();
        WorkerId(format!("{host}-{}-{a:02x}{b:02x}{c:02x}", std::process::id()).into())
    }

    fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.random
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .fill_bytes(&mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert!("gpu-2_a".parse::<Pool>().is_ok());
        for bad in ["", "-a", "A", "a b", "a/b", "é", &"x".repeat(64)] {
            assert!(bad.parse::<Space>().is_err(), "{bad:?}");
        }
        assert!(serde_json::from_str::<Space>("\"Team A\"").is_err());
    }
}
