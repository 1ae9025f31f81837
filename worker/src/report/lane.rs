//! Decides when to publish what was gathered for one shard.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Items in one report at most.
pub(super) const MAX_ITEMS: usize = 500;
/// Bytes in one report at most, unless a single item is longer. A scheduler has as many reports in memory as its prefetch
/// says, and several times over while it records them.
pub(super) const MAX_BYTES: usize = 512 << 10;
/// The longest that an outcome waits for company.
const MAX_WAIT: Duration = Duration::from_millis(20);
/// Reports of one shard that are being published at once.
const MAX_PUBLISHING: u8 = 4;

/// What was gathered for a shard, and how many of its reports are under way. Pure: it is told the time.
///
/// An idle lane publishes at once, so a lone item has no delay. A busy one gathers while it publishes, so reports grow
/// with the load by themselves.
#[derive(Debug)]
pub(super) struct Lane<T> {
    /// Each with its size and when it came.
    gathered: VecDeque<(T, usize, Instant)>,
    bytes: usize,
    publishing: u8,
}

impl<T> Default for Lane<T> {
    fn default() -> Self {
        Self {
            gathered: VecDeque::new(),
            bytes: 0,
            publishing: 0,
        }
    }
}

impl<T> Lane<T> {
    pub(super) fn add(&mut self, item: T, bytes: usize, now: Instant) {
        self.gathered.push_back((item, bytes, now));
        self.bytes += bytes;
    }

    /// When the next report is due: never, now or later.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        let (_, _, oldest) = self.gathered.front()?;
        let full = self.gathered.len() >= MAX_ITEMS || self.bytes >= MAX_BYTES;
        match self.publishing {
            MAX_PUBLISHING.. => None,
            0 => Some(now),
            _ if full => Some(now),
            _ => Some(*oldest + MAX_WAIT),
        }
    }

    /// The oldest outcomes, as many as fit into a report. Counts it as being published.
    pub(super) fn take(&mut self) -> Vec<T> {
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while let Some((_, size, _)) = self.gathered.front()
            && taken.len() < MAX_ITEMS
            && (taken.is_empty() || bytes + size <= MAX_BYTES)
        {
            bytes += size;
            taken.extend(self.gathered.pop_front().map(|(item, ..)| item));
        }
        self.bytes -= bytes;
        self.publishing += 1;
        taken
    }

    /// A report is out.
    pub(super) fn published(&mut self) {
        self.publishing -= 1;
    }

    pub(super) fn len(&self) -> usize {
        self.gathered.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(items: usize, bytes: usize, now: Instant) -> Lane<usize> {
        let mut lane = Lane::default();
        (0..items).for_each(|item| lane.add(item, bytes, now));
        lane
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_lane_does_not_wait_and_a_busy_one_gathers() {
        let now = Instant::now();
        let mut lane = lane(1, 10, now);
        assert_eq!(lane.due(now), Some(now));
        assert_eq!(lane.take(), [0]);
        assert_eq!(lane.due(now), None);
        lane.add(1, 10, now);
        lane.add(2, 10, now + MAX_WAIT);
        assert_eq!(lane.due(now), Some(now + MAX_WAIT));
        lane.published();
        assert_eq!(lane.due(now), Some(now));
        assert_eq!(lane.take(), [1, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_lane_does_not_wait_until_too_much_is_under_way() {
        let now = Instant::now();
        let mut lane = lane(MAX_ITEMS * 5, 10, now);
        for _ in 0..MAX_PUBLISHING {
            assert_eq!(lane.due(now), Some(now));
            assert_eq!(lane.take().len(), MAX_ITEMS);
        }
        assert_eq!((lane.len(), lane.due(now)), (MAX_ITEMS, None));
        lane.published();
        assert_eq!(lane.due(now), Some(now));
    }

    #[tokio::test(start_paused = true)]
    async fn reports_are_bounded_in_bytes() {
        let now = Instant::now();
        let mut long = lane(5, MAX_BYTES / 2, now);
        assert_eq!(long.take(), [0, 1]);
        assert_eq!(long.bytes(), 3 * (MAX_BYTES / 2));
        let mut huge = lane(2, MAX_BYTES + 1, now);
        assert_eq!(huge.take(), [0], "one that is longer than a report goes alone");
    }
}
