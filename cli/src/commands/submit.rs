//! `flotilla submit`: sends a file to a server as a batch.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;
use tokio::io::AsyncRead;

use super::values::{self, Threshold};
use super::watch;
use crate::client::upload::{Format, Options, Sent};
use crate::client::view::BatchView;
use crate::client::{Client, Reply, ServerArgs};
use crate::exit::Exit;
use crate::output::meter::{self, Meter};
use crate::output::{self, Output, number};

/// How often the progress of the upload is shown.
const TICK: Duration = Duration::from_millis(200);

const EXAMPLES: &str = "\
Examples:
  flotilla submit images.ndjson --job-type thumbnail --watch
  flotilla submit customers.csv --job-type enrich --name 'April run' --concurrency 20 --max-attempts 5
  flotilla submit risky.ndjson --job-type enrich --canary 50 --failure-threshold 5%
  flotilla submit tonight.ndjson --job-type enrich --start 8h --deadline 16h
  producer | flotilla submit - --job-type noop --idempotency-key \"$BUILD_ID\"

Prints the batch's id. Sent again with the same --idempotency-key, it is the same batch.";

/// Sends a file to a server as a batch. It is streamed: its size does not matter.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Submit {
    /// The items: NDJSON, CSV with a header row, a JSON array, or lines of text; `-` is stdin
    file: PathBuf,
    /// What handles the items: a job type of the server's configuration
    #[arg(long, value_name = "NAME")]
    job_type: String,
    /// Follow the batch until it ends; exit code 1 if items failed
    #[arg(long)]
    watch: bool,
    /// A name for people
    #[arg(long)]
    name: Option<String>,
    /// The same key is the same batch: makes a repeated submission harmless
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// What the file consists of [default: by its name, else ndjson]
    #[arg(long, value_enum)]
    format: Option<Format>,
    #[command(flatten)]
    limits: Limits,
    #[command(flatten)]
    rails: Rails,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    server: ServerArgs,
}

/// When and how fast it runs.
#[derive(Debug, Args)]
#[command(next_help_heading = "When and how fast")]
struct Limits {
    /// When items may run: auto (at once), manual (see `flotilla start`), open (takes more items until `flotilla seal`),
    /// a time like 2026-12-31T22:00:00Z, or a time from now like 2h [default: auto]
    #[arg(long, value_name = "WHEN", value_parser = Start::parse)]
    start: Option<Start>,
    /// -100 to 100; of two batches of a space the one with the higher priority goes first
    #[arg(long, allow_negative_numbers = true, value_parser = clap::value_parser!(i16).range(-100..=100))]
    priority: Option<i16>,
    /// The most items in flight at once, over the whole fleet
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    concurrency: Option<u32>,
    /// The most items per second, over the whole fleet
    #[arg(long, value_name = "PER_SECOND", value_parser = values::rate)]
    rate: Option<f64>,
    /// How long an attempt may take: 250ms, 30s, 5m [default: as its job type says]
    #[arg(long, value_name = "DURATION")]
    timeout: Option<String>,
    /// How often an item is attempted before it fails [default: as its job type says]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    max_attempts: Option<u16>,
}

/// When to stop.
#[derive(Debug, Args)]
#[command(next_help_heading = "When to stop")]
struct Rails {
    /// When the batch fails and the rest of it is cancelled: a time like 2026-12-31T22:00:00Z, or a time from now like 2h
    #[arg(long, value_name = "WHEN", value_parser = values::time)]
    deadline: Option<String>,
    /// Pause when more items than this failed: a share of those that ended (5%), or a number (50)
    #[arg(long, value_name = "SHARE", value_parser = values::threshold)]
    failure_threshold: Option<Threshold>,
    /// Fail the batch then, instead of pausing it
    #[arg(long, requires = "failure_threshold")]
    fail_fast: bool,
    /// Run so many items first, then pause until somebody has looked and says `flotilla resume`
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    canary: Option<u32>,
    /// How long what it leaves stays after its end, as JSON: {"inputs": "30d", "results": "90d", "archive": true}
    #[arg(long, value_name = "JSON", value_parser = values::object)]
    retention: Option<serde_json::Value>,
}

/// `--start`.
#[derive(Debug, Clone)]
enum Start {
    Auto,
    Manual,
    Open,
    At(String),
}

impl Start {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "manual" => Ok(Self::Manual),
            "open" => Ok(Self::Open),
            _ => values::time(text).map(Self::At).map_err(|_| {
                "expected auto, manual, open, a time like 2026-12-31T22:00:00Z, or 2h".to_owned()
            }),
        }
    }

    fn into_text(self) -> String {
        match self {
            Self::Auto => "auto".to_owned(),
            Self::Manual => "manual".to_owned(),
            Self::Open => "open".to_owned(),
            Self::At(time) => time,
        }
    }
}

