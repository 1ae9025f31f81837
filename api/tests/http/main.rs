//! The HTTP API over the embedded engines: a real SQLite file, the real router, real connections where they matter.

#![expect(clippy::unwrap_used, reason = "tests")]

mod connections;
mod create;
mod document;
mod harness;
mod idempotency;
mod lost_answers;
mod probes;
mod reading;
mod refusals;
mod round_trip;
mod spaces;
