//! Downloading the items of a batch.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::{Response, Url};
use serde::Deserialize;
use tokio::time::{Instant, sleep, timeout};

use super::problem::Problem;
use super::{Client, is_passing};

/// How long nothing may arrive.
const SILENCE: Duration = Duration::from_secs(60);
/// How long a server that is being restarted is waited for, and how often it is asked.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(500);

impl Client {
    /// Writes the items of a batch to `out`, in input order. Lines of JSON go on where they broke off; a table, in which
    /// rows can't be told apart without reading it, is asked for once.
    pub(crate) async fn download(
        &self,
        id: &str,
        format: &str,
        state: Option<&str>,
        out: &mut impl Write,
    ) -> Result<()> {
        let query = Query {
            what: "download",
            format,
            state,
        };
        self.fetch(id, query, Lines::new(format == "ndjson"), out).await
    }

    /// Writes what was left out of a batch to `out`. It has no place to go on from, so it is asked for once.
    pub(crate) async fn skipped(&self, id: &str, format: &str, out: &mut impl Write) -> Result<()> {
        let query = Query {
            what: "skipped",
            format,
            state: None,
        };
        self.fetch(id, query, Lines::new(false), out).await
    }

    async fn fetch(&self, id: &str, query: Query<'_>, mut lines: Lines, out: &mut impl Write) -> Result<()> {
        let mut until = Instant::now() + PATIENCE;
        loop {
            let before = lines.index()?;
            match self.part(id, query, before, &mut lines, out).await {
                Ok(()) => return lines.end().context("the download ended in the middle of a line"),
                Err(Broken::Here(error)) => return Err(error),
                Err(Broken::There(error)) => {
                    if lines.index()? != before {
                        until = Instant::now() + PATIENCE;
                    }
                    if !lines.go_on || Instant::now() >= until {
                        return Err(error);
                    }
                }
            }
            sleep(PAUSE).await;
        }
    }

    /// Writes the archive of a batch to `out`.
    pub(crate) async fn archive(&self, id: &str, out: &mut impl Write) -> Result<()> {
        let url = self.url(&["v1", "batches", id, "archive"], &[])?;
        let mut pieces = Lines::new(false);
        match self.pieces(url, &mut pieces, out).await {
            Ok(()) => Ok(()),
            Err(Broken::Here(error) | Broken::There(error)) => Err(error),
        }
    }

    async fn part(
        &self,
        id: &str,
        query: Query<'_>,
        after: Option<u32>,
        lines: &mut Lines,
        out: &mut impl Write,
    ) -> Result<(), Broken> {
        let mut pairs = vec![("format", query.format.to_owned())];
        pairs.extend(query.state.map(|state| ("state", state.to_owned())));
        pairs.extend(after.map(|index| ("cursor", index.to_string())));
        let url = self
            .url(&["v1", "batches", id, query.what], &pairs)
            .map_err(Broken::Here)?;
        self.pieces(url, lines, out).await
    }

    async fn pieces(&self, url: Url, lines: &mut Lines, out: &mut impl Write) -> Result<(), Broken> {
        let answer = timeout(SILENCE, self.http.get(url).send()).await;
        let mut response = match answer {
            Ok(Ok(response)) => self.accepted(response).await?,
            Ok(Err(error)) => return Err(Broken::There(self.unreachable(error).into())),
            Err(_) => return Err(silent()),
        };
        loop {
            match timeout(SILENCE, response.chunk()).await {
                Ok(Ok(Some(piece))) => lines.take(&piece, out).map_err(Broken::Here)?,
                Ok(Ok(None)) => return Ok(()),
                Ok(Err(error)) => {
                    return Err(Broken::There(
                        anyhow::Error::new(error.without_url()).context("the download broke off"),
                    ));
                }
                Err(_) => return Err(silent()),
            }
        }
    }

    async fn accepted(&self, response: Response) -> Result<Response, Broken> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = response.text().await.unwrap_or_default();
        let error = anyhow::Error::from(Problem::parse(status, &text));
        Err(if is_passing(&error) {
            Broken::There(error)
        } else {
            Broken::Here(error)
        })
    }
}

#[derive(Clone, Copy)]
struct Query<'a> {
    /// The last part of the path.
    what: &'a str,
    format: &'a str,
    state: Option<&'a str>,
}

/// Why a part is not all of it.
enum Broken {
    /// Trying again would not help.
    Here(anyhow::Error),
    /// The server, or the way to it.
    There(anyhow::Error),
}

fn silent() -> Broken {
    Broken::There(anyhow::anyhow!(
        "nothing came from the server for {} s",
        SILENCE.as_secs()
    ))
}

/// Writes whole lines only, and knows which item came last.
struct Lines {
    /// False for what has no lines to go on from: it is passed on as it comes.
    go_on: bool,
    last: Vec<u8>,
    begun: Vec<u8>,
}

impl Lines {
    fn new(go_on: bool) -> Self {
        Self {
            go_on,
            last: Vec::new(),
            begun: Vec::new(),
        }
    }

    fn take(&mut self, piece: &[u8], out: &mut impl Write) -> Result<()> {
        if !self.go_on {
            return Ok(out.write_all(piece)?);
        }
        let Some(end) = piece.iter().rposition(|&byte| byte == b'\n') else {
            self.begun.extend_from_slice(piece);
            return Ok(());
        };
        let (whole, begun) = piece.split_at(end + 1);
        out.write_all(&self.begun)?;
        out.write_all(whole)?;
        let line = whole[..end].iter().rposition(|&byte| byte == b'\n');
        match line {
            Some(start) => self.last = whole[start + 1..].to_vec(),
            None => {
                self.last.clone_from(&self.begun);
                self.last.extend_from_slice(whole);
            }
        }
        self.begun = begun.to_vec();
        Ok(())
    }

    /// The item of the last whole line. What was begun after it comes again.
    fn index(&mut self) -> Result<Option<u32>> {
        #[derive(Deserialize)]
        struct Line {
            index: u32,
        }
        self.begun.clear();
        if self.last.is_empty() {
            return Ok(None);
        }
        let line: Line =
            serde_json::from_slice(&self.last).context("the server sent a line that is no item")?;
        Ok(Some(line.index))
    }

    fn end(&self) -> Result<()> {
        anyhow::ensure!(self.begun.is_empty(), "it is not complete");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_lines_are_written() {
        let (mut lines, mut out) = (Lines::new(true), Vec::new());
        for piece in [
            "{\"index\"",
            ": 1}\n{\"index\": 2}\n{\"in",
            "dex\": 3}",
            "\n",
            "{\"ind",
        ] {
            lines.take(piece.as_bytes(), &mut out).unwrap();
        }
        assert!(lines.end().is_err());
        assert_eq!(lines.index().unwrap(), Some(3));
        assert!(lines.end().is_ok(), "what was begun is forgotten");
        lines.take(b"{\"index\": 7}\n", &mut out).unwrap();
        assert_eq!(lines.index().unwrap(), Some(7));
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text,
            "{\"index\": 1}\n{\"index\": 2}\n{\"index\": 3}\n{\"index\": 7}\n"
        );
    }

    #[test]
    fn a_table_is_passed_on() {
        let (mut lines, mut out) = (Lines::new(false), Vec::new());
        lines.take(b"a,\"b\n", &mut out).unwrap();
        assert_eq!((out.as_slice(), lines.index().unwrap()), (&b"a,\"b\n"[..], None));
    }
}
