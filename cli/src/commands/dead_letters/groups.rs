//! `flotilla dead-letters groups`: by error.

use anyhow::Result;
use clap::Args;

use super::Filter;
use crate::client::ServerArgs;
use crate::client::view::{DeadGroupView, DeadGroups};
use crate::exit::Exit;
use crate::output::table::{Align, Table};
use crate::output::{self, Form, Output, number, text};

/// Lists dead letters by error, the most frequent first.
#[derive(Debug, Args)]
pub(super) struct Groups {
    #[command(flatten)]
    filter: Filter,
    /// How many, 1 to 1000
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    server: ServerArgs,
}

impl Groups {
    pub(super) async fn run(self) -> Result<Exit> {
        let client = self.server.client()?;
        let reply = client.dead_groups(&self.filter.which(), self.limit).await?;
        match self.output.form() {
            Form::Json => output::print(&reply.text)?,
            Form::Table => output::print(&table(&reply.to()?))?,
        }
        Ok(Exit::Fine)
    }
}

fn table(groups: &DeadGroups) -> String {
    if groups.groups.is_empty() {
        return "no dead letters\n".to_owned();
    }
    let mut table = Table::new(&[
        ("ITEMS", Align::Right),
        ("BATCHES", Align::Right),
        ("FIRST", Align::Left),
        ("LAST", Align::Left),
        ("FINGERPRINT", Align::Left),
        ("ERROR", Align::Left),
    ]);
    groups.groups.iter().for_each(|group| table.row(row(group)));
    table.render()
}

fn row(group: &DeadGroupView) -> Vec<String> {
    vec![
        number::grouped(group.count),
        number::grouped(group.batches),
        text::second(&group.first_at),
        text::second(&group.last_at),
        group.fingerprint.clone(),
        text::clean(&group.sample, 80),
    ]
}
