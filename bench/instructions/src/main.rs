//! How many instructions Flotilla takes for an item, path by path, compared with what it took when somebody last looked.
//!
//! Instructions, because a clock on a shared machine says little, and nothing about 5 %; these are the same on a machine
//! that is busy. Valgrind counts them. No framework around it: those that exist need a runner on the machine that is
//! installed in the same version as their library, and compiled on every new machine, for what [`valgrind`] does in a
//! page.

mod check;
mod figures;
mod paths;
mod valgrind;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser};

use crate::figures::Figures;
use crate::paths::Path;

/// Counts the instructions of hot paths.
#[derive(Debug, Parser)]
enum Command {
    /// Runs one path a number of times: what is counted.
    Run {
        /// Which one.
        path: String,
        /// How often.
        #[arg(long, value_name = "N")]
        times: u32,
    },
    /// Counts, and says what an item takes.
    Count(Chosen),
    /// Counts, and fails where a path differs from its recorded figure.
    Check {
        #[command(flatten)]
        chosen: Chosen,
        /// Where figures are recorded.
        #[arg(long, value_name = "FILE", default_value = figures::FILE)]
        figures: PathBuf,
        /// Records what was counted instead: the change is meant.
        #[arg(long)]
        record: bool,
    },
}

#[derive(Debug, Args)]
struct Chosen {
    /// Only these paths.
    paths: Vec<String>,
}

impl Chosen {
    fn paths(&self) -> Result<Vec<&'static Path>> {
        if self.paths.is_empty() {
            return Ok(paths::ALL.iter().collect());
        }
        self.paths.iter().map(|name| paths::find(name)).collect()
    }
}

fn main() -> ExitCode {
    match Command::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Command {
    fn run(self) -> Result<()> {
        match self {
            Self::Run { path, times } => {
                let mut turn = (paths::find(&path)?.prepare)();
                (0..times).for_each(|_| turn());
                Ok(())
            }
            Self::Count(chosen) => {
                for (path, count) in valgrind::count(&chosen.paths()?)? {
                    println!("{path:16} {count:>10}");
                }
                Ok(())
            }
            Self::Check {
                chosen,
                figures,
                record,
            } => {
                check::same_build()?;
                let recorded = Figures::read(&figures)?;
                let counts = valgrind::count(&chosen.paths()?)?;
                if record {
                    return recorded.with(counts, chosen.paths.is_empty()).write(&figures);
                }
                check::compare(&recorded, &counts, chosen.paths.is_empty())
            }
        }
    }
}
