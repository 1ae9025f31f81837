//! How fast bytes go, and how long that will take.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::{duration, number};

/// What is looked back at.
const WINDOW: Duration = Duration::from_secs(5);
/// Less says nothing.
const LEAST: Duration = Duration::from_millis(500);

/// Where an upload was in the last few seconds.
#[derive(Debug, Default)]
pub(crate) struct Speed(VecDeque<(Instant, u64)>);

impl Speed {
    /// Says where it is now: how much of how much, how fast, how long. `length` is 0 where it is not known.
    pub(crate) fn line(&mut self, now: Instant, bytes: u64, length: u64) -> String {
        let rate = self.bytes_per_second(now, bytes);
        let done = number::bytes(bytes);
        if length > 0 && bytes >= length {
            return format!("{done} sent, waiting for the server");
        }
        let mut parts = vec![match length {
            0 => format!("{done} sent"),
            _ => format!("{done} of {} sent", number::bytes(length)),
        }];
        if let Some(rate) = rate {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "positive, and saturating is fine"
            )]
            parts.push(format!("{}/s", number::bytes(rate as u64)));
            if length > 0 && rate > 0.0 {
                #[expect(clippy::cast_precision_loss, reason = "an estimate")]
                let left = (length - bytes) as f64 / rate;
                parts.push(format!("{} left", duration::seconds(left)));
            }
        }
        parts.join(" · ")
    }

    fn bytes_per_second(&mut self, now: Instant, bytes: u64) -> Option<f64> {
        // Sent again from the beginning.
        if self.0.back().is_some_and(|&(_, before)| before > bytes) {
            self.0.clear();
        }
        self.0.push_back((now, bytes));
        while self.0.get(1).is_some_and(|&(at, _)| now - at >= WINDOW) {
            self.0.pop_front();
        }
        let &(since, before) = self.0.front()?;
        let elapsed = now - since;
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let rate = (bytes - before) as f64 / elapsed.as_secs_f64();
        (elapsed >= LEAST).then_some(rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_last_seconds_count() {
        let (start, mut speed) = (Instant::now(), Speed::default());
        let mut line =
            |second: u64, mib: u64| speed.line(start + Duration::from_secs(second), mib << 20, 100 << 20);
        assert_eq!(line(0, 0), "0 B of 100.0 MiB sent");
        assert_eq!(
            line(1, 1),
            "1.0 MiB of 100.0 MiB sent · 1.0 MiB/s · 1 m 39 s left"
        );
        for second in 2..10 {
            line(second, second * 10 - 10);
        }
        assert_eq!(
            line(10, 90),
            "90.0 MiB of 100.0 MiB sent · 10.0 MiB/s · 1.0 s left"
        );
        assert_eq!(line(11, 100), "100.0 MiB sent, waiting for the server");
        assert_eq!(line(12, 5), "5.0 MiB of 100.0 MiB sent", "it began again");
        assert_eq!(Speed::default().line(start, 512, 0), "512 B sent");
    }
}
