//! `flotilla submit`: sends a file to a server as a batch.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use tokio::io::AsyncRead;

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
  flotilla submit customers.csv --job-type enrich --name 'April run' --concurrency 20
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
    /// -100 to 100; of two batches of a space the one with the higher priority goes first
    #[arg(long, allow_negative_numbers = true, value_parser = clap::value_parser!(i16).range(-100..=100))]
    priority: Option<i16>,
    /// The most items in flight at once, over the whole fleet
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    concurrency: Option<u32>,
    /// The same key is the same batch: makes a repeated submission harmless
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// What the file consists of [default: by its name, else ndjson]
    #[arg(long, value_enum)]
    format: Option<Format>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    server: ServerArgs,
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
        let options = Options {
            job_type: self.job_type.clone(),
            name: self.name.clone(),
            priority: self.priority,
            concurrency: self.concurrency,
            idempotency_key: self.idempotency_key.clone(),
        };
        let sent = Sent::default();
        let mut meter = Meter::new(false);
        let reply = tokio::select! {
            reply = client.submit(body, format, &options, &sent) => reply,
            never = show(&sent, length, &mut meter) => match never {},
        };
        meter.clear();
        reply
    }
}

type Body = Pin<Box<dyn AsyncRead + Send>>;

/// The file, and its length where it has one.
async fn open(path: &Path) -> Result<(Body, u64)> {
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
