//! What goes wrong, and whether anything is lost by it.
//!
//! A [`scenario`] is a workload and the faults that it meets; the [`catalogue`] has one for every fault that one machine
//! can produce. Each is run against private servers behind proxies and a fleet of real processes, and judged by the
//! [`checker`](crate::checker) from the handler's ledger and from what store, live view and API say in the end.
//!
//! To add a fault: a variant of `Fault`, how it is done in a file of `inject`, and a scenario in the catalogue.

mod bench;
mod catalogue;
mod crowd;
mod embedded;
mod fault;
mod fleet;
mod gather;
mod inject;
mod matrix;
mod producer;
mod receiver;
mod rig;
mod scenario;
mod soak;
mod table;

pub use matrix::{Matrix, names, run_slice};
pub use soak::Soak;
pub use table::{Row, markdown};
