//! `flotilla submit`: sends a file to a server as a batch.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use flotilla_core::BatchState;
use serde_json::{Value, json};

use super::reading::Reading;
use super::sending::{self, Ended, Input};
use super::values::{self, Threshold};
use super::{dry_run, watch};
use crate::client::upload::{Content, InputFile, Options, Patience, Resumable, Sent, insist};
use crate::client::view::{Appended, BatchView};
use crate::client::{Client, Reply, ServerArgs};
use crate::exit::Exit;
use crate::output::meter::{self, Meter};
use crate::output::{self, Output, number};

/// As whom the file is appended. The batch was created for it, so there is no other one.
const PRODUCER: &str = "cli";

const REPLAYED: &str = "this idempotency key was used before: nothing new was created";

const EXAMPLES: &str = "\
Examples:
  flotilla submit images.ndjson --job-type thumbnail --watch
  flotilla submit customers.csv --job-type enrich --name 'April run' --concurrency 20 --max-attempts 5
  flotilla submit risky.ndjson --job-type enrich --canary 50 --failure-threshold 5%
  flotilla submit tonight.ndjson --job-type enrich --start 8h --deadline 16h
  flotilla submit from-excel.csv --job-type enrich --charset windows-1252 --map name=Kunde --dry-run
  producer | flotilla submit - --job-type noop --idempotency-key \"$BUILD_ID\"

Prints the batch's id. Sent again with the same --idempotency-key, it is the same batch.
A file over 16 MiB (NDJSON, CSV or text) is uploaded so that it can go on: when the connection breaks it is sent again, and
the server drops what it has. When that takes too long, or after Ctrl-C, the command to go on with is printed.";

/// Sends a file to a server as a batch. It is streamed: its size does not matter.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Submit {
    /// The items: NDJSON, CSV or TSV with a header row, a JSON array, or lines of text; also packed, as .gz or .zst; `-` is
    /// stdin
    file: PathBuf,
    /// What handles the items: a job type of the server's configuration
    #[arg(long, value_name = "NAME", required_unless_present = "resume")]
    job_type: Option<String>,
    /// Follow the batch until it ends; exit code 1 if items failed
    #[arg(long)]
    watch: bool,
    /// A name for people
    #[arg(long)]
    name: Option<String>,
    /// The same key is the same batch: makes a repeated submission harmless
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Leave out items that were submitted within so long before, like 24h
    #[arg(long, value_name = "DURATION")]
    deduplicate: Option<String>,
    /// Only say what would happen: how many items, how long, and the first of them
    #[arg(long)]
    dry_run: bool,
    /// Go on with an upload that broke: the batch that it was for. What the batch is to do was said then
    #[arg(long, value_name = "BATCH", conflicts_with_all = ["dry_run", "idempotency_key"])]
    resume: Option<String>,
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    limits: Limits,
    #[command(flatten)]
    rails: Rails,
    #[command(flatten)]
    afterwards: Afterwards,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    server: ServerArgs,
}

/// When and how fast it runs.
#[derive(Debug, Args)]
#[command(next_help_heading = "When and how fast")]
struct Limits {
    /// When items may run: auto (at once), manual (see `flotilla start`), open (takes more items until `flotilla seal`),
    /// a time like 2026-12-31T22:00:00Z, or a time from now like 2h [default: auto]
    #[arg(long, value_name = "WHEN", value_parser = Start::parse)]
    start: Option<Start>,
    /// -100 to 100; of two batches of a space the one with the higher priority goes first
    #[arg(long, allow_negative_numbers = true, value_parser = clap::value_parser!(i16).range(-100..=100))]
    priority: Option<i16>,
    /// The most items in flight at once, over the whole fleet
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    concurrency: Option<u32>,
    /// The most items per second, over the whole fleet
    #[arg(long, value_name = "PER_SECOND", value_parser = values::rate)]
    rate: Option<f64>,
    /// How long an attempt may take: 250ms, 30s, 5m [default: as its job type says]
    #[arg(long, value_name = "DURATION")]
    timeout: Option<String>,
    /// How often an item is attempted before it fails [default: as its job type says]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    max_attempts: Option<u16>,
}

