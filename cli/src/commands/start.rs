//! `flotilla start`: start a batch that waits for it.

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use super::steered;
use crate::client::ServerArgs;
use crate::exit::Exit;
use crate::output::Output;

/// Starts a batch that was submitted with --start manual or a time, at once.
#[derive(Debug, Args)]
pub(crate) struct Start {
    /// The batch's id
    id: String,
    /// From now on, the most items in flight at once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    concurrency: Option<u32>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    server: ServerArgs,
}

impl Start {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<Exit> {
        let body = match self.concurrency {
            Some(concurrency) => json!({"concurrency": concurrency}),
            None => Value::Null,
        };
        let reply = self.server.client()?.act(&self.id, "run", &body).await?;
        steered::report(&reply, self.output)
    }
}
