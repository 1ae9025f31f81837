//! `flotilla pause`: pause a batch.

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use super::steered;
use crate::client::ServerArgs;
use crate::exit::Exit;
use crate::output::Output;

/// Pauses a batch: no item starts any more, those that run finish. Pausing it again changes nothing.
#[derive(Debug, Args)]
pub(crate) struct Pause {
    /// The batch's id
    id: String,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    server: ServerArgs,
}

impl Pause {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<Exit> {
        let client = self.server.client()?;
        let reply = client.act(&self.id, "pause", &Value::Null).await?;
        steered::report(&reply, self.output)
    }
}
