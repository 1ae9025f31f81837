//! The conversation of a run with its own API: submit or find the batch, follow it, fetch the results.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use flotilla_core::Counts;
use serde_json::json;

use super::results::Out;
use crate::client::problem::Problem;
use crate::client::upload::{Content, Format, Options, Sent};
use crate::client::view::{BatchView, ResultView};
use crate::client::{Client, Reply};
use crate::commands::follow;
use crate::exit::Exit;
use crate::output::meter::{self, Meter};
use crate::output::{self, duration, number, summary};

/// Its own server can be asked often.
const LIVELY: Duration = Duration::from_millis(50);

/// What a run does with its API.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) file: PathBuf,
    pub(super) format: Format,
    pub(super) options: Options,
    pub(super) out: Out,
    pub(super) quiet: bool,
    pub(super) json: bool,
}

/// A run that is complete.
pub(super) struct Complete {
    resumed: bool,
    result: Reply,
    out: Out,
}

impl Session {
    /// Runs until the results are written.
    pub(super) async fn work(&self, meter: &mut Meter) -> Result<Complete> {
        let (batch, resumed) = match self.client.newest_batch().await? {
            Some(batch) => (batch, true),
            None => (self.submit().await?, false),
        };
        if resumed {
            let counts = &batch.counts;
            meter.say(&format!(
                "resuming: {} of {} done",
                number::grouped(counts.settled().into()),
                number::grouped(counts.total.into())
            ));
        }
        follow::until_final(&self.client, &batch.id, LIVELY, meter).await?;
        let result = self.client.result(&batch.id, None).await?;
        self.out.write(&self.client, &batch.id).await?;
        Ok(Complete {
            resumed,
            result,
            out: self.out.clone(),
        })
    }

    async fn submit(&self) -> Result<BatchView> {
        let place = || format!("can't read {}", self.file.display());
        let body = tokio::fs::File::open(&self.file).await.with_context(place)?;
        let sent = Sent::default();
        let content = Content::of(self.format);
        let submitted = self.client.submit(body, &content, &self.options, &sent).await;
        submitted.map_err(|error| self.explain(&error))?.to()
    }

    /// What is wrong with the file, and what its reader may have meant.
    fn explain(&self, error: &anyhow::Error) -> anyhow::Error {
        let is_json = error
            .downcast_ref::<Problem>()
            .is_some_and(|problem| problem.slug == "invalid-json");
        let hint = match self.format {
            Format::Ndjson if is_json => "\n  For lines of plain text say --format text.",
            Format::Json if is_json => {
                "\n  The file must be one array of items; for a JSON value per line say --format ndjson."
            }
            _ => "",
        };
        anyhow::anyhow!("{}: {error:#}{hint}", self.file.display())
    }

    /// Says how it went.
    pub(super) fn report(&self, complete: &Complete) -> Result<Exit> {
        let result: ResultView = complete.result.to()?;
        let counts = &result.result_summary;
        if self.json {
            let raw: serde_json::Value = complete.result.to()?;
            let document = json!({
                "file": self.file, "out": complete.out.to_string(), "resumed": complete.resumed, "result": raw,
            });
            output::print(&document.to_string())?;
        } else if !self.quiet {
            meter::line(summary::describe(&result).trim_end());
            if let Out::File(path) = &complete.out {
                meter::line(&format!("results: {}", path.display()));
            }
        }
        Ok(Exit::of(counts.succeeded == counts.total))
    }
}

/// Says where a run was stopped.
pub(super) fn stopped(counts: Option<Counts>, after: Duration) -> String {
    let Some(counts) = counts else {
        return "stopped before the file was read; the same command starts anew".to_owned();
    };
    format!(
        "stopped after {}: {} of {} done; the same command goes on from here",
        duration::human(after),
        number::grouped(counts.settled().into()),
        number::grouped(counts.total.into())
    )
}
