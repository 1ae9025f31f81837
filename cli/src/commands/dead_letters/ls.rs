//! `flotilla dead-letters ls`: one by one.

use anyhow::Result;
use clap::Args;

use super::Filter;
use crate::client::ServerArgs;
use crate::client::view::{DeadLetterView, DeadPage};
use crate::exit::Exit;
use crate::output::table::{Align, Table};
use crate::output::{self, Form, Output, text};

/// Lists dead letters, newest batch first.
#[derive(Debug, Args)]
pub(super) struct Ls {
    #[command(flatten)]
    filter: Filter,
    /// How many, 1 to 1000
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
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
    pub(super) async fn run(self) -> Result<Exit> {
        let client = self.server.client()?;
        let which = self.filter.which();
        let reply = client
            .dead_letters(&which, self.cursor.as_deref(), self.limit)
            .await?;
        match self.output.form() {
            Form::Json => output::print(&reply.text)?,
            Form::Table => output::print(&table(&reply.to()?))?,
        }
        Ok(Exit::Fine)
    }
}

fn table(page: &DeadPage) -> String {
    if page.dead_letters.is_empty() {
        return "no dead letters\n".to_owned();
    }
    let mut table = Table::new(&[
        ("BATCH", Align::Left),
        ("INDEX", Align::Right),
        ("DIED", Align::Left),
        ("TRIES", Align::Right),
        ("CUSTOM ID", Align::Left),
        ("FINGERPRINT", Align::Left),
        ("ERROR", Align::Left),
    ]);
    page.dead_letters.iter().for_each(|letter| table.row(row(letter)));
    let more = page
        .next_cursor
        .iter()
        .map(|cursor| format!("more: --cursor {cursor}\n"));
    table.render() + &more.collect::<String>()
}

fn row(letter: &DeadLetterView) -> Vec<String> {
    vec![
        letter.batch_id.clone(),
        letter.index.to_string(),
        text::second(&letter.dead_at),
        letter.attempts.to_string(),
        text::clean(letter.custom_id.as_deref().unwrap_or_default(), 30),
        letter.fingerprint.clone(),
        text::clean(&letter.error.message, 80),
    ]
}