impl Submit {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<Exit> {
        let client = self.server.client()?;
        let reply = self.upload(&client).await?;
        let batch: BatchView = reply.to()?;
        if reply.replayed {
            meter::line("this idempotency key was used before: nothing new was created");
        }
        if self.watch {
            meter::line(&format!("batch {}", batch.id));
            return watch::watch(&client, &batch.id, self.output).await;
        }
        if self.output.is_json() {
            output::print(&reply.text)?;
        } else {
            output::print(&batch.id)?;
        }
        Ok(Exit::Fine)
    }

    async fn upload(&self, client: &Client) -> Result<Reply> {
        let (body, length) = open(&self.file).await?;
        let format = self.format.unwrap_or_else(|| Format::of_name(&self.file));
        let options = self.options();
        let sent = Sent::default();
        let submitted = client.submit(body, format, &options, &sent);
        shown(submitted, &sent, length).await
    }

    fn options(&self) -> Options {
        let (limits, rails) = (&self.limits, &self.rails);
        let threshold = rails.failure_threshold.map(|threshold| {
            let mut threshold = threshold.to_json();
            threshold["action"] = json!(if rails.fail_fast { "fail" } else { "pause" });
            threshold
        });
        let options = Options {
            idempotency_key: self.idempotency_key.clone(),
            ..Options::of(&self.job_type)
        };
        options
            .set("name", self.name.clone())
            .set("start", limits.start.clone().map(Start::into_text))
            .set("priority", limits.priority)
            .set("concurrency", limits.concurrency)
            .set("rate_per_s", limits.rate)
            .set("timeout", limits.timeout.clone())
            .set("max_attempts", limits.max_attempts)
            .set("deadline", rails.deadline.clone())
            .set("failure_threshold", threshold)
            .set("canary", rails.canary)
            .set("retention", rails.retention.clone())
    }
}

/// Waits for an upload, and shows how much of it has left.
pub(super) async fn shown(
    upload: impl Future<Output = Result<Reply>>,
    sent: &Sent,
    length: u64,
) -> Result<Reply> {
    let mut meter = Meter::new(false);
    let reply = tokio::select! {
        reply = upload => reply,
        never = show(sent, length, &mut meter) => match never {},
    };
    meter.clear();
    reply
}

pub(super) type Body = Pin<Box<dyn AsyncRead + Send>>;

/// The file, and its length where it has one.
pub(super) async fn open(path: &Path) -> Result<(Body, u64)> {
    if path == Path::new("-") {
        return Ok((Box::pin(tokio::io::stdin()), 0));
    }
    let file = tokio::fs::File::open(path)
        .await
        .with_context(|| format!("can't read {}", path.display()))?;
    let about = file
        .metadata()
        .await
        .with_context(|| format!("can't read {}", path.display()))?;
    anyhow::ensure!(!about.is_dir(), "{} is a folder", path.display());
    Ok((Box::pin(file), about.len()))
}

async fn show(sent: &Sent, length: u64, meter: &mut Meter) -> std::convert::Infallible {
    loop {
        tokio::time::sleep(TICK).await;
        let bytes = sent.bytes();
        let text = match length {
            0 => format!("{} sent", number::bytes(bytes)),
            _ => format!("{} of {} sent", number::bytes(bytes), number::bytes(length)),
        };
        meter.show(bytes, length.max(bytes), text);
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        submit: Submit,
    }

    fn fields(flags: &[&str]) -> serde_json::Value {
        let words = ["submit", "f.csv", "--job-type", "echo"];
        let line = Line::parse_from(words.iter().chain(flags));
        line.submit.options().fields.into()
    }

    #[test]
    fn what_is_not_said_is_not_sent() {
        assert_eq!(fields(&[]), json!({"job_type": "echo"}));
    }

    #[test]
    fn flags_become_fields() {
        let flags = "--start manual --concurrency 5 --rate 2.5 --max-attempts 3 --timeout 90s --canary 10 \
            --failure-threshold 5% --fail-fast --retention {\"inputs\":\"30d\"} --priority -3 --deadline 2030-01-01T00:00:00Z";
        let words: Vec<&str> = flags.split_whitespace().collect();
        assert_eq!(
            fields(&words),
            json!({
                "job_type": "echo", "start": "manual", "concurrency": 5, "rate_per_s": 2.5, "max_attempts": 3,
                "timeout": "90s", "canary": 10, "retention": {"inputs": "30d"}, "priority": -3, "deadline": "2030-01-01T00:00:00Z",
                "failure_threshold": {"percent": 5.0, "action": "fail"},
            })
        );
        assert_eq!(
            fields(&["--failure-threshold", "50"])["failure_threshold"],
            json!({"count": 50, "action": "pause"})
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused_here() {
        for flags in [
            ["--start", "tomorrow"],
            ["--rate", "0"],
            ["--failure-threshold", "101%"],
            ["--deadline", "soon"],
            ["--max-attempts", "0"],
            ["--retention", "30d"],
        ] {
            let words = ["submit", "f", "--job-type", "echo"];
            assert!(
                Line::try_parse_from(words.iter().chain(&flags)).is_err(),
                "{flags:?}"
            );
        }
    }
}
