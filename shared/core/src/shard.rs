//! Which report queue a batch belongs to.

use std::fmt;

use crate::ids::BatchId;

/// How many report queues a deployment has unless it says otherwise. Every service must be told the same number.
pub const DEFAULT_SHARDS: u16 = 2;

/// A report queue. All reports of a batch go to one shard, so that its counters have one writer at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard(pub u16);

impl Shard {
    /// The shard of `batch` among `shards`: the last eight bytes of its id as a big-endian number, modulo `shards`.
    /// Part of the AMQP contract, because workers in other languages compute it too.
    #[must_use]
    pub fn of(batch: BatchId, shards: u16) -> Self {
        let (_, low) = batch.0.as_u64_pair();
        Self((low % u64::from(shards.max(1))) as u16)
    }

    /// All shards.
    pub fn all(shards: u16) -> impl Iterator<Item = Self> {
        (0..shards.max(1)).map(Self)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_does_not_drift() {
        let batch: BatchId = "01938f6e-0000-7000-8000-000000000007".parse().unwrap();
        assert_eq!(Shard::of(batch, 4), Shard(3));
        assert_eq!(Shard::of(batch, 1), Shard(0));
    }
}
