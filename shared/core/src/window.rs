//! How much may be in flight: enough that no worker waits, little enough that a newcomer does not either.

use std::time::Duration;

/// How deep the broker's queue should be, in time.
pub const QUEUE_TIME: Duration = Duration::from_millis(250);
/// What is in flight at least where no worker has said hello yet: an idle fleet gets something to do.
pub const MIN_WINDOW: u32 = 64;
/// What is in flight at most, per pool. Longer quorum queues are slower queues.
pub const MAX_WINDOW: u32 = 20_000;
/// Items that are on their way at least, so that a slow fleet does not wait for the next turn.
const MIN_QUEUE: u32 = 4;

/// Seconds after which an observation has lost half of its weight.
const HALF_LIFE_S: f64 = 1.0;
/// A rate that has grown so much is believed at once: a fleet that has just begun, or is larger now. Less than that is
/// noise: what settles comes in lumps.
const LEAP: f64 = 2.0;

/// The window of one pool: Little's law on the measured drain rate.
///
/// A rate that leaps is believed at once, because too small a window starves workers. Everything else is averaged: a
/// fleet that got somewhat faster has a queue to work on meanwhile, and a window of the highest rate ever seen would be
/// twice as long as a newcomer should wait.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Window {
    rate_per_s: Option<f64>,
}

impl Window {
    /// `settled` items left the fleet in `elapsed`.
    pub fn observe(&mut self, settled: u32, elapsed: Duration) {
        let seconds = elapsed.as_secs_f64();
        if seconds <= 0.0 {
            return;
        }
        let rate = f64::from(settled) / seconds;
        let keep = 0.5_f64.powf(seconds / HALF_LIFE_S);
        self.rate_per_s = match self.rate_per_s {
            // Nothing has come back yet: that says nothing about the fleet.
            None if settled == 0 => None,
            None => Some(rate),
            Some(before) if rate > before * LEAP => Some(rate),
            Some(before) => Some(before * keep + rate * (1.0 - keep)),
        };
    }

    /// Items that may be in flight, for a fleet that runs `slots` items at once: what runs, and a queue of
    /// [`QUEUE_TIME`]. Before anything was observed, a queue as long as what runs.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    pub fn size(&self, slots: u32) -> u32 {
        let queue = match self.rate_per_s {
            Some(rate) => (rate * QUEUE_TIME.as_secs_f64()).clamp(0.0, f64::from(MAX_WINDOW)) as u32,
            None => slots,
        };
        let least = if slots == 0 { MIN_WINDOW } else { 1 };
        slots
            .saturating_add(queue.max(MIN_QUEUE))
            .clamp(least, MAX_WINDOW)
    }

    /// Items settled per second of late.
    #[must_use]
    pub fn rate_per_s(&self) -> f64 {
        self.rate_per_s.unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaps_at_once_and_shrinks_slowly() {
        let mut window = Window::default();
        assert_eq!(window.size(0), MIN_WINDOW);
        assert_eq!(window.size(100), 200);
        window.observe(0, Duration::from_secs(60));
        assert_eq!(window.size(100), 200, "slow items have not come back yet");
        window.observe(1_000, Duration::from_millis(100));
        assert_eq!(window.size(100), 2_600);
        window.observe(0, Duration::from_secs(1));
        assert_eq!(window.size(100), 1_350);
        (0..100).for_each(|_| window.observe(1, Duration::from_secs(10)));
        assert_eq!(window.size(100), 104, "slow items do not queue up");
        window.observe(u32::MAX, Duration::from_nanos(1));
        assert_eq!(window.size(u32::MAX), MAX_WINDOW);
    }

    #[test]
    fn lumps_are_averaged() {
        let mut window = Window::default();
        for _ in 0..100 {
            window.observe(1_500, Duration::from_millis(50));
            window.observe(500, Duration::from_millis(50));
        }
        let queue = window.size(0);
        assert!((4_750..5_250).contains(&queue), "a quarter of 20,000/s: {queue}");
    }
}
