//! `flotilla resume`: go on with a batch.

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use super::steered;
use crate::client::ServerArgs;
use crate::exit::Exit;
use crate::output::Output;

/// Resumes a batch that is paused, also where a guard rail has paused it.
#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// The batch's id
    id: String,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    server: ServerArgs,
}

impl Resume {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<Exit> {
        let client = self.server.client()?;
        let reply = client.act(&self.id, "resume", &Value::Null).await?;
        steered::report(&reply, self.output)
    }
}
