//! A bar per batch, on a terminal.

use std::collections::BTreeMap;
use std::io::Result;

use flotilla_core::result::ErrorGroup;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::show::Show;
use crate::client::Reply;
use crate::client::view::{BatchView, ExplainView, ResultView};
use crate::output::paint::Paint;
use crate::output::{meter, number, progress, summary, text};

/// How wide a name is.
const NAME: usize = 20;
/// Bars at once; of more batches only the ends are said.
const MOST: usize = 40;

/// Bars on stderr.
pub(super) struct Bars {
    is_one: bool,
    screen: MultiProgress,
    bars: BTreeMap<String, ProgressBar>,
    paint: Paint,
}

impl Bars {
    pub(super) fn new(is_one: bool) -> Self {
        Self {
            is_one,
            screen: MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10)),
            bars: BTreeMap::new(),
            paint: Paint::of_stderr(),
        }
    }

    fn bar(&mut self, batch: &BatchView) -> Option<&ProgressBar> {
        if !self.bars.contains_key(&batch.id) {
            if self.bars.len() >= MOST {
                return None;
            }
            let bar = self
                .screen
                .add(ProgressBar::no_length().with_style(style(self.is_one)));
            bar.set_prefix(short(batch));
            self.bars.insert(batch.id.clone(), bar);
        }
        self.bars.get(&batch.id)
    }

    /// Above the bars.
    fn above(&self, text: &str) {
        self.screen.suspend(|| meter::line(text));
    }

    fn named(&self, batch: &BatchView, text: &str) -> String {
        if self.is_one {
            text.to_owned()
        } else {
            format!("{}: {text}", short(batch))
        }
    }
}

impl Show for Bars {
    fn progress(&mut self, batch: &BatchView, why: Option<&str>) -> Result<()> {
        let paint = self.paint;
        if let Some(bar) = self.bar(batch) {
            let mut text = format!("{} · {}", paint.state(batch.state), progress::after_state(batch));
            // A pause says itself why.
            if let Some(why) = why.filter(|_| batch.paused.is_none()) {
                text.push_str(" · ");
                text.push_str(why);
            }
            bar.set_length(batch.counts.total.into());
            bar.set_position(batch.counts.settled().into());
            bar.set_message(text);
        }
        Ok(())
    }

    fn error(&mut self, batch: &BatchView, group: &ErrorGroup) -> Result<()> {
        let count = number::grouped(group.count.into());
        let error = format!("{count} × {}", text::clean(&group.sample, 160));
        self.above(&self.named(batch, &self.paint.bad(&error)));
        Ok(())
    }

    fn explain(&mut self, _batch: &BatchView, _reasons: &ExplainView) -> Result<()> {
        // The bar says it.
        Ok(())
    }

    fn ended(&mut self, batch: &BatchView, result: Option<&Reply>) -> Result<()> {
        let result = result.and_then(|reply| reply.to::<ResultView>().ok());
        if self.is_one {
            self.close();
            self.bars.clear();
            if let Some(error) = &batch.error {
                meter::line(&text::clean(error, 300));
            }
            if let Some(result) = result {
                meter::line(summary::describe(&result).trim_end());
            }
            return Ok(());
        }
        let mut verdict = match &result {
            Some(result) => summary::verdict(result),
            None => progress::after_state(batch),
        };
        if let Some(error) = &batch.error {
            verdict.push_str(" · ");
            verdict.push_str(&text::clean(error, 100));
        }
        let verdict = format!("{} · {verdict}", self.paint.state(batch.state));
        match self.bars.get(&batch.id) {
            Some(bar) => {
                bar.set_length(batch.counts.total.into());
                bar.set_position(batch.counts.settled().into());
                bar.abandon_with_message(verdict);
            }
            None => self.above(&self.named(batch, &verdict)),
        }
        Ok(())
    }

    fn gone(&mut self, id: &str) -> Result<()> {
        if let Some(bar) = self.bars.remove(id) {
            bar.finish_and_clear();
        }
        self.above(&format!("{id}: removed"));
        Ok(())
    }

    fn say(&mut self, text: &str) -> Result<()> {
        self.above(text);
        Ok(())
    }

    /// Those of several batches stay, as a table of what was seen.
    fn close(&mut self) {
        for bar in self.bars.values().filter(|bar| !bar.is_finished()) {
            if self.is_one {
                bar.finish_and_clear();
            } else {
                bar.abandon();
            }
        }
    }
}

fn style(is_one: bool) -> ProgressStyle {
    let template = if is_one {
        "{bar:30} {wide_msg}"
    } else {
        "{prefix:20} {bar:16} {wide_msg}"
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("━╸─")
}

/// The name, or the end of the id.
fn short(batch: &BatchView) -> String {
    match batch.name.as_deref().filter(|name| !name.is_empty()) {
        Some(name) => text::clean(name, NAME),
        None => text::tail(&batch.id, NAME),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::follow::sample;

    #[test]
    fn a_batch_is_called_by_its_name_or_the_end_of_its_id() {
        let mut batch = sample("019a8c1e-5b7e-7cc0-9d0e-8a54b6a1f0c2", "processing", 1);
        assert_eq!(short(&batch), "…0-9d0e-8a54b6a1f0c2");
        assert_eq!(short(&batch).chars().count(), NAME);
        batch.name = Some("nightly \u{1b}[31mimport".to_owned());
        assert_eq!(short(&batch), "nightly [31mimport");
    }
}
