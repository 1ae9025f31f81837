//! Child processes that can't outlive their item: each leads a process group, and the group ends with it.

mod exit;
mod group;
mod pipe;
mod program;

pub(crate) use exit::Exits;
pub(crate) use group::{Group, Pipes};
pub(crate) use pipe::{LineEnd, Tail, TooLong, feed, read_bounded, read_line};
pub(crate) use program::Program;

use std::time::Duration;

/// What a process group gets between SIGTERM and SIGKILL.
pub(crate) const TERM_GRACE: Duration = Duration::from_secs(2);

/// What the kernel gets to end a killed process. Only one that hangs in the kernel itself needs longer.
pub(crate) const KILL_WAIT: Duration = Duration::from_secs(1);
