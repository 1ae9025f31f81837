//! What `submit` and `append` have in common: where the items come from, how their upload is shown, and how it goes on
//! where it breaks.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::AsyncRead;
use tokio::time::Instant;

use crate::client::upload::{Content, Format, InputFile, Sent};
use crate::client::view::Appended;
use crate::output::meter::{self, Meter};
use crate::output::number;
use crate::output::speed::Speed;

/// How often the progress of an upload is shown.
const TICK: Duration = Duration::from_millis(200);
/// A file over this is sent so that it can go on where it breaks.
const LARGE: u64 = 16 << 20;

pub(super) type Body = Pin<Box<dyn AsyncRead + Send>>;

/// Where items come from.
#[derive(Debug)]
pub(super) enum Input {
    /// What can be read once: stdin, or a pipe.
    Stream,
    /// What can be read again.
    File(InputFile),
}

impl Input {
    /// Looks at what is at `path`; `-` is stdin.
    pub(super) async fn look(path: &Path) -> Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::Stream);
        }
        Ok(InputFile::look(path).await?.map_or(Self::Stream, Self::File))
    }

    /// Opens it at its beginning.
    pub(super) async fn open(&self, path: &Path) -> Result<Body> {
        Ok(match self {
            Self::File(file) => Box::pin(file.open().await?),
            Self::Stream if path == Path::new("-") => Box::pin(tokio::io::stdin()),
            Self::Stream => {
                let pipe = tokio::fs::File::open(path).await;
                Box::pin(pipe.with_context(|| format!("can't read {}", path.display()))?)
            }
        })
    }

    /// 0 where it is not known.
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Stream => 0,
            Self::File(file) => file.length(),
        }
    }

    /// The file, where it is long enough that a broken upload of it would hurt, and can be sent again from its beginning:
    /// an array is one document, which can't be appended in parts.
    pub(super) fn worth_resuming(&self, content: &Content) -> Option<&InputFile> {
        match self {
            Self::File(file) if file.length() > LARGE && content.format != Format::Json => Some(file),
            _ => None,
        }
    }

    /// The file that somebody wants to be resumed.
    ///
    /// # Errors
    /// Where that is not possible.
    pub(super) fn must_be_resumable(&self, content: &Content) -> Result<&InputFile> {
        anyhow::ensure!(
            content.format != Format::Json,
            "a JSON array is sent in one request, which can't be resumed; lines of JSON (NDJSON) can"
        );
        match self {
            Self::File(file) => Ok(file),
            Self::Stream => anyhow::bail!("only a file can be sent again from its beginning, not a pipe"),
        }
    }
}

/// Waits for an upload, and shows how much of it has left.
pub(super) async fn shown<T>(
    upload: impl Future<Output = Result<T>>,
    sent: &Sent,
    length: u64,
    meter: &mut Meter,
) -> Result<T> {
    let done = tokio::select! {
        done = upload => done,
        never = show(sent, length, meter) => match never {},
    };
    meter.clear();
    done
}

async fn show(sent: &Sent, length: u64, meter: &mut Meter) -> std::convert::Infallible {
    let mut speed = Speed::default();
    loop {
        tokio::time::sleep(TICK).await;
        let bytes = sent.bytes();
        let line = speed.line(Instant::now(), bytes, length);
        meter.show(bytes, length.max(bytes), line);
    }
}

/// How an upload ended that can be gone on with.
pub(super) enum Ended<T> {
    Done(T),
    /// By Ctrl-C.
    Interrupted,
}

/// Waits for an upload, or until somebody has had enough; says in `command` how to go on with it then, or where it broke.
///
/// # Errors
/// Those of the upload.
pub(super) async fn resumable<T>(upload: impl Future<Output = Result<T>>, command: &str) -> Result<Ended<T>> {
    let ended = tokio::select! {
        ended = upload => ended,
        signal = tokio::signal::ctrl_c() => {
            signal.context("can't handle Ctrl-C")?;
            meter::line(&format!("\nstopped; what has arrived is kept. To go on: {command}"));
            return Ok(Ended::Interrupted);
        }
    };
    ended
        .map(Ended::Done)
        .map_err(|error| anyhow::anyhow!("{error:#}\n  What has arrived is kept. To go on: {command}"))
}

/// Words of a command, as a shell takes them.
pub(super) fn command(words: &[String]) -> String {
    let quoted = shlex::try_join(words.iter().map(String::as_str));
    // Fails for zero bytes, which no argument has.
    quoted.unwrap_or_else(|_| words.join(" "))
}

/// What an append came to: `3 items appended, 2 skipped; the batch has 5`.
pub(super) fn appended(appended: &Appended) -> String {
    let mut text = format!("{} appended", number::items(appended.appended.into()));
    for (count, what) in [
        (appended.deduplicated, "were there already"),
        (appended.skipped, "skipped"),
    ] {
        if count > 0 {
            text.push_str(&format!(", {} {what}", number::grouped(count.into())));
        }
    }
    format!("{text}; the batch has {}", number::grouped(appended.total.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_out_is_said() {
        let text = |json: &str| appended(&serde_json::from_str(json).unwrap());
        assert_eq!(
            text(r#"{"appended": 1, "total": 3}"#),
            "1 item appended; the batch has 3"
        );
        assert_eq!(
            text(r#"{"appended": 2, "deduplicated": 1000, "skipped": 5, "total": 1002, "offset": 1007}"#),
            "2 items appended, 1,000 were there already, 5 skipped; the batch has 1,002"
        );
    }

    #[test]
    fn a_command_can_be_pasted() {
        let words = ["flotilla", "submit", "a b.csv", "--map", "to={Name}"].map(str::to_owned);
        assert_eq!(command(&words), "flotilla submit 'a b.csv' --map 'to={Name}'");
    }

    #[tokio::test]
    async fn only_files_of_rows_and_lines_can_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let file = std::fs::File::create(&path).unwrap();
        for (length, is_worth_it) in [(LARGE, false), (LARGE + 1, true)] {
            file.set_len(length).unwrap();
            let input = Input::look(&path).await.unwrap();
            let worth = input.worth_resuming(&Content::of(Format::Csv));
            assert_eq!(worth.is_some(), is_worth_it);
            assert!(input.worth_resuming(&Content::of(Format::Json)).is_none());
            assert!(input.must_be_resumable(&Content::of(Format::Text)).is_ok());
            assert!(input.must_be_resumable(&Content::of(Format::Json)).is_err());
        }
        let pipe = Input::look(Path::new("-")).await.unwrap();
        assert!(pipe.must_be_resumable(&Content::of(Format::Ndjson)).is_err());
    }
}
