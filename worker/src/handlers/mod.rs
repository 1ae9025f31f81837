//! What handles items, one kind per file. [`Handler`] is open: a program that embeds Flotilla brings its own.

mod echo;
mod exec;
mod exec_lines;
mod fields;
mod http;
mod http_body;
mod lines_protocol;
mod retry_after;
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
use flotilla_core::outcome::{ItemError, ItemErrorKind, Output};

use crate::item::ItemContext;

/// Handles the items of a job type. One value serves all of them, many at once.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Handles one attempt at an item.
    ///
    /// [`Verdict::Retry`] says that another attempt may succeed, [`Verdict::Fail`] that none will: how many there are is
    /// not the handler's business. A panic counts as the former, and so does an attempt that takes too long.
    ///
    /// The future is dropped when the attempt has to end early: its time is over, its batch was cancelled, or the worker
    /// stops at once. A handler that has something to clean up first watches [`ItemContext::stopped`] and asks for a
    /// [`grace`](Self::grace).
    async fn handle(&self, item: &ItemContext, input: &Json) -> Verdict;

    /// How long after [`ItemContext::stopped`] the future is dropped.
    fn grace(&self) -> Duration {
        Duration::ZERO
    }

    /// The worker stops: no item is running and none will come.
    async fn close(&self) {}
}

/// What an attempt comes to that failed with `error`: what is wrong with the item or the answer will be wrong again,
/// everything else may pass.
pub(crate) fn failed(error: ItemError) -> Verdict {
    match error.kind {
        ItemErrorKind::Invalid | ItemErrorKind::Output => Verdict::Fail(error),
        ItemErrorKind::Handler
        | ItemErrorKind::Timeout
        | ItemErrorKind::Unreachable
        | ItemErrorKind::WorkerLost => Verdict::Retry {
            error,
            after_ms: None,
        },
    }
}

/// The verdict of a handler that either has an output or knows what else to say.
fn verdict(answer: Result<Json, Verdict>) -> Verdict {
    answer.map_or_else(|other| other, |output| Verdict::Done(Output::Inline(output)))
}

/// The path of the item's folder for files, which may have `max` bytes.
async fn artifacts_folder(item: &ItemContext, max: Option<u64>) -> Result<String, ItemError> {
    item.limit_artifacts(max);
    let folder = item.artifacts_folder().await?;
    folder.into_os_string().into_string().map_err(|_| {
        ItemError::new(
            ItemErrorKind::Unreachable,
            "the folder for temporary files has a name that is not UTF-8",
        )
    })
}
