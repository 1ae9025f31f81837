//! The paths that are counted: what runs once per item in production, in the same portions.
//!
//! Each goes through the code of production, without sockets, threads or time. Nothing may depend on how many turns came
//! before. What can't be had without: hash maps have keys of their own in each run.

mod counting;
mod dispatch;
mod errors;
mod messages;
mod uploads;

use anyhow::{Result, bail};

/// Something to count.
#[derive(Debug)]
pub(crate) struct Path {
    pub(crate) name: &'static str,
    /// What one turn handles. Its figures are per item.
    pub(crate) items: u32,
    /// Turns that are enough for a steady figure, and few enough for a quick one.
    pub(crate) turns: u32,
    /// What makes a turn. It panics where a turn does not do what it should: a failure is quick, and would look cheap.
    pub(crate) prepare: fn() -> Turn,
}

/// One turn of a path.
pub(crate) type Turn = Box<dyn FnMut()>;

pub(crate) static ALL: [Path; 13] = [
    // In the order of an item's life.
    uploads::NDJSON,
    uploads::CSV,
    uploads::JSON,
    uploads::COPY,
    dispatch::PLAN,
    messages::PUBLISH,
    messages::DELIVER,
    messages::REPORT,
    messages::READ_REPORT,
    counting::TAKE,
    counting::TALLY,
    counting::COPY,
    errors::FINGERPRINT,
];

/// The path with this name.
pub(crate) fn find(name: &str) -> Result<&'static Path> {
    if let Some(path) = ALL.iter().find(|path| path.name == name) {
        return Ok(path);
    }
    let known: Vec<_> = ALL.iter().map(|path| path.name).collect();
    bail!("there is no path {name}; there are {}", known.join(", "))
}
