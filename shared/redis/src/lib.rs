//! The live view on Redis or Valkey: the adapter of [`flotilla_core::ports::Progress`].
//!
//! Redis holds a projection of the store that may be lost at any time. Everything follows from that:
//!
//! - **Absolute values with a version.** A snapshot replaces the one before it, in one Lua script that compares versions;
//!   nothing is ever incremented, so repeating, reordering or losing a write does no harm, and after a loss of all keys the
//!   next write restores what it says. The keys are a public contract, documented in `docs/redis.md`.
//! - **No call waits for long.** Connecting and answering have timeouts. While the server can't be reached, calls fail at
//!   once and a new connection is tried with growing, jittered pauses ([`Options`]); constructing the adapter needs no
//!   server at all. A call that meets a connection that was cut is repeated once on a new one.
//! - **Events are hints.** One connection per adapter listens to the events of all spaces and hands them on to any number of
//!   subscribers through a bounded buffer: who is slow misses events, and nobody waits for anybody. It is checked while it
//!   is idle and made anew when it is lost; subscriptions outlive that.

mod address;
mod backoff;
mod errors;
mod events;
mod fields;
mod keys;
mod link;
mod listener;
mod options;
mod policy;
mod progress;
mod scripts;
mod snapshot_fields;
mod worker_fields;

pub use address::DEFAULT_PREFIX;
pub use options::Options;
pub use progress::RedisProgress;
