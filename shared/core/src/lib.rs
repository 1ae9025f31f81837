//! The domain of Flotilla and the ports to the engines that it runs on.
//!
//! Everything here but [`ports`], [`clock`] and [`tasks`] is pure: values in, values out. The adapters (`flotilla-amqp`,
//! `flotilla-redis`, `flotilla-postgres`, `flotilla-sqlite`, `flotilla-embedded`) implement the ports; the services
//! (`flotilla-api`, `flotilla-worker`, `flotilla-scheduler`) use them; only the binary and the tests know both.
//!
//! # How an item travels
//!
//! [`item::NewItem`] is stored by [`ports::store::Intake`], claimed by [`ports::store::Dispatch`], travels as an
//! [`message::ItemMessage`], comes back inside a [`message::Report`], becomes an [`outcome::Outcome`] in
//! [`ports::store::Ledger`], which moves the batch's [`tally::Tally`]; when that is full, a [`result::BatchResult`]
//! exists in the same transaction.

pub mod artifact;
pub mod attempt;
pub mod audit;
pub mod batch;
pub mod clock;
pub mod command;
pub mod crash;
pub mod dead_letter;
pub mod error;
pub mod explain;
pub mod fair;
pub mod fingerprint;
pub mod follow_up;
pub mod forecast;
pub mod histogram;
pub mod ids;
pub mod item;
pub mod item_line;
pub mod job_type;
pub mod json;
pub mod limits;
pub mod message;
pub mod outcome;
pub mod pace;
pub mod place;
pub mod ports;
pub mod record;
pub mod result;
pub mod retention;
pub mod retry;
pub mod schema;
pub mod shard;
pub mod skipped;
pub mod snapshot;
pub mod tally;
pub mod tasks;
pub mod trace;
pub mod window;
pub mod worker;

pub use batch::{Batch, BatchSpec, BatchState, Counts};
pub use clock::{Clock, SystemClock};
pub use error::{Error, ErrorKind, Result};
pub use ids::{BatchId, Ids, ItemIndex, Pool, Space, WorkerId};
pub use json::Json;
pub use tasks::{Shutdown, Tasks};
pub use trace::{NoPropagation, Propagator};
