//! Typed identifiers: mixing them up does not compile.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Clock;

/// A batch. A UUIDv7: sorts by creation time, and nobody guesses it.
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

/// How far a clock that was set back is ignored, in milliseconds: it is soon there again. Set back further, it was wrong.
const SET_BACK: u64 = 1_000;
/// The random bits of a UUIDv7: 12 and 62, around the variant.
const LOW_BITS: u32 = 62;

/// Makes ids from an injected clock and random source. Those of one process are in order of their making, also within a
/// millisecond: lists are ordered by id (RFC 9562, section 6.2, method 2: what follows adds to what is random).
#[derive(Debug)]
pub struct Ids {
    clock: Arc<dyn Clock>,
    last: Mutex<Last>,
}

/// What the next id has to come after.
#[derive(Debug)]
struct Last {
    random: StdRng,
    millis: u64,
    /// 74 bits.
    tail: u128,
}

impl Ids {
    /// Ids seeded by the operating system.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::after_nothing(clock, rand::make_rng())
    }

    /// Ids that are the same in every run, for tests.
    #[must_use]
    pub fn seeded(clock: Arc<dyn Clock>, seed: u64) -> Self {
        Self::after_nothing(clock, StdRng::seed_from_u64(seed))
    }

    fn after_nothing(clock: Arc<dyn Clock>, random: StdRng) -> Self {
        let last = Mutex::new(Last {
            random,
            millis: 0,
            tail: 0,
        });
        Self { clock, last }
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
        self.last().next(millis)
    }

    /// A new worker id on `host`.
    #[must_use]
    pub fn worker(&self, host: &str) -> WorkerId {
        let mut random = [0; 3];
        self.last().random.fill_bytes(&mut random);
        let [a, b, c] = random;
        WorkerId(format!("{host}-{}-{a:02x}{b:02x}{c:02x}", std::process::id()).into())
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Last {
    /// The next id at `millis`.
    fn next(&mut self, millis: u64) -> Uuid {
        if millis > self.millis || self.millis - millis >= SET_BACK {
            self.millis = millis;
            // One bit stays free, so that as good as any number of others fit behind it.
            self.tail = u128::from(self.random.next_u64()) << 9 | u128::from(self.random.next_u32() >> 23);
        } else {
            self.tail += 1 + u128::from(self.random.next_u32());
        }
        let high = (self.tail >> LOW_BITS) as u16;
        let low = self.tail as u64;
        let mut bytes = [0; 10];
        // The builder puts version and variant over the bits before each of them.
        bytes[..2].copy_from_slice(&high.to_be_bytes());
        bytes[2..].copy_from_slice(&low.to_be_bytes());
        uuid::Builder::from_unix_timestamp_millis(self.millis, &bytes).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last() -> Last {
        Last {
            random: StdRng::seed_from_u64(7),
            millis: 0,
            tail: 0,
        }
    }

    #[test]
    fn ids_are_in_order_of_their_making() {
        let mut last = last();
        let mut before = Uuid::nil();
        let mut next = |millis| {
            let id = last.next(millis);
            assert!(id > before, "{id} after {before} at {millis}");
            assert_eq!(
                (id.get_version_num(), id.get_variant()),
                (7, uuid::Variant::RFC4122)
            );
            before = id;
            id
        };
        for millis in [5_000, 5_001, 5_001, 5_999, 5_000] {
            for _ in 0..1_000 {
                next(millis);
            }
        }
        assert_eq!(
            before.get_timestamp().map(|at| at.to_unix()),
            Some((5, 999_000_000))
        );
    }

    #[test]
    fn a_clock_that_was_wrong_is_followed() {
        let mut last = last();
        last.next(2_000_000);
        let corrected = last.next(1_000_000);
        assert_eq!(corrected.get_timestamp().map(|at| at.to_unix()), Some((1_000, 0)));
    }

    #[test]
    fn nobody_guesses_the_id_that_follows() {
        let mut last = last();
        let ids: Vec<u128> = (0..100).map(|_| last.next(1).as_u128()).collect();
        let steps: std::collections::HashSet<u128> = ids.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(steps.len(), 99);
    }

    #[test]
    fn names_are_checked() {
        assert!("gpu-2_a".parse::<Pool>().is_ok());
        for bad in ["", "-a", "A", "a b", "a/b", "é", &"x".repeat(64)] {
            assert!(bad.parse::<Space>().is_err(), "{bad:?}");
        }
        assert!(serde_json::from_str::<Space>("\"Team A\"").is_err());
    }
}
