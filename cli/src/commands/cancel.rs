//! `flotilla cancel`: end a batch.

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use super::steered;
use crate::client::ServerArgs;
use crate::exit::Exit;
use crate::output::Output;

/// Cancels a batch: no item starts any more, for good, and those that run are stopped. What is done stays.
#[derive(Debug, Args)]
pub(crate) struct Cancel {
    /// The batch's id
    id: String,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    server: ServerArgs,
}

impl Cancel {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<Exit> {
        let client = self.server.client()?;
        let reply = client.act(&self.id, "cancel", &Value::Null).await?;
        steered::report(&reply, self.output)
    }
}
