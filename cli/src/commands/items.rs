//! `flotilla items`: the items of a batch.

use std::io::{BufWriter, Write};

use anyhow::Result;
use clap::Args;
use flotilla_core::item::ItemState;

use crate::client::view::{ItemPage, ItemView};
use crate::client::{Client, ServerArgs};
use crate::exit::Exit;
use crate::output::table::{Align, Table};
use crate::output::{self, Form, Output, duration, text};

/// Lists the items of a batch, in the order of its input.
#[derive(Debug, Args)]
pub(crate) struct Items {
    /// The batch's id
    id: String,
    /// Only items in this state: pending, queued (on its way or running), retrying, waiting, succeeded, failed or
    /// cancelled
    #[arg(long)]
    state: Option<ItemState>,
    /// Only the item with this custom_id
    #[arg(long, value_name = "NAME", conflicts_with = "all")]
    custom_id: Option<String>,
    /// How many, 1 to 1000
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Where the last page ended
    #[arg(long)]
    cursor: Option<String>,
    /// All of them; as JSON, one item per line
    #[arg(long, conflicts_with_all = ["limit", "cursor"])]
    all: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    server: ServerArgs,
}

impl Items {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<Exit> {
        let client = self.server.client()?;
        let (state, form) = (self.state.map(ItemState::as_str), self.output.form());
        if self.all {
            print_all(&client, &self.id, state, form).await?;
            return Ok(Exit::Fine);
        }
        let reply = client
            .items(
                &self.id,
                state,
                self.custom_id.as_deref(),
                self.cursor.as_deref(),
                self.limit,
            )
            .await?;
        match form {
            Form::Json => output::print(&reply.text)?,
            Form::Table => {
                let page: ItemPage = reply.to()?;
                let more = page.next_cursor.iter();
                let more = more.map(|cursor| format!("more: --cursor {cursor}, or --all\n"));
                output::print(&(table(&page.items)? + &more.collect::<String>()))?;
            }
        }
        Ok(Exit::Fine)
    }
}

/// A table has a page's width at a time: its columns may shift from page to page, but its memory is bounded.
async fn print_all(client: &Client, id: &str, state: Option<&str>, form: Form) -> Result<()> {
    let mut stdout = BufWriter::new(std::io::stdout());
    client
        .all_items(id, state, |items| {
            if form == Form::Table {
                stdout.write_all(table(&items)?.as_bytes())?;
                return Ok(());
            }
            for item in items {
                writeln!(stdout, "{}", item.get())?;
            }
            Ok(())
        })
        .await?;
    stdout.flush()?;
    Ok(())
}

fn table(items: &[Box<serde_json::value::RawValue>]) -> Result<String> {
    let mut table = Table::new(&[
        ("INDEX", Align::Right),
        ("STATE", Align::Left),
        ("TRIES", Align::Right),
        ("TIME", Align::Right),
        ("CUSTOM ID", Align::Left),
        ("OUTPUT OR ERROR", Align::Left),
    ]);
    for item in items {
        let item: ItemView = serde_json::from_str(item.get())?;
        let outcome = item.error.as_ref().or(item.output.as_ref());
        table.row(vec![
            item.index.to_string(),
            item.state.to_string(),
            item.attempts.to_string(),
            item.duration_ms.map(duration::millis).unwrap_or_default(),
            text::clean(item.custom_id.as_deref().unwrap_or_default(), 30),
            outcome
                .map(|value| text::clean(value.get(), 70))
                .unwrap_or_default(),
        ]);
    }
    Ok(table.render())
}