/// When to stop.
#[derive(Debug, Args)]
#[command(next_help_heading = "When to stop")]
struct Rails {
    /// When the batch fails and the rest of it is cancelled: a time like 2026-12-31T22:00:00Z, or a time from now like 2h
    #[arg(long, value_name = "WHEN", value_parser = values::time)]
    deadline: Option<String>,
    /// Pause when more items than this failed: a share of those that ended (5%), or a number (50)
    #[arg(long, value_name = "SHARE", value_parser = values::threshold)]
    failure_threshold: Option<Threshold>,
    /// Fail the batch then, instead of pausing it
    #[arg(long, requires = "failure_threshold")]
    fail_fast: bool,
    /// Run so many items first, then pause until somebody has looked and says `flotilla resume`
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    canary: Option<u32>,
}

/// What becomes of it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Afterwards")]
struct Afterwards {
    /// How long what it leaves stays after its end, as JSON: {"inputs": "30d", "results": "90d", "archive": true}
    #[arg(long, value_name = "JSON", value_parser = values::object)]
    retention: Option<Value>,
    /// One more step, once all items have ended: what handles it. It gets all results
    #[arg(long, value_name = "JOB_TYPE")]
    on_complete: Option<String>,
    /// When: success (no item failed), complete (however it ended, but for a cancel), failed
    #[arg(long, value_name = "HOW", requires = "on_complete", value_parser = ["success", "complete", "failed"])]
    on_complete_when: Option<String>,
    /// What is passed along to it: any JSON
    #[arg(long, value_name = "JSON", requires = "on_complete", value_parser = values::json)]
    on_complete_input: Option<Value>,
}

impl Afterwards {
    fn follow_up(&self) -> Option<Value> {
        let mut follow_up = json!({"job_type": self.on_complete.as_ref()?});
        if let Some(on) = &self.on_complete_when {
            follow_up["on"] = json!(on);
        }
        if let Some(input) = &self.on_complete_input {
            follow_up["input"] = input.clone();
        }
        Some(follow_up)
    }
}

/// `--start`.
#[derive(Debug, Clone)]
enum Start {
    Auto,
    Manual,
    Open,
    At(String),
}

impl Start {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "manual" => Ok(Self::Manual),
            "open" => Ok(Self::Open),
            _ => values::time(text).map(Self::At).map_err(|_| {
                "expected auto, manual, open, a time like 2026-12-31T22:00:00Z, or 2h".to_owned()
            }),
        }
    }

    fn into_text(self) -> String {
        match self {
            Self::Auto => "auto".to_owned(),
            Self::Manual => "manual".to_owned(),
            Self::Open => "open".to_owned(),
            Self::At(time) => time,
        }
    }
}

/// How the file gets to the server.
enum Way<'a> {
    /// In one request: all of it, or nothing.
    AtOnce,
    /// Into a new batch that is open until all of it is there.
    InParts(&'a InputFile),
    /// Into one that is there.
    Resumed(&'a InputFile, &'a str),
}

impl Submit {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<Exit> {
        let client = self.server.client()?;
        let content = self.reading.content(&self.file)?;
        let input = Input::look(&self.file).await?;
        if self.dry_run {
            let content = content.with("dry_run", Some("true"));
            return dry_run::report(&self.upload(&client, &input, &content).await?, self.output);
        }
        match self.way(&input, &content)? {
            Way::AtOnce => {
                let reply = self.upload(&client, &input, &content).await?;
                self.done(&client, &reply).await
            }
            Way::InParts(file) => {
                let reply = client.open(&self.options()).await?;
                let batch: BatchView = reply.to()?;
                if batch.state == BatchState::Open {
                    return self.send(&client, &batch.id, file, &content).await;
                }
                meter::line(REPLAYED);
                self.done(&client, &reply).await
            }
            Way::Resumed(file, id) => {
                let reply = client.batch(id).await?;
                let batch: BatchView = reply.to()?;
                if batch.state == BatchState::Open {
                    return self.send(&client, id, file, &content).await;
                }
                let total = number::items(batch.counts.total.into());
                meter::line(&format!(
                    "the batch was sealed before, with {total}: nothing was sent"
                ));
                self.done(&client, &reply).await
            }
        }
    }

    fn way<'a>(&'a self, input: &'a Input, content: &Content) -> Result<Way<'a>> {
        let starts_when_sealed = matches!(self.limits.start, None | Some(Start::Auto | Start::Open));
        if let Some(id) = &self.resume {
            anyhow::ensure!(
                starts_when_sealed,
                "a batch that took its items in parts starts when it is sealed: --start can be auto or open with --resume"
            );
            return Ok(Way::Resumed(input.must_be_resumable(content)?, id));
        }
        Ok(match input.worth_resuming(content) {
            Some(file) if starts_when_sealed => Way::InParts(file),
            Some(_) => {
                meter::line(
                    "with this --start the file is sent in one request: if that breaks, it begins anew",
                );
                Way::AtOnce
            }
            None => Way::AtOnce,
        })
    }

