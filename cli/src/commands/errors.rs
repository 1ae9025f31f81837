//! `flotilla errors`: why items of a batch failed.

use anyhow::Result;
use clap::Args;

use crate::client::ServerArgs;
use crate::client::view::ErrorsView;
use crate::exit::Exit;
use crate::output::table::{Align, Table};
use crate::output::{self, Form, Output, number, text};

/// Shows why items failed, by error: the most frequent first.
#[derive(Debug, Args)]
pub(crate) struct Errors {
    /// The batch's id
    id: String,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    server: ServerArgs,
}

impl Errors {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<Exit> {
        let client = self.server.client()?;
        let reply = client.get(&["v1", "batches", &self.id, "errors"], &[]).await?;
        match self.output.form() {
            Form::Json => output::print(&reply.text)?,
            Form::Table => output::print(&table(&reply.to()?))?,
        }
        Ok(Exit::Fine)
    }
}

fn table(errors: &ErrorsView) -> String {
    if errors.errors.is_empty() {
        return "no errors\n".to_owned();
    }
    let mut table = Table::new(&[
        ("ITEMS", Align::Right),
        ("FINGERPRINT", Align::Left),
        ("ERROR", Align::Left),
    ]);
    for group in &errors.errors {
        table.row(vec![
            number::grouped(group.count.into()),
            group.fingerprint.clone(),
            text::clean(&group.sample, 100),
        ]);
    }
    table.render()
}
