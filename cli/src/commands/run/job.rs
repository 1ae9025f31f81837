//! What handles the items of a run: its flags as a job type.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use flotilla_core::job_type::{ExecMode, ExecSpec, HandlerSpec, HttpSpec, JobType, JobTypes, duration};

use super::Run;

/// A job type with its name, alone among the job types of the run.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) name: String,
    pub(super) job_type: JobType,
    pub(super) types: JobTypes,
}

/// The name of what was given on the command line.
const INLINE: &str = "run";

impl Job {
    /// Reads it from the flags; `configured` are the job types of `flotilla.toml`.
    pub(super) fn of(run: &Run, configured: &JobTypes) -> Result<Self> {
        let (name, mut job_type) = match (&run.what.exec, &run.what.http, &run.what.job_type) {
            (Some(command), _, _) => (INLINE, JobType::new(exec(run, command)?)),
            (_, Some(url), _) => (INLINE, JobType::new(http(run, url)?)),
            (_, _, Some(name)) => (name.as_str(), named(name, configured)?),
            _ => bail!("say what to do with --exec, --http or --job-type"),
        };
        if let Some(timeout) = run.timeout {
            job_type.timeout = timeout;
        }
        if let Some(attempts) = run.max_attempts {
            job_type.max_attempts = attempts;
        }
        let mut types = JobTypes::default();
        types.insert(name, job_type.clone());
        // Now rather than after the upload: a stray brace in the command, a timeout that is too long.
        types
            .validate()
            .map_err(|error| anyhow::anyhow!(inline_words(&error.to_string())))?;
        flotilla_worker::Registry::from_job_types(&types)
            .map_err(|error| anyhow::anyhow!(inline_words(&error.to_string())))?;
        Ok(Self {
            name: name.to_owned(),
            job_type,
            types,
        })
    }

    /// How many items to run at once where nobody says: a command per core, because commands compute; more for what
    /// mostly waits.
    pub(super) fn default_concurrency(&self, configured: u32) -> u32 {
        match self.job_type.handler {
            HandlerSpec::Exec(_) => {
                let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
                u32::try_from(cores).unwrap_or(1)
            }
            _ => configured,
        }
    }
}

fn exec(run: &Run, command: &str) -> Result<HandlerSpec> {
    let words = if run.shell {
        vec![command.to_owned()]
    } else {
        shlex::split(command).with_context(|| format!("a quote in --exec {command:?} is not closed"))?
    };
    let mut spec = ExecSpec::new(words);
    spec.shell = run.shell;
    if run.lines {
        spec.mode = ExecMode::Lines;
    }
    Ok(HandlerSpec::Exec(spec))
}

fn http(run: &Run, url: &str) -> Result<HandlerSpec> {
    let mut spec = HttpSpec::new(url.to_owned());
    spec.headers = run
        .header
        .iter()
        .map(|header| {
            let (name, value) = header.split_once(':')?;
            Some((name.trim().to_owned(), value.trim().to_owned()))
        })
        .collect::<Option<BTreeMap<_, _>>>()
        .context("--header must look like 'Name: value'")?;
    Ok(HandlerSpec::Http(spec))
}

fn named(name: &str, configured: &JobTypes) -> Result<JobType> {
    configured.get(name).cloned().with_context(|| {
        let known: Vec<&str> = configured.names().collect();
        format!(
            "there is no job type {name:?} in the configuration; known are {}",
            known.join(", ")
        )
    })
}

/// Messages name settings of a file; here there are only flags.
fn inline_words(message: &str) -> String {
    message
        .replace("job_types.run: handler.command", "--exec")
        .replace("job_types.run: handler.url", "--http")
        .replace("job_types.run: timeout", "--timeout")
}

/// Reads `--timeout`.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    duration::parse(text)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        run: Run,
    }

    fn job(flags: &[&str]) -> Result<Job> {
        let line = Line::parse_from(["run", "f.csv"].iter().chain(flags));
        Job::of(&line.run, &JobTypes::builtin())
    }

    fn command(flags: &[&str]) -> Vec<String> {
        match job(flags).unwrap().job_type.handler {
            HandlerSpec::Exec(exec) => exec.command,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn commands_are_split_as_a_shell_would() {
        assert_eq!(
            command(&["--exec", "convert '{path}' -size \"1 2\" out"]),
            ["convert", "{path}", "-size", "1 2", "out"]
        );
        assert_eq!(command(&["--exec", "cat {} | wc", "--shell"]), ["cat {} | wc"]);
        let error = job(&["--exec", "echo 'open"]).unwrap_err().to_string();
        assert!(error.contains("not closed"), "{error}");
    }

    #[test]
    fn what_can_not_work_is_refused_before_anything_runs() {
        crate::install_tls();
        assert!(job(&["--exec", ""]).is_err());
        assert!(job(&["--exec", "awk '{print $1}'"]).is_err());
        assert!(
            job(&["--http", "ftp://x"])
                .unwrap_err()
                .to_string()
                .contains("--http")
        );
        assert!(job(&["--http", "http://x", "--header", "nonsense"]).is_err());
        let error = job(&["--job-type", "thumb"]).unwrap_err().to_string();
        assert!(error.contains("echo, sleep"), "{error}");
        assert!(job(&["--exec", "true", "--timeout", "200h"]).is_err());
    }

    #[test]
    fn flags_are_part_of_the_job() {
        crate::install_tls();
        let timed = job(&["--job-type", "echo", "--timeout", "90s"]).unwrap();
        assert_eq!(timed.job_type.timeout, Duration::from_secs(90));
        assert_eq!(timed.job_type.max_attempts, 1);
        let tried = job(&["--job-type", "echo", "--max-attempts", "4"]).unwrap();
        assert_eq!(tried.job_type.max_attempts, 4);
        let posted = job(&["--http", "http://x", "--header", "A: b:c"]).unwrap();
        assert!(matches!(posted.job_type.handler, HandlerSpec::Http(http) if http.headers["A"] == "b:c"));
    }
}
