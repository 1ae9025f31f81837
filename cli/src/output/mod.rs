//! What people and programs read: tables, JSON, progress.

pub(crate) mod duration;
pub(crate) mod eta;
pub(crate) mod file;
pub(crate) mod item_errors;
pub(crate) mod meter;
pub(crate) mod number;
pub(crate) mod paint;
pub(crate) mod progress;
pub(crate) mod speed;
pub(crate) mod summary;
pub(crate) mod table;
pub(crate) mod text;

use std::io::{IsTerminal, Write};

use clap::{Args, ValueEnum};

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// For people.
    Table,
    /// For programs: what the API answered.
    Json,
}

/// `--output`.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Output {
    /// Print for people, or the API's JSON [default: table on a terminal, json in a pipe; submit, watch: table]
    #[arg(long, value_enum, value_name = "FORM", help_heading = "Output")]
    output: Option<Form>,
}

impl Output {
    /// What was asked for; by default a table on a terminal and JSON in a pipe.
    pub(crate) fn form(self) -> Form {
        self.output.unwrap_or(if std::io::stdout().is_terminal() {
            Form::Table
        } else {
            Form::Json
        })
    }

    /// True where JSON was asked for explicitly.
    pub(crate) fn is_json(self) -> bool {
        self.output == Some(Form::Json)
    }
}

/// Writes to stdout.
pub(crate) fn print(text: &str) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        stdout.write_all(b"\n")?;
    }
    stdout.flush()
}
