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

/// Seconds after which a faster observation has lost half of its weight.
const HALF_LIFE_S: f64 = 1.0;

/// The window of one pool: Little's law on the measured drain rate.
///
/// The rate is believed at once when it grows, and forgotten slowly when it falls: too small a window starves workers,
/// too large a one only makes a newcomer wait for a moment.
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
            Some(before) => Some(rate.max(before * keep + rate * (1.0 - keep))),
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
    fn grows_at_once_and_shrinks_slowly() {
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
}
