//! The HTTP API: takes batches in, and tells how they are.
//!
//! * [`serve`] accepts connections and ends them in order; [`router`] is the API itself.
//! * Each endpoint has a file under `endpoints`, what it answers a type under `views`, apart from the domain.
//! * `intake` takes uploads of any length in with memory that is bounded by [`Config`].
//! * `download` gives all items of a batch out as one file, with memory that is bounded, too.
//! * `events` tells listeners what moves, however many and however slow they are.
//! * `steer` does something to a batch, once, and shows it at once; `actor` says who does it.
//! * `dashboard` is the page at `/`, and what it is made of.
//! * `callbacks` completes items that wait, by a signed URL.
//! * `space` says whose request it is. Every query is scoped by it.
//! * `problem` is the one error type: every error of every kind is a problem document (RFC 9457) at the end.
//! * The OpenAPI document is made from the declarations of the routes: see [`openapi`].
//!
//! # Adding an endpoint
//!
//! Write `endpoints/<name>.rs` with a handler under `#[utoipa::path]`, take `space::Caller` for the space, and
//! add it to its group in `router.rs`. Tests compare the document with the router and check the isolation of spaces on
//! every path of it.

mod actor;
mod app;
mod artifacts;
mod callbacks;
mod config;
mod dashboard;
mod dead_letters;
mod deps;
mod download;
mod endpoints;
mod events;
mod fields;
mod follow_ups;
#[doc(hidden)]
pub mod fuzzing;
pub mod hot_paths;
mod intake;
mod live;
mod openapi;
mod orders;
mod outputs;
mod params;
mod problem;
pub mod publisher;
mod router;
mod search;
mod serve;
mod space;
mod steer;
mod telemetry;
mod views;

pub use callbacks::Callbacks;
pub use config::Config;
pub use deps::Deps;
pub use intake::Schemas;
pub use openapi::openapi;
pub use router::router;
pub use serve::serve;
