//! Shows that something moves: a bar on a terminal, a line every few seconds in a pipe. Always on stderr, because stdout
//! belongs to results.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

/// How often a line is written.
const LINE_EVERY: Duration = Duration::from_secs(3);

/// Where progress is shown.
pub(crate) struct Meter(Kind);

enum Kind {
    Bar(ProgressBar),
    Lines { next: Instant, last: String },
    Quiet,
}

impl Meter {
    /// A bar or lines, or nothing where `quiet`.
    pub(crate) fn new(quiet: bool) -> Self {
        Self(if quiet {
            Kind::Quiet
        } else if std::io::stderr().is_terminal() {
            Kind::Bar(bar())
        } else {
            Kind::Lines {
                next: Instant::now() + LINE_EVERY,
                last: String::new(),
            }
        })
    }

    /// Shows that `done` of `total` are done, and says `text`.
    pub(crate) fn show(&mut self, done: u64, total: u64, text: String) {
        match &mut self.0 {
            Kind::Bar(bar) => {
                bar.set_length(total);
                bar.set_position(done);
                bar.set_message(text);
            }
            Kind::Lines { next, last } => {
                let now = Instant::now();
                if now >= *next && *last != text {
                    *next = now + LINE_EVERY;
                    line(&text);
                    *last = text;
                }
            }
            Kind::Quiet => {}
        }
    }

    /// Writes a line of its own, above the bar.
    pub(crate) fn say(&self, text: &str) {
        match &self.0 {
            Kind::Bar(bar) => bar.suspend(|| line(text)),
            Kind::Lines { .. } => line(text),
            Kind::Quiet => {}
        }
    }

    /// For somebody else who has to say something, whether this is quiet or not.
    pub(crate) fn speaker(&self) -> impl Fn(&str) + Send + 'static {
        let bar = match &self.0 {
            Kind::Bar(bar) => Some(bar.clone()),
            Kind::Lines { .. } | Kind::Quiet => None,
        };
        move |text| match &bar {
            Some(bar) => bar.suspend(|| line(text)),
            None => line(text),
        }
    }

    /// Takes the bar away; what it showed last is said in words by whoever follows.
    pub(crate) fn clear(&self) {
        if let Kind::Bar(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

fn bar() -> ProgressBar {
    let style =
        ProgressStyle::with_template("{bar:30} {wide_msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10))
        .with_style(style.progress_chars("━╸─"))
}

/// A line on stderr. Nobody there to read it is no error.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
