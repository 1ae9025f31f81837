//! `flotilla watch`: follows batches until they end.

mod bars;
mod json;
mod lines;
mod show;
mod watcher;

use anyhow::Result;
use clap::Args;

use self::show::Show;
use self::watcher::{Until, Watcher};
use super::follow::{Feed, Scope};
use crate::client::{Client, ServerArgs};
use crate::exit::Exit;
use crate::output::Output;

const HELP: &str = "\
On a terminal there is a bar per batch; in a pipe a line for whatever is worth one, at most one a second per batch. With
--output json every line is an object with an \"event\": progress, error, explain or end.
What goes wrong is said as it appears, and so is why a batch does not move.";

/// Follows batches until they end; exit code 1 if items failed.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Watch {
    /// The batches' ids [default: every batch of the space that is active, until Ctrl-C]
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// Without ids: end when no batch is active any more
    #[arg(long, conflicts_with = "ids")]
    until_idle: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    server: ServerArgs,
}

impl Watch {
    /// Runs the command.
    pub(crate) async fn run(mut self) -> Result<Exit> {
        let client = self.server.client()?;
        // Whoever names one twice means it once.
        self.ids.sort();
        self.ids.dedup();
        let until = match (self.ids.is_empty(), self.until_idle) {
            (false, _) => Until::Ended(self.ids.len()),
            (true, true) => Until::Idle,
            (true, false) => Until::Told,
        };
        follow(&client, self.ids, until, self.output).await
    }
}

/// Follows one batch.
pub(crate) async fn watch(client: &Client, id: &str, output: Output) -> Result<Exit> {
    follow(client, vec![id.to_owned()], Until::Ended(1), output).await
}

async fn follow(client: &Client, ids: Vec<String>, until: Until, output: Output) -> Result<Exit> {
    let scope = if ids.is_empty() {
        Scope::Space { ended: false }
    } else {
        Scope::Batches(ids)
    };
    let feed = Feed::new(client, scope);
    let show = <dyn Show>::new(output, until == Until::Ended(1));
    Watcher::new(client, show, until).run(feed).await
}
