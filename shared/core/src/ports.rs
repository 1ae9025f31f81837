//! The ports: what the services need from an engine, in the words of the domain.
//!
//! Each port has one conformance suite (in the package `flotilla-tests`) that runs against every adapter: a new adapter
//! is done when it passes.

pub mod broker;
pub mod objects;
pub mod progress;
pub mod store;

pub use broker::Broker;
pub use objects::Objects;
pub use progress::Progress;
pub use store::Store;
