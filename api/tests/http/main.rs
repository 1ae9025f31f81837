//! The HTTP API over the embedded engines: a real SQLite file, the real router, real connections where they matter.

#![expect(clippy::unwrap_used, reason = "tests")]

mod appending;
mod archives;
mod artifacts;
mod away;
mod callbacks;
mod connections;
mod create;
mod dashboard;
mod dead_letters;
mod document;
mod download;
mod events;
mod explain;
mod follow_ups;
mod harness;
mod idempotency;
mod lost_answers;
mod names;
mod options;
mod packed;
mod probes;
mod producing;
mod publishing;
mod reading;
mod recovery;
mod refusals;
mod retention;
mod retrying;
mod round_trip;
mod searching;
mod spaces;
mod steering;
mod tables;
mod validation;
mod workers;
