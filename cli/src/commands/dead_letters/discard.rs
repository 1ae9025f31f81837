//! `flotilla dead-letters discard`: decide that nothing more is to be done about them.

use std::io::{IsTerminal, Write};

use anyhow::{Result, bail};
use clap::Args;

use super::Choice;
use crate::client::dead_letters::Which;
use crate::client::{Client, ServerArgs};
use crate::exit::Exit;
use crate::output::{Output, meter, number};

const ACTION: &str = "discard";

/// Forgets dead letters. Their items stay failed, in their batches and results; `flotilla retry` still finds them.
#[derive(Debug, Args)]
pub(super) struct Discard {
    #[command(flatten)]
    choice: Choice,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    server: ServerArgs,
}

impl Discard {
    pub(super) async fn run(self) -> Result<Exit> {
        let (client, which) = (self.server.client()?, self.choice.which()?);
        if self.choice.dry_run {
            let would = client.would_decide(ACTION, &which).await?;
            return super::report(&would, "would be discarded", self.output);
        }
        if !self.yes && !confirmed(&client, &which).await? {
            meter::line("nothing was discarded");
            return Ok(Exit::Fine);
        }
        let decided = client.decide(ACTION, &which).await?;
        super::report(&decided, "discarded", self.output)
    }
}

/// Asks whoever is there.
async fn confirmed(client: &Client, which: &Which) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!("discarded dead letters can't be brought back: say --yes, or look first with --dry-run");
    }
    let would = client.would_decide(ACTION, which).await?;
    let mut stderr = std::io::stderr().lock();
    write!(
        stderr,
        "Discard {}{}? They can't be brought back. [y/N] ",
        if would.more { "at least " } else { "" },
        number::counted(would.items, "dead letter")
    )?;
    stderr.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(is_yes(&answer))
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes() {
        assert!(is_yes("y\n") && is_yes("YES\n"));
        for answer in ["", "\n", "n\n", "yup\n"] {
            assert!(!is_yes(answer), "{answer:?}");
        }
    }
}
