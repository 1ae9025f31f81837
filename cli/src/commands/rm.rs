//! `flotilla rm`: delete a batch.

use anyhow::Result;
use clap::Args;

use crate::client::ServerArgs;
use crate::exit::Exit;
use crate::output;

/// Deletes a batch with its items, results and outputs. It is gone at once and can't be brought back.
#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// The batch's id
    id: String,
    /// Also if it has not ended: it is cancelled first
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    server: ServerArgs,
}

impl Rm {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<Exit> {
        self.server.client()?.delete(&self.id, self.force).await?;
        output::print(&format!("{} is deleted", self.id))?;
        Ok(Exit::Fine)
    }
}
