//! Plain lines, for pipes and logs.

use std::collections::BTreeMap;
use std::io::Result;
use std::time::Duration;

use flotilla_core::BatchState;
use flotilla_core::result::ErrorGroup;
use tokio::time::Instant;

use super::show::{self, Show};
use crate::client::Reply;
use crate::client::view::{BatchView, ExplainView, ResultView};
use crate::output::{number, print, progress, summary, text};

/// A batch has a line that often, at most.
const EVERY: Duration = Duration::from_secs(1);

/// Lines on stdout.
pub(super) struct Lines {
    is_one: bool,
    pace: Pace,
}

impl Lines {
    pub(super) fn new(is_one: bool) -> Self {
        Self {
            is_one,
            pace: Pace::default(),
        }
    }

    fn of(&self, batch: &BatchView, text: &str) -> Result<()> {
        if self.is_one {
            print(text)
        } else {
            print(&format!("{}: {text}", show::label(batch)))
        }
    }
}

impl Show for Lines {
    fn progress(&mut self, batch: &BatchView, _why: Option<&str>) -> Result<()> {
        if !self.pace.is_due(batch, Instant::now()) {
            return Ok(());
        }
        let text = format!("{} · {}", batch.state, progress::after_state(batch));
        self.of(batch, &text)
    }

    fn error(&mut self, batch: &BatchView, group: &ErrorGroup) -> Result<()> {
        let sample = text::clean(&group.sample, 200);
        let text = format!("error: {} × {sample}", number::grouped(group.count.into()));
        self.of(batch, &text)
    }

    fn explain(&mut self, batch: &BatchView, reasons: &ExplainView) -> Result<()> {
        match show::why(reasons) {
            Some(why) => self.of(batch, &format!("does not move: {why}")),
            None => Ok(()),
        }
    }

    fn ended(&mut self, batch: &BatchView, result: Option<&Reply>) -> Result<()> {
        self.pace.forget(&batch.id);
        let text = format!("{} · {}", batch.state, progress::after_state(batch));
        self.of(batch, &text)?;
        if let Some(error) = &batch.error {
            self.of(batch, &text::clean(error, 300))?;
        }
        match result.map(Reply::to::<ResultView>) {
            Some(Ok(result)) => print(summary::describe(&result).trim_end()),
            _ => Ok(()),
        }
    }

    fn gone(&mut self, id: &str) -> Result<()> {
        print(&format!("{id}: removed"))
    }

    fn say(&mut self, text: &str) -> Result<()> {
        print(text)
    }
}

/// Which changes are worth a line, and when.
#[derive(Debug, Default)]
pub(super) struct Pace(BTreeMap<String, (Instant, Noted)>);

/// What people would like to know of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Noted {
    state: BatchState,
    percent: u32,
    failed: u32,
}

impl Pace {
    /// True where there is something to say, and nothing was said of late.
    pub(super) fn is_due(&mut self, batch: &BatchView, now: Instant) -> bool {
        let counts = &batch.counts;
        let noted = Noted {
            state: batch.state,
            percent: counts.settled().saturating_mul(100) / counts.total.max(1),
            failed: counts.failed,
        };
        let last = self.0.get(&batch.id);
        if last.is_some_and(|(at, before)| now - *at < EVERY || *before == noted) {
            return false;
        }
        self.0.insert(batch.id.clone(), (now, noted));
        true
    }

    /// The next change counts.
    pub(super) fn forget(&mut self, id: &str) {
        self.0.remove(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::follow::sample;

    #[tokio::test(start_paused = true)]
    async fn a_line_a_second_for_what_is_worth_one() {
        let start = Instant::now();
        let at = |millis: u64| start + Duration::from_millis(millis);
        let mut pace = Pace::default();
        assert!(pace.is_due(&sample("a", "pending", 0), at(0)));
        assert!(pace.is_due(&sample("b", "pending", 0), at(0)), "each for itself");
        assert!(!pace.is_due(&sample("a", "processing", 80), at(999)));
        assert!(pace.is_due(&sample("a", "processing", 80), at(1_000)));
        assert!(
            !pace.is_due(&sample("a", "processing", 81), at(5_000)),
            "not a percent"
        );
        assert!(pace.is_due(&sample("a", "processing", 88), at(5_000)));
    }
}
