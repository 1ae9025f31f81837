//! `flotilla ls`: the newest batches.

use anyhow::Result;
use clap::Args;
use flotilla_core::BatchState;

use crate::client::ServerArgs;
use crate::client::view::{BatchPage, BatchView};
use crate::exit::Exit;
use crate::output::table::{Align, Table};
use crate::output::{self, Form, Output, number, text};

/// Lists batches, newest first.
#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// Only batches in this state: open, pending, processing, paused, cancelling, completed, failed or cancelled
    #[arg(long)]
    state: Option<BatchState>,
    /// Only batches with each of these words in their name, id or job type
    #[arg(long, value_name = "WORDS")]
    search: Option<String>,
    /// How many, 1 to 1000
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Where the last page ended
    #[arg(long)]
    cursor: Option<String>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    server: ServerArgs,
}

impl Ls {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<Exit> {
        let client = self.server.client()?;
        let state = self.state.map(BatchState::as_str);
        let (search, cursor) = (self.search.as_deref(), self.cursor.as_deref());
        let reply = client.batches(state, search, cursor, self.limit).await?;
        match self.output.form() {
            Form::Json => output::print(&reply.text)?,
            Form::Table => output::print(&table(&reply.to()?))?,
        }
        Ok(Exit::Fine)
    }
}

fn table(page: &BatchPage) -> String {
    let more = page
        .next_cursor
        .iter()
        .map(|cursor| format!("more: --cursor {cursor}\n"))
        .collect::<String>();
    if page.batches.is_empty() {
        // Of a search that looked at many, and not yet at all.
        let so_far = if more.is_empty() { "" } else { " so far" };
        return format!("no batches{so_far}\n{more}");
    }
    let mut table = Table::new(&[
        ("ID", Align::Left),
        ("STATE", Align::Left),
        ("DONE", Align::Right),
        ("ITEMS", Align::Right),
        ("FAILED", Align::Right),
        ("RATE", Align::Right),
        ("JOB TYPE", Align::Left),
        ("CREATED", Align::Left),
        ("NAME", Align::Left),
    ]);
    page.batches.iter().for_each(|batch| table.row(row(batch)));
    table.render() + &more
}

fn row(batch: &BatchView) -> Vec<String> {
    vec![
        batch.id.clone(),
        batch.state.to_string(),
        format!("{:.0} %", batch.percent.floor()),
        number::grouped(batch.counts.total.into()),
        number::grouped(batch.counts.failed.into()),
        number::rate(batch.rate_per_s),
        batch.job_type.clone(),
        text::second(&batch.created_at),
        text::clean(batch.name.as_deref().unwrap_or_default(), 40),
    ]
}
