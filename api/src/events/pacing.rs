//! When a batch that changed is looked at: at once, and at most four times a second. Pure: the time is an argument.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use flotilla_core::BatchId;
use tokio::time::Instant;

/// Between two looks at a batch.
pub(super) const GAP: Duration = Duration::from_millis(250);

/// Batches that are to be looked at, and those that were a moment ago.
#[derive(Debug, Default)]
pub(super) struct Pacing {
    due: BTreeSet<(Instant, BatchId)>,
    /// When each is due, or was looked at last.
    at: HashMap<BatchId, At>,
}

#[derive(Debug, Clone, Copy)]
enum At {
    Due,
    Looked(Instant),
}

impl Pacing {
    /// The batch changed.
    pub(super) fn changed(&mut self, batch: BatchId, now: Instant) {
        let due = match self.at.get(&batch) {
            Some(At::Due) => return,
            Some(At::Looked(at)) => now.max(*at + GAP),
            None => now,
        };
        self.at.insert(batch, At::Due);
        self.due.insert((due, batch));
    }

    /// When the next look is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Batches to look at now, `limit` at most.
    pub(super) fn take(&mut self, limit: usize, now: Instant) -> Vec<BatchId> {
        let mut taken = Vec::new();
        while taken.len() < limit {
            match self.due.first() {
                Some(&(at, batch)) if at <= now => {
                    self.due.pop_first();
                    self.at.insert(batch, At::Looked(now));
                    taken.push(batch);
                }
                _ => break,
            }
        }
        // A look that is long ago holds nothing back.
        if self.at.len() > 2 * self.due.len() + 1_000 {
            self.at.retain(|_, at| match at {
                At::Due => true,
                At::Looked(at) => now < *at + GAP,
            });
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn batch(n: u8) -> BatchId {
        format!("00000000-0000-7000-8000-0000000000{n:02x}")
            .parse()
            .unwrap()
    }

    proptest! {
        /// Whatever changes when: no batch is looked at twice within the gap, and none that changed is left out.
        #[test]
        fn at_once_and_not_too_often(steps in prop::collection::vec((0_u8..4, 0_u64..120, any::<bool>()), 1..200)) {
            let mut pacing = Pacing::default();
            let mut now = Instant::now();
            let mut looked: HashMap<BatchId, Instant> = HashMap::new();
            let mut waiting: HashMap<BatchId, Instant> = HashMap::new();
            for (which, pass, change) in steps {
                now += Duration::from_millis(pass);
                if change {
                    pacing.changed(batch(which), now);
                    waiting.entry(batch(which)).or_insert(now);
                }
                for taken in pacing.take(10, now) {
                    if let Some(last) = looked.insert(taken, now) {
                        prop_assert!(now - last >= GAP);
                    }
                    prop_assert!(waiting.remove(&taken).is_some());
                }
                for (batch, since) in &waiting {
                    prop_assert!(looked.get(batch).is_some_and(|last| now < *last + GAP), "waits since {since:?}");
                }
                prop_assert_eq!(pacing.next().is_some(), !waiting.is_empty());
            }
        }

        #[test]
        fn what_was_looked_at_is_forgotten(batches in 0_u8..200) {
            let mut pacing = Pacing::default();
            let mut now = Instant::now();
            for round in 0..20_u8 {
                for n in 0..batches {
                    pacing.changed(batch(n.wrapping_mul(7).wrapping_add(round)), now);
                }
                pacing.take(usize::MAX, now);
                now += GAP;
            }
            prop_assert!(pacing.at.len() <= 1_200);
        }
    }
}
