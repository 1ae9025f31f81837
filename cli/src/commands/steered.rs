//! What was done to a batch, in one line.

use anyhow::Result;
use flotilla_core::BatchState;

use crate::client::Reply;
use crate::client::view::BatchView;
use crate::exit::Exit;
use crate::output::{self, Output, progress};

/// Says where a batch stands after something was done to it.
pub(super) fn report(reply: &Reply, output: Output) -> Result<Exit> {
    if output.is_json() {
        output::print(&reply.text)?;
    } else {
        output::print(&line(&reply.to()?))?;
    }
    Ok(Exit::Fine)
}

/// `ID is paused · 312 of 800 (39 %)`.
pub(super) fn line(batch: &BatchView) -> String {
    let what = match batch.state {
        BatchState::Open => "is open",
        BatchState::Pending if batch.start.as_deref() == Some("manual") => "waits for `flotilla start`",
        BatchState::Pending => "is pending",
        BatchState::Processing => "is processing",
        BatchState::Paused => "is paused",
        BatchState::Cancelling => "is being cancelled",
        BatchState::Completed => "is completed",
        BatchState::Failed => "has failed",
        BatchState::Cancelled => "is cancelled",
    };
    format!("{} {what} · {}", batch.id, progress::amount(batch))
}
