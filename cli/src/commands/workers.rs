//! `flotilla workers`: the fleet, and telling one of it to drain or to work again.

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::client::ServerArgs;
use crate::client::view::{WorkerView, WorkersView};
use crate::exit::Exit;
use crate::output::table::{Align, Table};
use crate::output::{self, Form, Output, number, text};

/// Lists the workers that were heard of a moment ago, or tells one to drain.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Workers {
    #[command(subcommand)]
    order: Option<Order>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Subcommand)]
enum Order {
    /// Finish what runs, and take nothing new until told to work again
    Drain(Whom),
    /// Take items again
    Resume(Whom),
}

/// Which worker.
#[derive(Debug, Args)]
struct Whom {
    /// The worker's id, as it is listed
    id: String,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    server: ServerArgs,
}

impl Workers {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<Exit> {
        match self.order {
            Some(Order::Drain(whom)) => return whom.tell("drain", "drains, and takes nothing new").await,
            Some(Order::Resume(whom)) => return whom.tell("resume", "takes items again").await,
            None => {}
        }
        let reply = self.server.client()?.get(&["v1", "workers"], &[]).await?;
        match self.output.form() {
            Form::Json => output::print(&reply.text)?,
            Form::Table => output::print(&table(&reply.to()?))?,
        }
        Ok(Exit::Fine)
    }
}

impl Whom {
    async fn tell(self, order: &str, effect: &str) -> Result<Exit> {
        let reply = self.server.client()?.tell(&self.id, order).await?;
        match self.output.form() {
            Form::Json => output::print(&reply.text)?,
            Form::Table => output::print(&format!("{}: {effect}\n", text::clean(&self.id, 60)))?,
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
        state(worker).to_owned(),
        text::second(&worker.started_at),
        text::clean(&worker.version, 20),
    ]
}

fn state(worker: &WorkerView) -> &'static str {
    match (worker.draining, worker.held) {
        (false, _) => "working",
        (true, 0) if worker.told_to_drain => "drained",
        (true, _) => "draining",
    }
}
