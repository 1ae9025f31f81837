//! `flotilla dead-letters redrive`: run their items again.

use anyhow::Result;
use clap::Args;

use super::Choice;
use crate::client::ServerArgs;
use crate::exit::Exit;
use crate::output::Output;

const ACTION: &str = "redrive";

/// Runs items that were given up on again, with as many attempts as at first.
#[derive(Debug, Args)]
pub(super) struct Redrive {
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    server: ServerArgs,
}

impl Redrive {
    pub(super) async fn run(self) -> Result<Exit> {
        let (client, which) = (self.server.client()?, self.choice.which()?);
        if self.choice.dry_run {
            let would = client.would_decide(ACTION, &which).await?;
            return super::report(&would, "would run again", self.output);
        }
        let decided = client.decide(ACTION, &which).await?;
        super::report(&decided, "running again", self.output)
    }
}
