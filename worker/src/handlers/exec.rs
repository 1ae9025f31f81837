//! `exec` in command mode: a process per item.

use std::process::ExitStatus;
use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::Json;
use flotilla_core::job_type::ExecSpec;
use flotilla_core::message::Verdict;
use flotilla_core::outcome::{ItemError, ItemErrorKind};
use futures_util::FutureExt;
use futures_util::future::FusedFuture;
use tokio::time::timeout;

use super::shell::Script;
use super::template::Template;
use super::{Handler, artifacts_folder, failed, verdict};
use crate::item::ItemContext;
use crate::process::{self, Exits, Group, Pipes, Program, Tail, TooLong, feed, read_bounded};

/// What a pipe gets to run dry after the process that was started has ended: then whoever still holds it is killed.
const LINGER: Duration = Duration::from_millis(250);

/// Runs a command for each item: input on stdin, output on stdout. Nothing that it starts survives the attempt.
#[derive(Debug)]
pub struct Exec {
    program: Program,
    args: Args,
    max_output: u64,
    exits: Exits,
    /// Whether it has a folder for files, and how many bytes they may have.
    artifacts: Option<Option<u64>>,
}

#[derive(Debug)]
enum Args {
    Direct(Vec<Template>),
    Shell(Script),
}

impl Exec {
    /// The command that `spec` describes.
    ///
    /// # Errors
    /// What is wrong with its placeholders.
    pub fn new(spec: &ExecSpec) -> Result<Self, String> {
        let (name, args) = match spec.command.as_slice() {
            [] => return Err("handler.command is empty".into()),
            [script] if spec.shell => ("sh".to_owned(), Args::Shell(Script::parse(script)?)),
            [program, args @ ..] => {
                let program = Template::parse(program)?;
                let name = program
                    .literal()
                    .ok_or("handler.command: an item can't choose the program")?;
                let args: Result<_, _> = args.iter().map(|arg| Template::parse(arg)).collect();
                (name.to_owned(), Args::Direct(args?))
            }
        };
        Ok(Self {
            program: Program::new(name, spec),
            args,
            max_output: spec.max_output_bytes,
            exits: Exits::new(spec),
            artifacts: spec.artifacts.then_some(spec.max_artifact_bytes),
        })
    }

    async fn run(&self, item: &ItemContext, input: &Json) -> Result<Json, Verdict> {
        let args = self.args.render(input).map_err(failed)?;
        let mut variables = item.variables();
        if let Some(max) = self.artifacts {
            let folder = artifacts_folder(item, max).await.map_err(failed)?;
            variables.push(("FLOTILLA_ARTIFACTS", folder));
        }
        // Gone when the attempt has ended.
        let results = match item.results() {
            Some(results) => Some(results.file().await.map_err(failed)?),
            None => None,
        };
        variables.extend(
            results
                .as_ref()
                .map(|path| ("FLOTILLA_RESULTS", path.display().to_string())),
        );
        let spawned = self.program.spawn(args, variables).await;
        let (mut group, pipes) = spawned.map_err(failed)?;
        let ended = tokio::select! {
            biased;
            ended = converse(&mut group, pipes, input, self.max_output) => ended,
            () = item.stopped() => Err(item.out_of_time()),
        };
        group.terminate().await;
        self.conclude(ended.map_err(failed)?)
    }

    fn conclude(&self, end: End) -> Result<Json, Verdict> {
        if end.status.success() {
            read_output(end.output).map_err(failed)
        } else if self.exits.is_waiting(end.status) {
            // It may say for how long, and what it does.
            Err(Verdict::Waiting(
                serde_json::from_slice(&end.output).unwrap_or_default(),
            ))
        } else {
            Err(self.exits.failure(end.status, &end.last_words))
        }
    }
}

impl Args {
    fn render(&self, input: &Json) -> Result<Vec<String>, ItemError> {
        match self {
            Self::Shell(script) => script.args(input),
            Self::Direct(args) => args.iter().map(|arg| arg.render(input)).collect(),
        }
    }
}

#[async_trait]
impl Handler for Exec {
    async fn handle(&self, item: &ItemContext, input: &Json) -> Verdict {
        verdict(self.run(item, input).await)
    }

    fn grace(&self) -> Duration {
        process::TERM_GRACE + process::KILL_WAIT + Duration::from_millis(500)
    }
}