    async fn upload(&self, client: &Client, input: &Input, content: &Content) -> Result<Reply> {
        let body = input.open(&self.file).await?;
        let (options, sent) = (self.options(), Sent::default());
        let submitted = client.submit(body, content, &options, &sent);
        let reply = sending::shown(submitted, &sent, input.length(), &mut Meter::new(false)).await?;
        if reply.replayed {
            meter::line(REPLAYED);
        }
        Ok(reply)
    }

    /// Sends the file into a batch that is open, and seals it unless it is to stay open.
    async fn send(&self, client: &Client, id: &str, file: &InputFile, content: &Content) -> Result<Exit> {
        let mut meter = Meter::new(false);
        let (sent, speaker) = (Sent::default(), meter.speaker());
        let say = |text: &str| speaker(text);
        let uploading = async {
            let upload = Resumable {
                client,
                batch: id,
                producer: PRODUCER,
                file,
                content,
                sent: &sent,
            };
            let appended: Appended = upload.run(Patience::default(), say).await?.to()?;
            let sealed = if matches!(self.limits.start, Some(Start::Open)) {
                client.batch(id).await?
            } else {
                let seal = async || client.act(id, "seal", &Value::Null).await;
                insist(Patience::default(), say, seal).await?
            };
            Ok((appended, sealed))
        };
        let command = sending::command(&self.command(id));
        let shown = sending::shown(uploading, &sent, file.length(), &mut meter);
        match sending::resumable(shown, &command).await? {
            Ended::Done((appended, sealed)) => {
                if appended.skipped > 0 {
                    let skipped = number::items(appended.skipped.into());
                    meter::line(&format!("{skipped} skipped: flotilla skipped {id}"));
                }
                self.done(client, &sealed).await
            }
            Ended::Interrupted => Ok(Exit::Interrupted),
        }
    }

    /// What goes on with an upload into this batch, as words of a command.
    fn command(&self, id: &str) -> Vec<String> {
        let file = self.file.display().to_string();
        let mut words: Vec<String> = ["flotilla", "submit", &file, "--resume", id]
            .map(str::to_owned)
            .to_vec();
        words.extend(self.reading.words());
        if matches!(self.limits.start, Some(Start::Open)) {
            words.extend(["--start", "open"].map(str::to_owned));
        }
        if self.watch {
            words.push("--watch".to_owned());
        }
        words.extend(self.server.words());
        words
    }

    /// Says which batch it is, and watches it where that is wanted.
    async fn done(&self, client: &Client, reply: &Reply) -> Result<Exit> {
        let batch: BatchView = reply.to()?;
        if self.watch {
            meter::line(&format!("batch {}", batch.id));
            return watch::watch(client, &batch.id, self.output).await;
        }
        if self.output.is_json() {
            output::print(&reply.text)?;
        } else {
            output::print(&batch.id)?;
        }
        Ok(Exit::Fine)
    }

    fn options(&self) -> Options {
        let (limits, rails) = (&self.limits, &self.rails);
        let threshold = rails.failure_threshold.map(|threshold| {
            let mut threshold = threshold.to_json();
            threshold["action"] = json!(if rails.fail_fast { "fail" } else { "pause" });
            threshold
        });
        let options = Options {
            idempotency_key: self.idempotency_key.clone(),
            ..Options::default()
        };
        options
            .set("job_type", self.job_type.clone())
            .set("deduplicate", self.deduplicate.clone())
            .set("name", self.name.clone())
            .set("start", limits.start.clone().map(Start::into_text))
            .set("priority", limits.priority)
            .set("concurrency", limits.concurrency)
            .set("rate_per_s", limits.rate)
            .set("timeout", limits.timeout.clone())
            .set("max_attempts", limits.max_attempts)
            .set("deadline", rails.deadline.clone())
            .set("failure_threshold", threshold)
            .set("canary", rails.canary)
            .set("retention", self.afterwards.retention.clone())
            .set("on_complete", self.afterwards.follow_up())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        submit: Submit,
    }

