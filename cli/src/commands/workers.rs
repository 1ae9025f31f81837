//! `flotilla workers`: the fleet.

use anyhow::Result;
use clap::Args;

use crate::client::ServerArgs;
use crate::client::view::{WorkerView, WorkersView};
use crate::exit::Exit;
use crate::output::table::{Align, Table};
use crate::output::{self, Form, Output, number, text};

/// Lists the workers that were heard of a moment ago, and what they do.
#[derive(Debug, Args)]
pub(crate) struct Workers {
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    server: ServerArgs,
}

impl Workers {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<Exit> {
        let reply = self.server.client()?.get(&["v1", "workers"], &[]).await?;
        match self.output.form() {
            Form::Json => output::print(&reply.text)?,
            Form::Table => output::print(&table(&reply.to()?))?,
        }
        Ok(Exit::Fine)
    }
}

fn table(workers: &WorkersView) -> String {
    if workers.workers.is_empty() {
        return "no workers: nothing runs until one is started (flotilla worker)\n".to_owned();
    }
    let mut table = Table::new(&[
        ("ID", Align::Left),
        ("POOLS", Align::Left),
        ("RUNS", Align::Right),
        ("OF", Align::Right),
        ("HELD", Align::Right),
        ("STATE", Align::Left),
        ("SINCE", Align::Left),
        ("VERSION", Align::Left),
    ]);
    workers.workers.iter().for_each(|worker| table.row(row(worker)));
    table.render()
}

fn row(worker: &WorkerView) -> Vec<String> {
    vec![
        text::clean(&worker.id, 60),
        text::clean(&worker.pools.join(","), 40),
        number::grouped(worker.running.into()),
        number::grouped(worker.concurrency.into()),
        number::grouped(worker.held.into()),
        if worker.draining { "draining" } else { "working" }.to_owned(),
        text::second(&worker.started_at),
        text::clean(&worker.version, 20),
    ]
}
