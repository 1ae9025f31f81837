//! `flotilla skipped`: the rows of an upload that were left out.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;

use super::download::Form;
use crate::client::ServerArgs;
use crate::exit::Exit;
use crate::output::file::NewFile;

/// Downloads the items that were left out of a batch, because they were not valid, with the reason.
#[derive(Debug, Args)]
pub(crate) struct Skipped {
    /// The batch's id
    id: String,
    /// Where they go: a file, which is whole or absent, or `-` for stdout
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    out: PathBuf,
    /// In which form
    #[arg(long, default_value = "ndjson")]
    format: Form,
    #[command(flatten)]
    server: ServerArgs,
}

impl Skipped {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<Exit> {
        let client = self.server.client()?;
        let format = self.format.as_str();
        if self.out == Path::new("-") {
            let mut stdout = BufWriter::new(std::io::stdout());
            client.skipped(&self.id, format, &mut stdout).await?;
            stdout.flush()?;
        } else {
            let mut file = NewFile::create(&self.out)?;
            client.skipped(&self.id, format, &mut file).await?;
            file.finish()?;
        }
        Ok(Exit::Fine)
    }
}
