//! `flotilla get`: one batch.

use anyhow::Result;
use clap::Args;

use crate::client::ServerArgs;
use crate::client::view::BatchView;
use crate::exit::Exit;
use crate::output::{self, Form, Output, duration, number, progress, text};

/// Shows where a batch stands.
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// The batch's id
    id: String,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    server: ServerArgs,
}

impl Get {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<Exit> {
        let reply = self.server.client()?.batch(&self.id).await?;
        match self.output.form() {
            Form::Json => output::print(&reply.text)?,
            Form::Table => output::print(&describe(&reply.to()?))?,
        }
        Ok(Exit::Fine)
    }
}

fn describe(batch: &BatchView) -> String {
    let counts = &batch.counts;
    let states = [
        ("pending", counts.pending),
        ("queued", counts.queued),
        ("processing", counts.processing),
        ("retrying", counts.retrying),
        ("waiting", counts.waiting),
        ("succeeded", counts.succeeded),
        ("failed", counts.failed),
        ("cancelled", counts.cancelled),
    ];
    let items: Vec<String> = states
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(state, count)| format!("{} {state}", number::grouped((*count).into())))
        .collect();
    let mut rows = vec![
        ("id", batch.id.clone()),
        ("space", batch.space.clone()),
        ("job type", batch.job_type.clone()),
        ("state", batch.state.to_string()),
        ("progress", progress::line(batch)),
        ("items", items.join(", ")),
        ("created", batch.created_at.clone()),
    ];
    if let Some(name) = &batch.name {
        rows.insert(1, ("name", text::clean(name, 200)));
    }
    if let Some(paused) = &batch.paused {
        rows.push(("paused", format!("{}, {}", progress::why(paused), paused.at)));
    }
    if batch.awaits_approval {
        rows.push((
            "canary",
            "the first items run; the others wait for `flotilla resume`".to_owned(),
        ));
    }
    rows.extend(limits(batch));
    rows.extend(batch.started_at.clone().map(|at| ("started", at)));
    rows.extend(batch.completed_at.clone().map(|at| ("ended", at)));
    let follow_up = batch.on_complete.as_ref();
    rows.extend(follow_up.map(|then| ("then", format!("{}, on {}", then.job_type, then.on))));
    rows.extend(expiry(batch));
    // Nothing moves while it is paused, so what was guessed before says nothing.
    let eta = batch.eta.filter(|_| batch.paused.is_none());
    rows.extend(eta.map(|eta| ("done in", duration::seconds(eta.high_s))));
    rows.extend(
        batch
            .error
            .as_deref()
            .map(|error| ("error", text::clean(error, 500))),
    );
    rows.iter()
        .map(|(name, value)| format!("{name:<10}{value}\n"))
        .collect()
}

/// What is removed of it, and when.
fn expiry(batch: &BatchView) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    let parts = batch.part_expires_at.iter();
    let parts: Vec<String> = parts
        .filter(|(part, _)| !batch.expired.contains(part))
        .filter_map(|(part, at)| Some(format!("{} {}", part.replace('_', " "), at.as_ref()?)))
        .collect();
    if !batch.expired.is_empty() {
        let archive = if batch.archived { "; archived" } else { "" };
        rows.push(("removed", format!("{}{archive}", batch.expired.join(", "))));
    }
    if !parts.is_empty() {
        rows.push(("to go", parts.join(", ")));
    }
    rows.extend(batch.expires_at.clone().map(|at| ("expires", at)));
    rows
}

/// What was said of how it runs.
fn limits(batch: &BatchView) -> Vec<(&'static str, String)> {
    let mut limits = Vec::new();
    if let Some(concurrency) = batch.concurrency {
        limits.push(format!("{} in flight", number::grouped(concurrency.into())));
    }
    if let Some(rate) = batch.rate_limit_per_s {
        limits.push(number::rate(rate));
    }
    if let Some(attempts) = batch.max_attempts.filter(|attempts| *attempts > 1) {
        limits.push(format!("{attempts} attempts"));
    }
    let mut rows = Vec::new();
    if !limits.is_empty() {
        rows.push(("at most", limits.join(", ")));
    }
    if batch.priority != 0 {
        rows.push(("priority", batch.priority.to_string()));
    }
    if let Some(start) = batch.start.clone().filter(|start| start != "auto") {
        rows.push(("starts", start));
    }
    rows.extend(batch.deadline.clone().map(|deadline| ("deadline", deadline)));
    if let Some(revision) = batch.revision.filter(|revision| *revision > 1) {
        rows.push(("results", revision.to_string()));
    }
    rows
}
