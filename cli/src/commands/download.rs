//! `flotilla download`: the items of a batch as a file.

use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, ValueEnum};
use flotilla_core::item::ItemState;

use crate::client::ServerArgs;
use crate::exit::Exit;
use crate::output::file::NewFile;

/// Downloads the items of a batch with what became of them, in the order of its input.
#[derive(Debug, Args)]
pub(crate) struct Download {
    /// The batch's id
    id: String,
    /// Where they go: a file, which is whole or absent, or `-` for stdout
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    out: PathBuf,
    /// In which form
    #[arg(long, default_value = "ndjson")]
    format: Form,
    /// The archive that was written before its items were removed: NDJSON, packed with gzip
    #[arg(long, conflicts_with_all = ["format", "state"])]
    archive: bool,
    /// Only items in this state: pending, queued (on its way or running), retrying, waiting, succeeded, failed or
    /// cancelled
    #[arg(long)]
    state: Option<ItemState>,
    #[command(flatten)]
    server: ServerArgs,
}

/// The form of a file.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Form {
    /// An item as JSON per line
    Ndjson,
    /// A table
    Csv,
    /// An archive with both of them, what failed apart, and all files
    Zip,
}

impl Form {
    /// As the API calls it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
            Self::Zip => "zip",
        }
    }
}

impl Download {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<Exit> {
        if self.out == Path::new("-") {
            anyhow::ensure!(
                !matches!(self.format, Form::Zip) || !std::io::stdout().is_terminal(),
                "an archive is nothing to look at: say with --out where it goes"
            );
            let mut stdout = BufWriter::new(std::io::stdout());
            self.write(&mut stdout).await?;
            stdout.flush()?;
        } else {
            let mut file = NewFile::create(&self.out)?;
            self.write(&mut file).await?;
            file.finish()?;
        }
        Ok(Exit::Fine)
    }

    async fn write(&self, out: &mut impl Write) -> Result<()> {
        let client = self.server.client()?;
        if self.archive {
            return client.archive(&self.id, out).await;
        }
        let format = self.format.as_str();
        let state = self.state.map(ItemState::as_str);
        client.download(&self.id, format, state, out).await
    }
}