    fn fields(flags: &[&str]) -> Value {
        let words = ["submit", "f.csv", "--job-type", "echo"];
        let line = Line::parse_from(words.iter().chain(flags));
        line.submit.options().fields.into()
    }

    #[test]
    fn what_is_not_said_is_not_sent() {
        assert_eq!(fields(&[]), json!({"job_type": "echo"}));
    }

    #[test]
    fn flags_become_fields() {
        let flags = "--start manual --concurrency 5 --rate 2.5 --max-attempts 3 --timeout 90s --canary 10 \
            --failure-threshold 5% --fail-fast --retention {\"inputs\":\"30d\"} --priority -3 --deadline 2030-01-01T00:00:00Z --deduplicate 24h";
        let words: Vec<&str> = flags.split_whitespace().collect();
        assert_eq!(
            fields(&words),
            json!({
                "job_type": "echo", "start": "manual", "concurrency": 5, "rate_per_s": 2.5, "max_attempts": 3,
                "timeout": "90s", "canary": 10, "retention": {"inputs": "30d"}, "priority": -3, "deadline": "2030-01-01T00:00:00Z",
                "failure_threshold": {"percent": 5.0, "action": "fail"}, "deduplicate": "24h",
            })
        );
        assert_eq!(
            fields(&[
                "--on-complete",
                "sum",
                "--on-complete-when",
                "success",
                "--on-complete-input",
                "7"
            ])["on_complete"],
            json!({"job_type": "sum", "on": "success", "input": 7})
        );
        assert_eq!(
            fields(&["--failure-threshold", "50"])["failure_threshold"],
            json!({"count": 50, "action": "pause"})
        );
    }

    #[test]
    fn a_broken_upload_says_how_to_go_on() {
        let line = |flags: &[&str]| {
            let words = [
                "submit",
                "my items.csv",
                "--job-type",
                "echo",
                "--server",
                "http://h:1",
            ];
            Line::parse_from(words.iter().chain(flags)).submit
        };
        let submit = line(&[
            "--map",
            "a=B C",
            "--start",
            "open",
            "--watch",
            "--priority",
            "3",
            "--space",
            "team",
        ]);
        let command = submit.command("ID");
        assert_eq!(
            sending::command(&command),
            "flotilla submit 'my items.csv' --resume ID --map 'a=B C' --start open --watch --server http://h:1/ --space team"
        );
        // It is a command.
        let again = Line::parse_from(&command[1..]).submit;
        assert_eq!(again.command("ID"), command);
        assert_eq!(again.job_type, None);
    }

    #[tokio::test]
    async fn the_way_depends_on_the_file_and_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.csv");
        std::fs::File::create(&path).unwrap().set_len(17 << 20).unwrap();
        let way = async |flags: &[&str]| {
            let words = ["submit", path.to_str().unwrap(), "--job-type", "echo"];
            let submit = Line::parse_from(words.iter().chain(flags)).submit;
            let (content, input) = (
                submit.reading.content(&path).unwrap(),
                Input::look(&path).await.unwrap(),
            );
            match submit.way(&input, &content) {
                Ok(Way::AtOnce) => "at once".to_owned(),
                Ok(Way::InParts(_)) => "in parts".to_owned(),
                Ok(Way::Resumed(_, id)) => id.to_owned(),
                Err(error) => error.to_string(),
            }
        };
        assert_eq!(way(&[]).await, "in parts");
        assert_eq!(way(&["--start", "open"]).await, "in parts");
        assert_eq!(way(&["--start", "manual"]).await, "at once");
        assert_eq!(way(&["--format", "json"]).await, "at once");
        assert_eq!(way(&["--resume", "b"]).await, "b");
        assert!(
            way(&["--resume", "b", "--start", "8h"])
                .await
                .contains("--start can be auto or open")
        );
        assert!(
            way(&["--resume", "b", "--format", "json"])
                .await
                .contains("one request")
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused_here() {
        for flags in [
            ["--start", "tomorrow"],
            ["--rate", "0"],
            ["--failure-threshold", "101%"],
            ["--deadline", "soon"],
            ["--max-attempts", "0"],
            ["--retention", "30d"],
            ["--on-complete-when", "success"],
        ] {
            let words = ["submit", "f", "--job-type", "echo"];
            assert!(
                Line::try_parse_from(words.iter().chain(&flags)).is_err(),
                "{flags:?}"
            );
        }
    }
}
