//! `flotilla watch`: follows a batch until it ends.

use anyhow::Result;
use clap::Args;

use super::follow;
use crate::client::{Client, ServerArgs};
use crate::exit::Exit;
use crate::output::meter::{self, Meter};
use crate::output::{self, Output, summary};

/// Follows a batch until it ends; exit code 1 if items failed.
#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// The batch's id
    id: String,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    server: ServerArgs,
}

impl Watch {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<Exit> {
        watch(&self.server.client()?, &self.id, self.output).await
    }
}

/// Follows a batch and says how it ended: in words on stderr, or its result as JSON on stdout where that is asked for.
pub(crate) async fn watch(client: &Client, id: &str, output: Output) -> Result<Exit> {
    let mut meter = Meter::new(false);
    let batch = follow::until_final(client, id, follow::LIVELY, &mut meter).await?;
    meter.clear();
    let result = client.result(id, None).await?;
    if output.is_json() {
        output::print(&result.text)?;
    } else {
        meter::line(summary::describe(&result.to()?).trim_end());
    }
    Ok(Exit::of(batch.counts.succeeded == batch.counts.total))
}
