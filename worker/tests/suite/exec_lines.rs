//! The `exec` handler in lines mode, with real processes.

use std::collections::BTreeSet;
use std::time::Duration;

use flotilla_core::job_type::{ExecMode, ExecSpec};
use flotilla_core::message::Verdict;
use flotilla_core::outcome::{ItemError, ItemErrorKind, Output};
use flotilla_worker::Handler;
use flotilla_worker::handlers::ExecLines;
use serde::Deserialize;
use tempfile::TempDir;

use crate::support::{
    PATIENCE, eventually, failure, judge, may_pass, message, pid, run, run_within, runs, shell,
};

/// Answers `{"pid": …, "line": …}`; obeys a few words.
const SERVER: &str = r#"
while read -r line; do
  case "$line" in
    '"crash"') echo 'out of luck' >&2; exit 3 ;;
    '"leave"') exit 0 ;;
    '"usage"') echo 'no such model' >&2; exit 64 ;;
    '"later"') echo '{"error": "busy", "retry_after_ms": 1500}' ;;
    '"never"') echo '{"error": "bad item", "permanent": true}' ;;
    '"wait"') echo '{"waiting": {"message": "rendering"}}' ;;
    '"refuse"') echo '{"error": "not this one"}' ;;
    '"babble"') echo 'loading model' ;;
    '"surplus"') printf '1\n2\n' ;;
    '"long"') head -c 2000000 /dev/zero | tr '\0' x; echo ;;
    '"hang"') sleep 300 & echo $! > child; wait ;;
    '"chatty"') head -c 300000 /dev/zero >&2; echo '"done"' ;;
    '"slow"') sleep 0.5; echo $$ ;;
    *) printf '{"pid": %s, "line": %s}\n' $$ "$line" ;;
  esac
done"#;

#[derive(Deserialize)]
struct Answer {
    pid: i32,
    line: serde_json::Value,
}

fn server(dir: &TempDir) -> ExecLines {
    ExecLines::new(&ExecSpec {
        mode: ExecMode::Lines,
        ..shell(dir.path(), SERVER)
    })
    .unwrap()
}

async fn ask(server: &ExecLines, input: &str) -> Answer {
    serde_json::from_str(&run(server, input).await.unwrap()).unwrap()
}

#[tokio::test]
async fn one_process_answers_many_items() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(&dir);
    let first = ask(&server, "{\n  \"a\":\r\n 1\n}").await;
    assert_eq!(first.line, serde_json::json!({ "a": 1 }));
    for n in 0..20 {
        let next = ask(&server, &n.to_string()).await;
        assert_eq!((next.pid, next.line), (first.pid, n.into()));
    }
    assert!(runs(first.pid));
    tokio::time::timeout(PATIENCE, server.close()).await.unwrap();
    assert!(!runs(first.pid), "closed with the handler");
}

#[tokio::test]
async fn items_that_run_at_once_have_a_process_each() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(&dir);
    let three = || async {
        let slow = || run(&server, "\"slow\"");
        let (a, b, c) = tokio::join!(slow(), slow(), slow());
        BTreeSet::from([a, b, c].map(Result::unwrap))
    };
    let pids = three().await;
    assert_eq!(pids.len(), 3);
    assert_eq!(three().await, pids, "and keep them");
}

#[tokio::test]
async fn a_crash_fails_the_item_in_hand_only() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(&dir);
    let before = ask(&server, "1").await.pid;
    let message = failure(run(&server, "\"crash\"").await, ItemErrorKind::Handler);
    assert_eq!(message, "exit code 3: out of luck");
    let after = ask(&server, "2").await.pid;
    assert_ne!(before, after);
    let message = failure(run(&server, "\"leave\"").await, ItemErrorKind::Handler);
    assert!(message.contains("ended without an answer"), "{message}");
    assert_ne!(ask(&server, "3").await.pid, after);
}

#[tokio::test]
async fn a_process_that_ended_while_idle_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(&dir);
    let first = ask(&server, "1").await.pid;
    let raw = rustix::process::Pid::from_raw(first).unwrap();
    rustix::process::kill_process(raw, rustix::process::Signal::KILL).unwrap();
    eventually("the process to end", || (!runs(first)).then_some(())).await;
    assert_ne!(ask(&server, "2").await.pid, first);
}

