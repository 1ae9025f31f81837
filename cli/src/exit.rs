//! How a process ends. `docs/terminal.md` has all of it in a table; what breaks is 2, and 1 for a service.

use std::process::ExitCode;

/// How a command ended that did not break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything is fine: 0.
    Fine,
    /// It worked, but not everything is well, as where items failed: 1.
    ItemsFailed,
    /// Stopped by Ctrl-C: 130, as shells say it.
    Interrupted,
    /// Stopped by SIGTERM: 143.
    Terminated,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Fine => Self::SUCCESS,
            Exit::ItemsFailed => Self::from(1),
            Exit::Interrupted => Self::from(130),
            Exit::Terminated => Self::from(143),
        }
    }
}

impl Exit {
    /// Fine, unless items did not succeed.
    pub(crate) fn of(all_succeeded: bool) -> Self {
        if all_succeeded {
            Self::Fine
        } else {
            Self::ItemsFailed
        }
    }
}
