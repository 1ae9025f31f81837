//! When it is time to ask why a batch does not move.

use std::time::Duration;

use flotilla_core::{BatchState, Counts};
use tokio::time::Instant;

use crate::client::view::BatchView;

/// So long nothing has to happen until somebody wonders.
const PATIENCE: Duration = Duration::from_secs(4);
/// The answer may be another one after so long.
const AGAIN: Duration = Duration::from_secs(10);

/// How long a batch has stood still.
#[derive(Debug)]
pub(crate) struct Still {
    seen: (BatchState, u32),
    /// When to ask next; none where there is nothing to ask.
    ask: Option<Instant>,
}

impl Still {
    /// Seen for the first time.
    pub(crate) fn new(batch: &BatchView, now: Instant) -> Self {
        Self {
            seen: seen(batch),
            ask: due(batch.state, now + PATIENCE),
        }
    }

    /// Seen again. True where it has moved.
    pub(crate) fn see(&mut self, batch: &BatchView, now: Instant) -> bool {
        let moved = std::mem::replace(&mut self.seen, seen(batch)) != self.seen;
        if moved {
            self.ask = due(batch.state, now + PATIENCE);
        }
        moved
    }

    /// True where it is time to ask why. Then it is not for a while.
    pub(crate) fn wonders(&mut self, now: Instant) -> bool {
        let wonders = self.ask.is_some_and(|ask| ask <= now);
        if wonders {
            self.ask = Some(now + AGAIN);
        }
        wonders
    }
}

/// What is dispatched may come and go; what has ended is progress.
fn seen(batch: &BatchView) -> (BatchState, u32) {
    (batch.state, Counts::settled(&batch.counts))
}

fn due(state: BatchState, at: Instant) -> Option<Instant> {
    (!state.is_final()).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::follow::sample;

    #[tokio::test(start_paused = true)]
    async fn a_batch_that_moves_is_not_asked_about() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut still = Still::new(&sample("b", "processing", 1), at(0));
        assert!(!still.wonders(at(3)));
        assert!(still.wonders(at(4)), "it stands still");
        assert!(
            !still.wonders(at(5)) && !still.wonders(at(13)),
            "it was asked about"
        );
        assert!(still.wonders(at(14)));
        assert!(!still.see(&sample("b", "processing", 1), at(20)));
        assert!(still.see(&sample("b", "processing", 2), at(20)));
        assert!(!still.wonders(at(23)) && still.wonders(at(24)));
        assert!(still.see(&sample("b", "completed", 2), at(25)));
        assert!(!still.wonders(at(1_000)), "it has ended");
    }
}
