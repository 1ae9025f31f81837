//! `exec` in lines mode: processes that handle one item after the other, a line of JSON each way.

use std::process::ExitStatus;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::Json;
use flotilla_core::job_type::ExecSpec;
use flotilla_core::message::Verdict;
use flotilla_core::outcome::{ItemError, ItemErrorKind};
use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio::time::timeout;

use super::lines_protocol::{answer, question};
use super::{Handler, artifacts_folder, failed, verdict};
use crate::item::ItemContext;
use crate::process::{self, Exits, Group, LineEnd, Program, Tail, read_line};

/// What a process that closed its stdout gets to end, and to say why on stderr.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Keeps processes running and gives each one item at a time. There are never more of them than items that run at once:
/// an item takes an idle one, or starts one.
#[derive(Debug)]
pub struct ExecLines {
    program: Program,
    args: Vec<String>,
    max_output: u64,
    exits: Exits,
    envelope: bool,
    /// Whether an item has a folder for files, and how many bytes they may have.
    artifacts: Option<Option<u64>>,
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
            exits: Exits::new(spec),
            envelope: spec.envelope,
            artifacts: spec.artifacts.then_some(spec.max_artifact_bytes),
            idle: Mutex::default(),
        })
    }

    async fn run(&self, item: &ItemContext, input: &Json) -> Result<Json, Verdict> {
        let folder = match self.artifacts {
            Some(max) => Some(artifacts_folder(item, max).await.map_err(failed)?),
            None => None,
        };
        let mut process = self.take().await.map_err(failed)?;
        let question = question(item, input, self.envelope, folder);
        let turn = tokio::select! {
            biased;
            turn = process.turn(&question, self.max_output) => turn,
            () = item.stopped() => Turn::Broken(item.out_of_time()),
        };
        let (answer, fit) = match turn {
            // One that broke the protocol, or said more than it was asked for, would answer the next item with the
            // surplus.
            Turn::Answered(line) => {
                let answer = answer(line, item);
                let kept =
                    !matches!(&answer, Err(Verdict::Fail(error)) if error.kind == ItemErrorKind::Output);
                (answer, kept)
            }
            Turn::Exited(status, last_words) => (Err(self.exits.failure(status, &last_words)), false),
            Turn::Broken(error) => (Err(failed(error)), false),
        };
        if fit && process.is_usable() {
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
        verdict(self.run(item, input).await)
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

/// How a turn of a process ended.
enum Turn {
    /// With a line.
    Answered(Vec<u8>),
    /// With its own failure, and what it said.
    Exited(ExitStatus, String),
    /// In another way.
    Broken(ItemError),
}

impl Process {
    /// A line in, a line out.
    async fn turn(&mut self, question: &str, max: u64) -> Turn {
        self.last_words.clear();
        let mut line = Vec::new();
        let spoken = {
            let talk = async {
                // A process that is gone shows as the end of its stdout.
                let written = async {
                    let _ = self.stdin.write_all(question.as_bytes()).await;
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
            LineEnd::Complete => Turn::Answered(line),
            LineEnd::TooLong => Turn::Broken(ItemError::new(
                ItemErrorKind::Output,
                format!("the process wrote a line of more than {max} bytes (max_output_bytes)"),
            )),
            LineEnd::Closed => self.crash().await,
        }
    }

    /// It closed its stdout with an item in hand.
    async fn crash(&mut self) -> Turn {
        let end = async { tokio::join!(self.group.wait(), self.last_words.follow(&mut self.stderr)).0 };
        let what = match timeout(LAST_WORDS, end).await {
            Ok(Ok(status)) if !status.success() => return Turn::Exited(status, self.last_words.text()),
            Ok(_) => "the process ended without an answer to the item",
            Err(_) => "the process closed its stdout without an answer to the item",
        };
        Turn::Broken(ItemError::new(ItemErrorKind::Handler, what))
    }

    /// True where it runs, and has said no more than it was asked for.
    fn is_usable(&mut self) -> bool {
        // Pending: nothing to read. Ready: surplus, or the end.
        self.group.ended().is_none() && self.stdout.fill_buf().now_or_never().is_none()
    }
}
