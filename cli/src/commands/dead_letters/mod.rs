//! `flotilla dead-letters`: items that were given up on, until somebody decides about them. A file per decision.

mod discard;
mod groups;
mod ls;
mod redrive;
mod show;

use anyhow::Result;
use clap::{Args, Subcommand};

use self::discard::Discard;
use self::groups::Groups;
use self::ls::Ls;
use self::redrive::Redrive;
use self::show::Show;
use crate::client::dead_letters::Which;
use crate::client::view::Decided;
use crate::exit::Exit;
use crate::output::{self, Output, number, text};

/// Lists, shows, runs again or discards items that were given up on.
#[derive(Debug, Args)]
pub(crate) struct DeadLetters {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Ls(Ls),
    Groups(Groups),
    Show(Show),
    Redrive(Redrive),
    Discard(Discard),
}

impl DeadLetters {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<Exit> {
        match self.command {
            Command::Ls(ls) => ls.run().await,
            Command::Groups(groups) => groups.run().await,
            Command::Show(show) => show.run().await,
            Command::Redrive(redrive) => redrive.run().await,
            Command::Discard(discard) => discard.run().await,
        }
    }
}

/// Which dead letters of the space.
#[derive(Debug, Args)]
#[command(next_help_heading = "Which ones")]
struct Filter {
    /// Only of this batch
    #[arg(long, value_name = "ID")]
    batch: Option<String>,
    /// Only of this job type
    #[arg(long, value_name = "NAME")]
    job_type: Option<String>,
    /// Only with this error (see `flotilla dead-letters groups`)
    #[arg(long)]
    fingerprint: Option<String>,
}

impl Filter {
    fn which(&self) -> Which {
        Which {
            batch: self.batch.clone(),
            indices: Vec::new(),
            job_type: self.job_type.clone(),
            fingerprint: self.fingerprint.clone(),
        }
    }
}

/// Which dead letters something is done to: said, never implied.
#[derive(Debug, Args)]
struct Choice {
    #[command(flatten)]
    filter: Filter,
    /// Only this item of the batch; may be repeated, or several with commas
    #[arg(long, value_name = "INDEX", value_delimiter = ',', requires = "batch")]
    index: Vec<u32>,
    /// All of the space
    #[arg(long, conflicts_with_all = ["batch", "job_type", "fingerprint", "index"])]
    all: bool,
    /// Only say how many it would be
    #[arg(long)]
    dry_run: bool,
}

impl Choice {
    fn which(&self) -> Result<Which> {
        let which = Which {
            indices: self.index.clone(),
            ..self.filter.which()
        };
        anyhow::ensure!(
            self.all || !which.is_all(),
            "say which ones: --batch, --job-type or --fingerprint, or --all of the space"
        );
        Ok(which)
    }
}

/// What something was done to, or would be.
fn report(decided: &Decided, verb: &str, output: Output) -> Result<Exit> {
    if output.is_json() {
        output::print(&serde_json::to_string(decided)?)?;
        return Ok(Exit::Fine);
    }
    let least = if decided.more { "at least " } else { "" };
    let letters = number::counted(decided.items, "dead letter");
    let mut lines = format!("{verb}: {least}{letters}\n");
    for refused in &decided.refused {
        lines.push_str(&format!(
            "not in batch {}: {}\n",
            refused.batch_id,
            text::clean(&refused.reason, 300)
        ));
    }
    output::print(&lines)?;
    Ok(Exit::Fine)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        choice: Choice,
    }

    fn which(flags: &[&str]) -> Result<Which> {
        Line::parse_from(["x"].iter().chain(flags)).choice.which()
    }

    #[test]
    fn everything_has_to_be_said() {
        assert!(which(&[]).is_err());
        assert!(which(&["--dry-run"]).is_err());
        assert!(which(&["--all"]).unwrap().is_all());
        let some = which(&["--batch", "b", "--index", "1,2"]).unwrap();
        assert_eq!((some.batch.as_deref(), some.indices), (Some("b"), vec![1, 2]));
        assert!(
            Line::try_parse_from(["x", "--index", "1"]).is_err(),
            "of which batch?"
        );
        assert!(Line::try_parse_from(["x", "--all", "--batch", "b"]).is_err());
    }
}
