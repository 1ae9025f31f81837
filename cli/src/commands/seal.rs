//! `flotilla seal`: end the upload of a batch.

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use super::steered;
use crate::client::ServerArgs;
use crate::exit::Exit;
use crate::output::Output;

/// Seals a batch that was left open: it takes no more items and starts.
#[derive(Debug, Args)]
pub(crate) struct Seal {
    /// The batch's id
    id: String,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    server: ServerArgs,
}

impl Seal {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<Exit> {
        let client = self.server.client()?;
        let reply = client.act(&self.id, "seal", &Value::Null).await?;
        steered::report(&reply, self.output)
    }
}
