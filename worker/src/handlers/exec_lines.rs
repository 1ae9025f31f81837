//! `exec` in lines mode: processes that handle one item after the other, a line of JSON each way.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::Json;
use flotilla_core::job_type::ExecSpec;
use flotilla_core::message::Verdict;
use flotilla_core::outcome::{ItemError, ItemErrorKind};
use futures_util::FutureExt;
use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio::time::timeout;

use super::Handler;
use crate::item::ItemContext;
use crate::process::{self, Group, LineEnd, Program, Tail, read_line};

/// What a process that closed its stdout gets to end, and to say why on stderr.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Keeps processes running and gives each one item at a time. There are never more of them than items that run at once:
/// an item takes an idle one, or starts one.
#[derive(Debug)]
pub struct ExecLines {
    program: Program,
    args: Vec<String>,
    max_output: u64,
    idle: Mutex<Vec<Process>>,
}

#[derive(Debug)]
struct Process {
    group: Group,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    stderr: ChildStderr,
    last_words: Tail,
}

impl ExecLines {
    /// The processes that `spec` describes.
    ///
    /// # Errors
    /// Where it names no program.
    pub fn new(spec: &ExecSpec) -> Result<Self, String> {
        let (name, args) = match spec.command.as_slice() {
            [] => return Err("handler.command is empty".into()),
            [script] if spec.shell => ("sh".to_owned(), vec!["-c".to_owned(), script.clone()]),
            [program, args @ ..] => (program.clone(), args.to_vec()),
        };
        Ok(Self {
            program: Program::new(name, spec),
            args,
            max_output: spec.max_output_bytes,
            idle: Mutex::default(),
        })
    }

    async fn run(&self, item: &ItemContext, input: &Json) -> Result<Json, ItemError> {
        let mut process = self.take().await?;
        let turn = tokio::select! {
            biased;
            turn = process.turn(input, self.max_output) => turn,
            () = item.stopped() => Err(item.out_of_time()),
        };
        let answer = turn.and_then(|line| read_answer(&line));
        // One that broke the protocol, or said more than it was asked for, would answer the next item with the surplus.
        let broken = matches!(&answer, Err(error) if error.kind != ItemErrorKind::Handler);
        if process.is_usable() && !broken {
            self.idle().push(process);
        } else {
            process.group.terminate().await;
        }
        answer
    }

    /// An idle process that is still fit for work, or a new one.
    async fn take(&self) -> Result<Process, ItemError> {
        loop {
            // Its own statement: the lock must be gone before anything is awaited.
            let idle = self.idle().pop();
            let Some(mut process) = idle else {
                return self.start().await;
            };
            if process.is_usable() {
                return Ok(process);
            }
            process.group.terminate().await;
        }
    }

    async fn start(&self) -> Result<Process, ItemError> {
        let (group, pipes) = self.program.spawn(&self.args, []).await?;
        Ok(Process {
            group,
            stdin: pipes.stdin,
            stdout: BufReader::new(pipes.stdout),
            stderr: pipes.stderr,
            last_words: Tail::default(),
        })
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Process>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Handler for ExecLines {
    async fn handle(&self, item: &ItemContext, input: &Json) -> Verdict {
        self.run(item, input).await.into()
    }

    fn grace(&self) -> Duration {
        process::TERM_GRACE + process::KILL_WAIT + Duration::from_millis(500)
    }

    async fn close(&self) {
        let idle = std::mem::take(&mut *self.idle());
        join_all(idle.into_iter().map(|mut process| async move {
            // A process that reads its stdin to the end needs no signal; one that doesn't gets it at once.
            drop(process.stdin);
            process.group.terminate().await;
        }))
        .await;
    }
}

impl Process {
    /// A line in, a line out.
    async fn turn(&mut self, input: &Json, max: u64) -> Result<Vec<u8>, ItemError> {
        self.last_words.clear();
        let mut line = Vec::new();
        let spoken = {
            let talk = async {
                // A process that is gone shows as the end of its stdout.
                let written = async {
                    let _ = self.stdin.write_all(input.compact().as_bytes()).await;
                    let _ = self.stdin.write_all(b"\n").await;
                    let _ = self.stdin.flush().await;
                };
                tokio::join!(written, read_line(&mut self.stdout, &mut line, max)).1
            };
            // Its stderr is read meanwhile, so that it never blocks on it.
            let listen = async {
                self.last_words.follow(&mut self.stderr).await;
                std::future::pending::<LineEnd>().await
            };
            tokio::select! {
                biased;
                spoken = talk => spoken,
                never = listen => never,
            }
        };
        match spoken {
            LineEnd::Complete => Ok(line),
            LineEnd::TooLong => Err(ItemError::new(
                ItemErrorKind::Output,
                format!("the process wrote a line of more than {max} bytes (max_output_bytes)"),
            )),
            LineEnd::Closed => Err(self.crash().await),
        }
    }

    /// It closed its stdout with an item in hand.
    async fn crash(&mut self) -> ItemError {
        let end = async { tokio::join!(self.group.wait(), self.last_words.follow(&mut self.stderr)).0 };
        match timeout(LAST_WORDS, end).await {
            Ok(Ok(status)) if !status.success() => process::describe(status, &self.last_words.text()),
            Ok(_) => ItemError::new(
                ItemErrorKind::Handler,
                "the process ended without an answer to the item",
            ),
            Err(_) => ItemError::new(
                ItemErrorKind::Handler,
                "the process closed its stdout without an answer to the item",
            ),
        }
    }

    /// True where it runs, and has said no more than it was asked for.
    fn is_usable(&mut self) -> bool {
        // Pending: nothing to read. Ready: surplus, or the end.
        self.group.ended().is_none() && self.stdout.fill_buf().now_or_never().is_none()
    }
}

/// A line is the output as it is, unless it is `{"error": …}`.
fn read_answer(line: &[u8]) -> Result<Json, ItemError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Refusal<'a> {
        #[serde(borrow)]
        error: &'a RawValue,
    }
    let answer = Json::parse_bytes(line.to_vec()).map_err(|error| {
        ItemError::new(
            ItemErrorKind::Output,
            format!(
                "the process answered with a line that is not JSON ({error}); other text belongs on stderr"
            ),
        )
    })?;
    if let Ok(refusal) = answer.to::<Refusal<'_>>() {
        let text = refusal.error.get();
        let message = serde_json::from_str(text).unwrap_or_else(|_| text.to_owned());
        return Err(ItemError::new(ItemErrorKind::Handler, message));
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_output_or_an_error() {
        let read = |line: &str| read_answer(line.as_bytes());
        assert_eq!(
            read(r#"{"error": null, "x": 1}"#).unwrap().as_str(),
            r#"{"error": null, "x": 1}"#
        );
        assert_eq!(read("null\r").unwrap().as_str(), "null");
        assert_eq!(
            read(r#"{"error": "no \"luck\""}"#).unwrap_err().message,
            "no \"luck\""
        );
        assert_eq!(
            read(r#"{"error": {"code": 7}}"#).unwrap_err().message,
            r#"{"code": 7}"#
        );
        for bad in ["", "loading model…", "{} {}"] {
            assert_eq!(read(bad).unwrap_err().kind, ItemErrorKind::Output, "{bad:?}");
        }
    }
}
