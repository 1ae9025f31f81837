//! The [`Broker`](flotilla_core::ports::Broker) port on RabbitMQ.
//!
//! `docs/amqp.md` is the contract on the wire: queues, messages and acknowledgements, for workers in any language. This
//! crate is one implementation of it, [`AmqpBroker`].
//!
//! # How it is built
//!
//! - Two connections per process (`link`): when a memory or disk alarm is on, RabbitMQ stops reading from connections
//!   that publish, and acknowledgements must not be stuck behind that. Each has a supervisor that opens it, watches it
//!   and opens it again, with jitter. lapin's own recovery stays off: it hides which deliveries are still ours.
//! - Publishing (`publish`) leases a channel for the whole call: what comes back on it, and how it is confirmed, belongs to
//!   that call. Everything is pipelined, and every confirm is awaited. Its connection (`publishing`) is not lapin's: that
//!   one costs several times as much per message.
//! - Consuming (`feed`) is a stream that subscribes again on a new channel whenever its channel ends, for whatever
//!   reason. lapin's buffer has no bound of its own: the prefetch is the bound.
//! - Settling (`session`, `outstanding`) acknowledges the contiguous run of deliveries at the front with one frame.
//!
//! Everything that runs in the background is a task of the adapter; [`AmqpBroker::close`] ends them all.

mod address;
mod backoff;
mod broker;
mod channels;
#[cfg(test)]
mod contract;
mod control;
mod fault;
mod feed;
pub mod hot_paths;
mod link;
mod live;
mod options;
mod outstanding;
mod publish;
mod publishing;
mod session;
mod topology;
mod wire;

pub use broker::AmqpBroker;
pub use options::Options;

/// The name of the engine in errors.
const ENGINE: &str = "RabbitMQ";
