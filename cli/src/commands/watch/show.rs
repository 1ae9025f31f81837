//! Where it is shown.

use std::io::{IsTerminal, Result};

use flotilla_core::result::ErrorGroup;

use super::bars::Bars;
use super::json::Json;
use super::lines::Lines;
use crate::client::Reply;
use crate::client::view::{BatchView, ExplainView};
use crate::output::{Output, text};

/// Shows batches to somebody.
pub(super) trait Show {
    /// A batch as it is now, and why it does not move, where that is known.
    fn progress(&mut self, batch: &BatchView, why: Option<&str>) -> Result<()>;
    /// Items failed in a way in which none had before.
    fn error(&mut self, batch: &BatchView, group: &ErrorGroup) -> Result<()>;
    /// What holds a batch up.
    fn explain(&mut self, batch: &BatchView, reasons: &ExplainView) -> Result<()>;
    /// A batch has ended, with this result.
    fn ended(&mut self, batch: &BatchView, result: Option<&Reply>) -> Result<()>;
    /// A batch was removed.
    fn gone(&mut self, id: &str) -> Result<()>;
    /// Something about the server.
    fn say(&mut self, text: &str) -> Result<()>;
    /// Nothing more comes.
    fn close(&mut self) {}
}

impl dyn Show {
    /// For whoever reads it: objects where they are asked for, bars on a terminal, lines in a pipe. `is_one` where there
    /// is one batch, which then needs no name.
    pub(super) fn new(output: Output, is_one: bool) -> Box<dyn Show> {
        let is_terminal = std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
        if output.is_json() {
            Box::new(Json::default())
        } else if is_terminal {
            Box::new(Bars::new(is_one))
        } else {
            Box::new(Lines::new(is_one))
        }
    }
}

/// Id and name of a batch.
pub(super) fn label(batch: &BatchView) -> String {
    match &batch.name {
        Some(name) => format!("{} {}", batch.id, text::clean(name, 60)),
        None => batch.id.clone(),
    }
}

/// The first sentence of what is the most of the reason.
pub(super) fn why(reasons: &ExplainView) -> Option<String> {
    let most = reasons.reasons.iter().max_by_key(|reason| reason.count)?;
    let sentence = most.detail.split(". ").next().unwrap_or_default();
    Some(text::clean(sentence, 120))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_what_holds_most_items() {
        let reasons = |json: &str| serde_json::from_str::<ExplainView>(json).unwrap();
        assert_eq!(why(&reasons(r#"{"reasons": []}"#)), None);
        let two = r#"{"reasons": [{"code": "running", "count": 2, "detail": "workers run them"},
            {"code": "no_worker", "count": 9, "detail": "no worker is there. Start one"}]}"#;
        assert_eq!(why(&reasons(two)).unwrap(), "no worker is there");
    }
}