/// How a process ended, and what it wrote until then.
struct End {
    status: ExitStatus,
    output: Vec<u8>,
    last_words: String,
}

/// Feeds the process, and waits for its end and its output.
async fn converse(group: &mut Group, pipes: Pipes, input: &Json, max: u64) -> Result<End, ItemError> {
    let Pipes {
        stdin,
        stdout,
        mut stderr,
    } = pipes;
    let (mut output, mut last_words) = (Vec::new(), Tail::default());
    let status = {
        let talk = async {
            let ((), read, ()) = tokio::join!(
                feed(stdin, input.as_str().as_bytes()),
                read_bounded(stdout, &mut output, max),
                last_words.follow(&mut stderr),
            );
            read
        };
        wait_for(group, talk).await.map_err(|end| end.explain(max))?
    };
    Ok(End {
        status,
        output,
        last_words: last_words.text(),
    })
}

/// Why there is no exit status.
enum NoEnd {
    TooLong,
    Unknown(std::io::Error),
}

impl NoEnd {
    fn explain(self, max: u64) -> ItemError {
        match self {
            Self::TooLong => ItemError::new(
                ItemErrorKind::Output,
                format!("the command wrote more than {max} bytes to stdout (max_output_bytes)"),
            ),
            Self::Unknown(error) => ItemError::new(
                ItemErrorKind::Unreachable,
                format!("can't wait for the command: {error}"),
            ),
        }
    }
}

/// Waits for the leader while `talk` goes on. A process left behind in the group can hold the pipes open for ever:
/// after a moment it is killed, and what was read until then is the output.
async fn wait_for(
    group: &mut Group,
    talk: impl Future<Output = Result<(), TooLong>>,
) -> Result<ExitStatus, NoEnd> {
    let mut talk = std::pin::pin!(talk.fuse());
    let status = tokio::select! {
        Err(TooLong) = &mut talk => return Err(NoEnd::TooLong),
        status = group.wait() => status.map_err(NoEnd::Unknown)?,
    };
    if !talk.is_terminated() {
        let mut rest = timeout(LINGER, &mut talk).await;
        if rest.is_err() {
            group.sweep();
            rest = timeout(process::KILL_WAIT, &mut talk).await;
        }
        if let Ok(Err(TooLong)) = rest {
            return Err(NoEnd::TooLong);
        }
    }
    // Those that closed the pipes and went to the background.
    group.sweep();
    Ok(status)
}

/// JSON as it is; other text as a string, without the line break at its end; nothing as `null`.
fn read_output(output: Vec<u8>) -> Result<Json, ItemError> {
    let text = String::from_utf8(output).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        ItemError::new(
            ItemErrorKind::Output,
            format!("stdout is not UTF-8 text (from byte {at} on): print a path, or base64"),
        )
    })?;
    Ok(match Json::parse(text.as_str()) {
        Ok(json) => json,
        Err(_) => {
            let text = text.strip_suffix('\n').unwrap_or(&text);
            match text.strip_suffix('\r').unwrap_or(text) {
                "" => Json::null(),
                text => Json::string(text),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_json_or_text() {
        let read = |text: &str| read_output(text.into()).unwrap().as_str().to_owned();
        assert_eq!(read(" {\"a\":  1.0}\n"), "{\"a\":  1.0}");
        assert_eq!(read("12\n"), "12");
        assert_eq!(read("two\nlines\r\n"), r#""two\nlines""#);
        assert_eq!(read("{oops\n\n"), r#""{oops\n""#);
        assert_eq!(read(""), "null");
        assert_eq!(read("\n"), "null");
        assert_eq!(
            read_output(vec![b'a', 0xff]).unwrap_err().kind,
            ItemErrorKind::Output
        );
    }

    #[test]
    fn senseless_commands_are_refused() {
        let refused = |command: &[&str]| {
            Exec::new(&ExecSpec::new(
                command.iter().map(|&part| part.to_owned()).collect(),
            ))
            .unwrap_err()
        };
        assert!(refused(&["{tool}", "x"]).contains("can't choose the program"));
        assert!(refused(&["awk", "{print $1}"]).contains("write {{ and }}"));
        assert!(refused(&[]).contains("empty"));
    }
}
