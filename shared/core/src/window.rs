//! How much may be in flight: enough that no worker waits, little enough that a newcomer does not either.

use std::time::Duration;

/// How deep the broker's queue should be, in time.
pub const QUEUE_TIME: Duration = Duration::from_millis(250);
/// What is in flight at least: an idle fleet that has not said hello yet gets something to do.
pub const MIN_WINDOW: u32 = 64;
/// What is in flight at most, per pool. Longer quorum queues are slower queues.
pub const MAX_WINDOW: u32 = 20_000;

/// Seconds after which an observation has lost half of its weight.
const HALF_LIFE_S: f64 = 1.0;

/// The window of one pool: Little's law on the measured drain rate.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Window {
    rate_per_s: f64,
}

impl Window {
    /// `settled` items left the fleet in `elapsed`.
    pub fn observe(&mut self, settled: u32, elapsed: Duration) {
        let seconds = elapsed.as_secs_f64();
        if seconds <= 0.0 {
            return;
        }
        let keep = 0.5_f64.powf(seconds / HALF_LIFE_S);
        let rate = f64::from(settled) / seconds;
        self.rate_per_s = self.rate_per_s * keep + rate * (1.0 - keep);
    }

    /// Items that may be in flight, for a fleet that runs `slots` items at once: what runs, as much again that is on its
    /// way, and a queue of [`QUEUE_TIME`].
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    pub fn size(&self, slots: u32) -> u32 {
        let queue = (self.rate_per_s * QUEUE_TIME.as_secs_f64()).clamp(0.0, f64::from(MAX_WINDOW)) as u32;
        slots
            .saturating_mul(2)
            .saturating_add(queue)
            .clamp(MIN_WINDOW, MAX_WINDOW)
    }

    /// Items settled per second of late.
    #[must_use]
    pub fn rate_per_s(&self) -> f64 {
        self.rate_per_s
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_with_the_rate_and_shrinks_again() {
        let mut window = Window::default();
        assert_eq!(window.size(0), MIN_WINDOW);
        assert_eq!(window.size(100), 200);
        (0..100).for_each(|_| window.observe(1_000, Duration::from_millis(100)));
        assert!(
            (2_400..=2_720).contains(&window.size(100)),
            "{}",
            window.size(100)
        );
        (0..100).for_each(|_| window.observe(0, Duration::from_millis(100)));
        assert!(window.size(100) < 210);
        window.observe(u32::MAX, Duration::from_nanos(1));
        assert_eq!(window.size(u32::MAX), MAX_WINDOW);
    }
}
