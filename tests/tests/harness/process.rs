//! Processes: what they write, what they get, how they end. A shell stands in for the program.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use flotilla_tests::process::FlotillaCommand;
use flotilla_tests::{Flotilla, Signal, eventually};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn output_environment_and_input_are_controlled() {
    let folder = folder();
    let script = "cat; echo error >&2; pwd; env; exit 3";
    let command = shell(script).env("GIVEN", "yes").stdin("input\n");
    let output = command.output(folder.path(), SOON).await;
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(output.stderr, "error\n");
    let lines: Vec<&str> = output.stdout.lines().collect();
    let here = folder.path().canonicalize().unwrap();
    assert_eq!((lines[0], Path::new(lines[1])), ("input", here.as_path()));
    assert!(lines.contains(&"GIVEN=yes"));
    assert!(
        !lines.iter().any(|line| line.starts_with("CARGO")),
        "the environment of the test is not passed on"
    );
}

#[tokio::test]
async fn a_line_in_the_log_can_be_waited_for() {
    let folder = folder();
    let mut process = shell("echo listening on 1234 >&2; exec sleep 60").start(folder.path());
    assert_eq!(
        process.wait_for_log("listening on", SOON).await,
        "listening on 1234"
    );
    // For a moment it may still be the shell, which has other pages.
    eventually("its memory to be known", SOON, || async {
        let now = process.rss_bytes();
        (now > 0 && process.rss_peak_bytes() >= now).then_some(())
    })
    .await;
    assert_eq!(process.exited(), None);
    assert_eq!(process.terminate().await.signal(), Some(15));
}

#[tokio::test]
#[should_panic(expected = "ended with exit status: 4 while a test was waiting for `never`")]
async fn nobody_waits_for_the_log_of_a_process_that_ended() {
    let folder = folder();
    shell("exit 4")
        .start(folder.path())
        .wait_for_log("never", Duration::from_secs(3600))
        .await;
}

#[tokio::test]
#[should_panic(expected = "gave up after 50ms, waiting for `never` in the log")]
async fn waiting_for_the_log_ends() {
    let folder = folder();
    shell("exec sleep 60")
        .start(folder.path())
        .wait_for_log("never", Duration::from_millis(50))
        .await;
}

#[tokio::test]
async fn a_frozen_process_continues_and_a_killed_one_is_gone() {
    let folder = folder();
    let mut process =
        shell("trap 'echo caught' USR1; echo ready; while :; do sleep 0.01; done").start(folder.path());
    process.wait_for_log("ready", SOON).await;
    process.signal(Signal::STOP);
    process.signal(Signal::USR1);
    let frozen = || async { state(process.pid()).filter(|state| state == "T") };
    eventually("the process to be frozen", SOON, frozen).await;
    assert!(!process.log().contains("caught"));
    process.signal(Signal::CONT);
    process.wait_for_log("caught", SOON).await;
    process.kill();
    assert_eq!(process.exited().and_then(|status| status.signal()), Some(9));
}

#[tokio::test]
async fn a_process_does_not_outlive_its_value() {
    let folder = folder();
    let process = shell("exec sleep 60").start(folder.path());
    let pid = process.pid();
    assert!(state(pid).is_some());
    drop(process);
    assert_eq!(state(pid), None);
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn shell(script: &str) -> FlotillaCommand {
    Flotilla::command(["-c", script]).program("/bin/sh")
}

/// The third field of `/proc/PID/stat`: `T` is stopped.
fn state(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').next().map(str::to_owned)
}
