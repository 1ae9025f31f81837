//! The program `servers`: it exits as its command did, and leaves nothing behind, however it ends.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flotilla_tests::process::FlotillaCommand;
use flotilla_tests::{Flotilla, Signal, eventually};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(30);

/// Says where it runs and what it started, and stays.
const STAY: &str =
    "sh -c 'echo $FLOTILLA_TEST_FOLDER $FLOTILLA_TEST_REDIS_URL $$ here; exec sleep 600'; exit 9";

#[tokio::test]
async fn it_exits_as_its_command_did() {
    let folder = tempfile::tempdir().unwrap();
    let output = servers("echo $FLOTILLA_TEST_FOLDER; exit 7")
        .output(folder.path(), SOON)
        .await;
    assert_eq!(output.status.code(), Some(7), "{}", output.stderr);
    assert!(output.stdout.contains("flotilla-servers-"));
    assert!(!Path::new(output.stdout.trim()).exists());
}

#[tokio::test]
async fn it_reports_a_command_that_does_not_exist() {
    let folder = tempfile::tempdir().unwrap();
    let command = Flotilla::command(["--only", "redis", "--", "/no/such/command"]).program(program());
    let output = command.output(folder.path(), SOON).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        output.stderr.contains("starting /no/such/command"),
        "{}",
        output.stderr
    );
}

#[tokio::test]
async fn it_cleans_up_when_it_is_told_to_end() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129)] {
        let mut running = Running::start().await;
        running.process.signal(signal);
        assert_eq!(running.process.wait(SOON).await.code(), Some(code));
        running.assert_gone();
        assert!(
            !is_running(running.grandchild),
            "what the command started is told to end, too"
        );
    }
}

#[tokio::test]
async fn it_kills_a_command_that_does_not_obey() {
    let script = "trap '' TERM INT; echo deaf $FLOTILLA_TEST_FOLDER; while :; do sleep 0.1; done";
    let folder = tempfile::tempdir().unwrap();
    let mut process = servers(script).start(folder.path());
    let line = process.wait_for_log("deaf ", SOON).await;
    process.signal(Signal::TERM);
    assert_eq!(process.wait(Duration::from_secs(60)).await.code(), Some(143));
    assert!(!Path::new(line.trim_start_matches("deaf ")).exists());
}

#[tokio::test]
async fn the_next_start_removes_what_a_killed_one_left() {
    let mut running = Running::start().await;
    running.process.kill();
    assert!(running.data.exists());
    assert!(answers(&running.redis));
    let output = servers("true").output(running.folder.path(), SOON).await;
    assert_eq!(output.status.code(), Some(0), "{}", output.stderr);
    // Another start at the same time may be the one that does it.
    let gone = || async { (!running.data.exists()).then_some(()) };
    eventually("the leftover to be removed", SOON, gone).await;
    running.assert_gone();
    running.end_command();
}

#[tokio::test]
async fn a_start_leaves_others_alone() {
    let running = Running::start().await;
    let output = servers("true").output(running.folder.path(), SOON).await;
    assert_eq!(output.status.code(), Some(0), "{}", output.stderr);
    assert!(running.data.exists());
    assert!(answers(&running.redis));
    let mut process = running.process;
    assert_eq!(process.terminate().await.code(), Some(143));
}

#[tokio::test]
async fn without_a_command_it_prints_shell_lines_until_it_is_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = Flotilla::command(["--only", "redis"])
        .program(program())
        .start(folder.path());
    process.wait_for_log("waiting for Ctrl-C", SOON).await;
    assert!(
        process
            .stdout()
            .starts_with("export FLOTILLA_TEST_REDIS_URL='redis://127.0.0.1:")
    );
    process.signal(Signal::INT);
    assert_eq!(process.wait(SOON).await.code(), Some(0));
}

/// A running `servers` with a command that stays.
struct Running {
    process: Flotilla,
    data: PathBuf,
    redis: String,
    grandchild: u32,
    folder: TempDir,
}

impl Running {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut process = servers(STAY).start(folder.path());
        let line = process.wait_for_log(" here", SOON).await;
        let words: Vec<&str> = line.split(' ').collect();
        let redis = words[1]
            .trim_start_matches("redis://")
            .trim_end_matches('/')
            .to_owned();
        assert!(answers(&redis));
        Self {
            process,
            data: words[0].into(),
            redis,
            grandchild: words[2].parse().unwrap(),
            folder,
        }
    }

    fn assert_gone(&self) {
        assert!(!self.data.exists(), "{} still exists", self.data.display());
        assert!(!answers(&self.redis), "Redis still runs");
    }

    /// Nobody was left to end the command; its only purpose is to wait for the grandchild.
    fn end_command(&self) {
        let pid = i32::try_from(self.grandchild)
            .ok()
            .and_then(rustix::process::Pid::from_raw)
            .unwrap();
        rustix::process::kill_process(pid, Signal::KILL).unwrap();
    }
}

fn program() -> &'static str {
    env!("CARGO_BIN_EXE_servers")
}

/// Redis is enough: what is tested here does not depend on which servers there are.
fn servers(script: &str) -> FlotillaCommand {
    Flotilla::command(["--only", "redis", "sh", "-c", script]).program(program())
}

fn answers(address: &str) -> bool {
    std::net::TcpStream::connect(address).is_ok()
}

/// A process that nobody waited for yet has no command line any more.
fn is_running(pid: u32) -> bool {
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}