#[tokio::test]
async fn an_error_is_an_answer() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(&dir);
    let before = ask(&server, "1").await.pid;
    let refused = run(&server, "\"refuse\"").await;
    assert_eq!(failure(refused, ItemErrorKind::Handler), "not this one");
    assert_eq!(
        ask(&server, "2").await.pid,
        before,
        "no reason to start another process"
    );
}

#[tokio::test]
async fn a_line_says_whether_another_attempt_may_help() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(&dir);
    let before = ask(&server, "1").await.pid;
    assert!(may_pass(&server, "\"refuse\"").await);
    assert!(!may_pass(&server, "\"never\"").await);
    let mut item = message(0, "\"later\"", PATIENCE);
    let busy = ItemError::new(ItemErrorKind::Handler, "busy");
    assert_eq!(
        judge(&server, &item).await,
        Verdict::Retry {
            error: busy,
            after_ms: Some(1_500)
        }
    );
    item = message(0, "\"wait\"", PATIENCE);
    assert!(
        matches!(judge(&server, &item).await, Verdict::Done(_)),
        "nobody can call back"
    );
    item.callback = Some("http://x".into());
    assert!(
        matches!(judge(&server, &item).await, Verdict::Waiting(told) if told.message.as_deref() == Some("rendering"))
    );
    assert_eq!(ask(&server, "1").await.pid, before, "all of them are answers");
    assert!(may_pass(&server, "\"crash\"").await);
    assert!(!may_pass(&server, "\"usage\"").await);
    assert!(!may_pass(&server, "\"babble\"").await);
}

#[tokio::test]
async fn a_line_can_say_which_item_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let server = ExecLines::new(&ExecSpec {
        mode: ExecMode::Lines,
        envelope: true,
        memory: Some(512 << 20),
        ..shell(dir.path(), SERVER)
    })
    .unwrap();
    let mut item = message(5, "{\n\"a\": 1}", PATIENCE);
    item.callback = Some("http://x/y".into());
    let Verdict::Done(Output::Inline(output)) = judge(&server, &item).await else {
        panic!("no output");
    };
    let line = output.to::<Answer>().unwrap().line;
    assert_eq!(line["key"], "00000000-0000-0000-0000-000000000007:5");
    assert_eq!((&line["attempt"], &line["max_attempts"]), (&2.into(), &3.into()));
    assert_eq!(line["callback_url"], "http://x/y");
    assert_eq!(line["input"], serde_json::json!({ "a": 1 }));
}

#[tokio::test]
async fn who_breaks_the_protocol_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(&dir);
    let mut last = ask(&server, "1").await.pid;
    for (input, expected) in [
        ("\"babble\"", "not JSON"),
        ("\"long\"", "more than 1048576 bytes"),
        ("\"surplus\"", ""),
    ] {
        match run(&server, input).await {
            Ok(output) => assert_eq!((input, output.as_str()), ("\"surplus\"", "1")),
            error => assert!(failure(error, ItemErrorKind::Output).contains(expected)),
        }
        let next = ask(&server, "[2]").await;
        assert_eq!(next.line, serde_json::json!([2]), "not the surplus of {input}");
        assert_ne!(next.pid, last, "{input}");
        last = next.pid;
    }
}

#[tokio::test]
async fn a_timeout_kills_the_process_and_its_children() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(&dir);
    let before = ask(&server, "1").await.pid;
    let answer = run_within(&server, "\"hang\"", Duration::from_millis(500)).await;
    assert_eq!(failure(answer, ItemErrorKind::Timeout), "took longer than 500ms");
    let child = pid(&dir.path().join("child")).await;
    eventually("both to be gone", || {
        (!runs(before) && !runs(child)).then_some(())
    })
    .await;
    assert_ne!(ask(&server, "2").await.pid, before);
}

#[tokio::test]
async fn a_chatty_process_does_not_block_on_stderr() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(run(&server(&dir), "\"chatty\"").await.unwrap(), "\"done\"");
}

#[tokio::test]
async fn dropping_the_handler_ends_its_processes() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(&dir);
    let left = ask(&server, "1").await.pid;
    drop(server);
    eventually("the process to be gone", || (!runs(left)).then_some(())).await;
}
