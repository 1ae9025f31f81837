//! Colours on a terminal.

use std::io::IsTerminal;

use flotilla_core::BatchState;

/// Whether there are any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paint(bool);

impl Paint {
    /// On stderr: where it is a terminal, and nobody has asked for none ([`NO_COLOR`](https://no-color.org)).
    pub(crate) fn of_stderr() -> Self {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let is_dumb = variable("TERM").is_some_and(|term| term == "dumb");
        Self(std::io::stderr().is_terminal() && variable("NO_COLOR").is_none() && !is_dumb)
    }

    /// The name of a state, in its colour.
    pub(crate) fn state(self, state: BatchState) -> String {
        let code = match state {
            BatchState::Completed => 32,
            BatchState::Failed => 31,
            BatchState::Paused | BatchState::Cancelling | BatchState::Cancelled => 33,
            BatchState::Processing => 36,
            BatchState::Open | BatchState::Pending => return state.to_string(),
        };
        self.with(code, state.as_str())
    }

    /// What went wrong.
    pub(crate) fn bad(self, text: &str) -> String {
        self.with(31, text)
    }

    fn with(self, code: u8, text: &str) -> String {
        if self.0 {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colours_it_is_only_words() {
        assert_eq!(Paint(false).state(BatchState::Failed), "failed");
        assert_eq!(Paint(true).state(BatchState::Failed), "\u{1b}[31mfailed\u{1b}[0m");
        assert_eq!(Paint(true).state(BatchState::Pending), "pending");
    }
}
