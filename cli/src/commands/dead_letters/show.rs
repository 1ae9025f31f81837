//! `flotilla dead-letters show`: one of them, with everything that is known about it.

use anyhow::Result;
use clap::Args;

use crate::client::ServerArgs;
use crate::client::view::DeadLetterView;
use crate::exit::Exit;
use crate::output::{self, Form, Output, text};

/// Inputs are cut here; `--output json` has all of it.
const LONGEST_INPUT: usize = 2_000;

/// Shows a dead letter: its input, its error, who ran it last and when.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// The batch's id
    batch: String,
    /// The item
    index: u32,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    server: ServerArgs,
}

impl Show {
    pub(super) async fn run(self) -> Result<Exit> {
        let reply = self.server.client()?.dead_letter(&self.batch, self.index).await?;
        match self.output.form() {
            Form::Json => output::print(&reply.text)?,
            Form::Table => output::print(&describe(&reply.to()?))?,
        }
        Ok(Exit::Fine)
    }
}

fn describe(letter: &DeadLetterView) -> String {
    let mut rows = vec![
        ("batch", letter.batch_id.clone()),
        ("index", letter.index.to_string()),
        ("job type", letter.job_type.clone()),
        ("attempts", letter.attempts.to_string()),
        ("died", letter.dead_at.clone()),
        (
            "error",
            format!(
                "{}: {}",
                letter.error.kind,
                text::clean(&letter.error.message, 2_000)
            ),
        ),
        ("group", letter.fingerprint.clone()),
    ];
    if let Some(custom_id) = &letter.custom_id {
        rows.insert(2, ("custom id", text::clean(custom_id, 512)));
    }
    rows.extend(
        letter
            .worker
            .as_deref()
            .map(|worker| ("worker", text::clean(worker, 100))),
    );
    if let Some(input) = &letter.input {
        rows.push(("input", text::clean(input.get(), LONGEST_INPUT)));
    }
    for tried in &letter.history {
        let attempt = format!(
            "{}, {}: {}",
            tried.attempt,
            text::second(&tried.started_at),
            text::clean(&tried.error.message, 200)
        );
        rows.push(("attempt", attempt));
    }
    rows.iter()
        .map(|(name, value)| format!("{name:<11}{value}\n"))
        .collect()
}
