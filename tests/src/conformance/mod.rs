//! One suite per port, run on every adapter: what a port promises is what its suite checks.

pub mod broker;
pub mod objects;
pub mod progress;
pub mod store;
