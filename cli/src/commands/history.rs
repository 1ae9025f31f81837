//! `flotilla history`: what was done to a batch.

use anyhow::Result;
use clap::Args;

use crate::client::ServerArgs;
use crate::client::view::HistoryView;
use crate::exit::Exit;
use crate::output::table::{Align, Table};
use crate::output::{self, Form, Output, text};

/// Shows what was done to a batch, when and by whom, oldest first.
#[derive(Debug, Args)]
pub(crate) struct History {
    /// The batch's id
    id: String,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    server: ServerArgs,
}

impl History {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<Exit> {
        let client = self.server.client()?;
        let reply = client.get(&["v1", "batches", &self.id, "history"], &[]).await?;
        match self.output.form() {
            Form::Json => output::print(&reply.text)?,
            Form::Table => output::print(&table(&reply.to()?))?,
        }
        Ok(Exit::Fine)
    }
}

fn table(history: &HistoryView) -> String {
    if history.history.is_empty() {
        return "nothing was done to it yet\n".to_owned();
    }
    let mut table = Table::new(&[
        ("WHEN", Align::Left),
        ("BY", Align::Left),
        ("WHAT", Align::Left),
        ("MORE", Align::Left),
    ]);
    for event in &history.history {
        table.row(vec![
            text::second(&event.at),
            text::clean(&event.by, 40),
            event.action.clone(),
            text::clean(event.detail.as_deref().unwrap_or_default(), 120),
        ]);
    }
    table.render()
}
