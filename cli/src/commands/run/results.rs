//! The results of a run, in the order of its input.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::client::Client;
use crate::client::view::ItemView;
use crate::output::file::NewFile;

/// Where results go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Out {
    /// For the next program.
    Stdout,
    /// For later.
    File(PathBuf),
}

impl Out {
    /// What was asked for; by default a file beside the input, and stdout where that came over stdin.
    pub(super) fn of(asked: Option<&Path>, input: &Path) -> Self {
        let dash = Path::new("-");
        match asked {
            Some(path) if path == dash => Self::Stdout,
            Some(path) => Self::File(path.to_owned()),
            None if input == dash => Self::Stdout,
            None => {
                let mut name = input.as_os_str().to_owned();
                name.push(".results.ndjson");
                Self::File(name.into())
            }
        }
    }

    /// Finds out before the work, not after it, that results can't be written.
    pub(super) fn check(&self) -> Result<()> {
        match self {
            Self::Stdout => Ok(()),
            Self::File(path) => NewFile::create(path).map(drop),
        }
    }

    /// Writes every item of a batch.
    pub(super) async fn write(&self, client: &Client, batch: &str) -> Result<()> {
        match self {
            Self::Stdout => {
                let mut stdout = BufWriter::new(std::io::stdout());
                copy(client, batch, &mut stdout).await
            }
            Self::File(path) => {
                let mut file = NewFile::create(path)?;
                copy(client, batch, &mut file).await?;
                file.finish()
            }
        }
    }
}

impl std::fmt::Display for Out {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stdout => f.write_str("stdout"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

async fn copy(client: &Client, batch: &str, to: &mut (impl Write + ?Sized)) -> Result<()> {
    client
        .all_items(batch, None, |items| {
            for item in &items {
                write_line(item, to)?;
            }
            Ok(())
        })
        .await?;
    to.flush()?;
    Ok(())
}

/// One line of the results.
#[derive(Debug, Serialize)]
struct Line<'a> {
    index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_id: Option<&'a str>,
    state: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a RawValue>,
    duration_ms: Option<f64>,
    attempts: u16,
}

fn write_line(item: &RawValue, to: &mut (impl Write + ?Sized)) -> Result<()> {
    let item: ItemView = serde_json::from_str(item.get()).context("an item of the batch")?;
    let line = Line {
        index: item.index,
        custom_id: item.custom_id.as_deref(),
        state: item.state.as_str(),
        output: item.output.as_deref(),
        error: item.error.as_deref(),
        duration_ms: item.duration_ms,
        attempts: item.attempts,
    };
    serde_json::to_writer(&mut *to, &line).map_err(std::io::Error::from)?;
    to.write_all(b"\n")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_keeps_what_the_handler_wrote() {
        let item = r#"{"index":7,"custom_id":null,"state":"succeeded","attempts":1,"input":{"a":1},
            "output":{"b": 1.50, "b": 2},"error":null,"duration_ms":3.5}"#;
        let mut out = Vec::new();
        write_line(&RawValue::from_string(item.to_owned()).unwrap(), &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "{\"index\":7,\"state\":\"succeeded\",\"output\":{\"b\": 1.50, \"b\": 2},\"duration_ms\":3.5,\"attempts\":1}\n"
        );
    }

    #[test]
    fn results_go_beside_the_input() {
        let of = |asked: Option<&str>, input: &str| Out::of(asked.map(Path::new), Path::new(input));
        assert_eq!(of(None, "d/a.csv"), Out::File("d/a.csv.results.ndjson".into()));
        assert_eq!(of(None, "-"), Out::Stdout);
        assert_eq!(of(Some("-"), "a.csv"), Out::Stdout);
        assert_eq!(of(Some("x"), "-"), Out::File("x".into()));
    }

    #[test]
    fn a_place_that_can_not_be_written_is_known_before() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Out::File(folder.path().join("r.ndjson")).check().is_ok());
        assert!(Out::File(folder.path().to_owned()).check().is_err());
        assert!(Out::File(folder.path().join("no/r.ndjson")).check().is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
