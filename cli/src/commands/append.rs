//! `flotilla append`: more items for a batch that is open.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::submit;
use crate::client::ServerArgs;
use crate::client::upload::{Format, Sent};
use crate::client::view::Appended;
use crate::exit::Exit;
use crate::output::{self, Output, number};

/// Appends items to a batch that was submitted with --start open: all of the file, or nothing of it.
#[derive(Debug, Args)]
pub(crate) struct Append {
    /// The batch's id
    id: String,
    /// The items: NDJSON, CSV with a header row, a JSON array, or lines of text; `-` is stdin
    file: PathBuf,
    /// What the file consists of [default: by its name, else ndjson]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// How many items the batch has: refused where it has more by now, so that a repeated append is harmless
    #[arg(long, value_name = "COUNT")]
    first: Option<u32>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    server: ServerArgs,
}

impl Append {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<Exit> {
        let client = self.server.client()?;
        let (body, length) = submit::open(&self.file).await?;
        let format = self.format.unwrap_or_else(|| Format::of_name(&self.file));
        let sent = Sent::default();
        let appended = client.append(&self.id, body, format, self.first, &sent);
        let reply = submit::shown(appended, &sent, length).await?;
        if self.output.is_json() {
            output::print(&reply.text)?;
        } else {
            let appended: Appended = reply.to()?;
            output::print(&format!(
                "{} appended; the batch has {}",
                number::items(appended.appended.into()),
                number::grouped(appended.total.into())
            ))?;
        }
        Ok(Exit::Fine)
    }
}
