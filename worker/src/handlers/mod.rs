//! What handles items, one kind per file. [`Handler`] is open: a program that embeds Flotilla brings its own.

mod echo;
mod exec;
mod exec_lines;
mod fields;
mod http;
mod shell;
mod sleep;
mod template;

pub use echo::Echo;
pub use exec::Exec;
pub use exec_lines::ExecLines;
pub use http::Http;
pub use sleep::Sleep;

use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::Json;
use flotilla_core::message::Verdict;

use crate::item::ItemContext;

/// Handles the items of a job type. One value serves all of them, many at once.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Handles one attempt at an item.
    ///
    /// The future is dropped when the attempt has to end early: its time is over, or the worker stops at once. A
    /// handler that has something to clean up first watches [`ItemContext::stopped`] and asks for a
    /// [`grace`](Self::grace). A panic fails the item.
    async fn handle(&self, item: &ItemContext, input: &Json) -> Verdict;

    /// How long after [`ItemContext::stopped`] the future is dropped.
    fn grace(&self) -> Duration {
        Duration::ZERO
    }

    /// The worker stops: no item is running and none will come.
    async fn close(&self) {}
}
