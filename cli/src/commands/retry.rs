//! `flotilla retry`: run ended items of a batch again.

use anyhow::Result;
use clap::Args;
use serde_json::{Map, Value, json};

use super::steered;
use crate::client::ServerArgs;
use crate::client::view::Retried;
use crate::exit::Exit;
use crate::output::{self, Output, number};

const EXAMPLES: &str = "\
Examples:
  flotilla retry ID --dry-run                      how many items failed
  flotilla retry ID                                run them again
  flotilla retry ID --fingerprint 9f86d081884c     only those with this error (see `flotilla errors ID`)
  flotilla retry ID --index 4 --index 17           only these
  flotilla retry ID --cancelled                    also what was cancelled

The results so far stay; when the batch has ended again it has one more.";

/// Runs failed items of a batch again, also after it has ended.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Retry {
    /// The batch's id
    id: String,
    #[command(flatten)]
    which: Which,
    /// Only say how many items it would be
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    server: ServerArgs,
}

/// Which ones.
#[derive(Debug, Args)]
struct Which {
    /// Only items whose error has this fingerprint
    #[arg(long)]
    fingerprint: Option<String>,
    /// Only this item; may be repeated, or several with commas
    #[arg(long, value_name = "INDEX", value_delimiter = ',')]
    index: Vec<u32>,
    /// Also items that were cancelled
    #[arg(long, conflicts_with = "fingerprint")]
    cancelled: bool,
}

impl Retry {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<Exit> {
        let body = self.which.to_json(self.dry_run);
        let reply = self.server.client()?.act(&self.id, "retry", &body).await?;
        if self.output.is_json() {
            output::print(&reply.text)?;
            return Ok(Exit::Fine);
        }
        let retried: Retried = reply.to()?;
        let items = number::items(retried.items.into());
        let text = if self.dry_run {
            format!("would run again: {items}")
        } else {
            format!("running again: {items}\n{}", steered::line(&retried.batch))
        };
        output::print(&text)?;
        Ok(Exit::Fine)
    }
}

impl Which {
    fn to_json(&self, dry_run: bool) -> Value {
        let mut body = Map::new();
        if let Some(fingerprint) = &self.fingerprint {
            body.insert("fingerprint".to_owned(), json!(fingerprint));
        }
        if !self.index.is_empty() {
            body.insert("indices".to_owned(), json!(self.index));
        }
        if self.cancelled {
            body.insert("states".to_owned(), json!(["failed", "cancelled"]));
        }
        body.insert("dry_run".to_owned(), json!(dry_run));
        Value::Object(body)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        retry: Retry,
    }

    fn body(flags: &[&str]) -> Value {
        let line = Line::parse_from(["retry", "b"].iter().chain(flags));
        line.retry.which.to_json(line.retry.dry_run)
    }

    #[test]
    fn the_selection_is_what_was_said() {
        assert_eq!(body(&[]), json!({"dry_run": false}));
        assert_eq!(
            body(&["--index", "4", "--index", "1,2", "--dry-run"]),
            json!({"indices": [4, 1, 2], "dry_run": true})
        );
        assert_eq!(
            body(&["--cancelled"]),
            json!({"states": ["failed", "cancelled"], "dry_run": false})
        );
        assert_eq!(
            body(&["--fingerprint", "ab"]),
            json!({"fingerprint": "ab", "dry_run": false})
        );
    }
}
