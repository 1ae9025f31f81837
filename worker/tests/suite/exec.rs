//! The `exec` handler in command mode, with real processes.

use std::future::pending;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use flotilla_core::job_type::ExecSpec;
use flotilla_core::message::{Verdict, Waiting};
use flotilla_core::outcome::ItemErrorKind;
use flotilla_core::{Shutdown, Tasks};
use flotilla_worker::handlers::Exec;
use flotilla_worker::{ItemContext, attempt};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::support::{
    PATIENCE, eventually, failure, judge, may_pass, message, pid, run, run_within, runs, shell,
};

fn exec(command: &[&str]) -> Exec {
    Exec::new(&ExecSpec::new(
        command.iter().map(|&part| part.to_owned()).collect(),
    ))
    .unwrap()
}

fn sh(dir: &TempDir, script: &str) -> Exec {
    Exec::new(&shell(dir.path(), script)).unwrap()
}

#[tokio::test]
async fn an_item_arrives_as_arguments_stdin_and_environment() {
    let script =
        r#"printf '%s|%s|%s|%s|%s|' "$1" "$FLOTILLA_KEY" "$FLOTILLA_ATTEMPT" "$TRACEPARENT" "$EXTRA"; cat"#;
    let mut spec = ExecSpec::new(
        ["sh", "-c", script, "sh", "in/{path}"]
            .map(str::to_owned)
            .to_vec(),
    );
    spec.env.insert("EXTRA".into(), "own".into());
    let output = run(&Exec::new(&spec).unwrap(), r#"{ "path": "a b.png" }"#)
        .await
        .unwrap();
    let output: String = serde_json::from_str(&output).unwrap();
    assert_eq!(
        output,
        "in/a b.png|00000000-0000-0000-0000-000000000007:12|2|\
         00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01|own|{ \"path\": \"a b.png\" }"
    );
}

/// The worker's settings contain credentials. Runs itself again, with such a setting.
#[tokio::test]
async fn the_settings_of_the_worker_stay_with_it() {
    const TEST: &str = "exec::the_settings_of_the_worker_stay_with_it";
    if std::env::var_os("FLOTILLA_BROKER_URL").is_some() {
        let environment = run(&exec(&["env"]), "1").await.unwrap();
        assert!(environment.contains("FLOTILLA_BATCH="), "{environment}");
        assert!(!environment.contains("FLOTILLA_BROKER_URL"), "{environment}");
        assert!(!environment.contains("hunter2"), "{environment}");
        return;
    }
    let again = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args([TEST, "--exact"])
        .env("FLOTILLA_BROKER_URL", "amqp://flotilla:hunter2@localhost")
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&again.stdout);
    assert!(again.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test]
async fn no_item_can_inject_shell_code() {
    let dir = tempfile::tempdir().unwrap();
    let hostile = [
        "$(touch pwned)",
        "`touch pwned`",
        "; touch pwned;",
        "'; touch pwned; '",
        "\"; touch pwned; \"",
        "a  b\t* ?\n| touch pwned &",
        "\\\"$(touch pwned)\\'",
        "${x:=$(touch pwned)}",
        "-n",
        "",
    ];
    let templates = [
        "printf '<%s>' {v}",
        "printf '<%s>' \"{v}\"",
        "printf '<%s>' '{v}'",
        "x=\"$(printf '<%s>' {v})\"; printf %s \"$x\"",
    ];
    for template in templates {
        let handler = sh(&dir, template);
        for value in hostile {
            let item = serde_json::json!({ "v": value }).to_string();
            let output: String = serde_json::from_str(&run(&handler, &item).await.unwrap()).unwrap();
            assert_eq!(output, format!("<{value}>"), "{template}");
        }
    }
    assert!(!dir.path().join("pwned").exists());
    // Without a shell there is nothing to inject into at all.
    let direct = exec(&["printf", "<%s>", "{v}"]);
    assert_eq!(run(&direct, r#"{"v": "$(id)"}"#).await.unwrap(), r#""<$(id)>""#);
}

#[tokio::test]
async fn what_does_not_fit_the_command_fails_the_item() {
    let handler = exec(&["echo", "{path}"]);
    let message = failure(run(&handler, r#"{"file": "x"}"#).await, ItemErrorKind::Invalid);
    assert!(
        message.contains("\"path\"") && message.ends_with("it has file"),
        "{message}"
    );
    let message = failure(
        run(&handler, r#"{"path": "a\u0000b"}"#).await,
        ItemErrorKind::Invalid,
    );
    assert!(message.contains("NUL"), "{message}");
    let long = format!(r#"{{"path": "{}"}}"#, "x".repeat(3 << 20));
    let message = failure(run(&handler, &long).await, ItemErrorKind::Invalid);
    assert!(message.contains("stdin"), "{message}");
}

#[tokio::test]
async fn input_that_is_not_read_is_no_error() {
    let input = format!("\"{}\"", "x".repeat(4 << 20));
    assert_eq!(run(&exec(&["true"]), &input).await.unwrap(), "null");
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(
        run(&sh(&dir, "head -c 3; echo"), &input).await.unwrap(),
        r#""\"xx""#
    );
    assert_eq!(run(&exec(&["cat"]), "\"\u{e9}\"").await.unwrap(), "\"é\"");
}

#[tokio::test]
async fn output_is_bounded_and_must_be_text() {
    let mut spec = ExecSpec::new(vec!["yes".into()]);
    spec.max_output_bytes = 100_000;
    let message = failure(run(&Exec::new(&spec).unwrap(), "1").await, ItemErrorKind::Output);
    assert!(message.contains("100000 bytes"), "{message}");
    let message = failure(run(&exec(&["printf", "\\377"]), "1").await, ItemErrorKind::Output);
    assert!(message.contains("UTF-8"), "{message}");
    let just = exec(&["head", "-c", "1048576", "/dev/zero"]);
    assert!(run(&just, "1").await.is_ok());
}

#[tokio::test]
async fn a_failed_command_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let said = async |script: &str| failure(run(&sh(&dir, script), "1").await, ItemErrorKind::Handler);
    assert_eq!(
        said("echo out; echo no such file >&2; exit 3").await,
        "exit code 3: no such file"
    );
    assert_eq!(said("exit 4").await, "exit code 4, without a word on stderr");
    assert!(
        said("kill -9 $$")
            .await
            .starts_with("killed by signal 9 (SIGKILL")
    );
    let long = said("yes xxxxxxx | head -c 1000000 >&2; echo the end >&2; exit 1").await;
    assert!(
        long.starts_with("exit code 1: …") && long.ends_with("the end"),
        "{long}"
    );
}

#[tokio::test]
async fn exit_codes_say_whether_another_attempt_may_help() {
    let dir = tempfile::tempdir().unwrap();
    for (script, expected) in [
        ("exit 1", true),
        ("exit 64", false),
        ("exit 65", false),
        ("exit 127", true),
        ("kill -9 $$", true),
        ("printf '\\377'", false),
    ] {
        assert_eq!(may_pass(&sh(&dir, script), "1").await, expected, "{script}");
    }
    let mut spec = shell(dir.path(), "exit 3");
    spec.permanent_exit_codes = vec![3];
    assert!(!may_pass(&Exec::new(&spec).unwrap(), "1").await);
    assert!(may_pass(&exec(&["no-such-program-x"]), "1").await);
    assert!(
        !may_pass(&exec(&["echo", "{path}"]), "1").await,
        "it has no such field"
    );
}

#[tokio::test]
async fn a_command_can_hand_its_item_over() {
    let dir = tempfile::tempdir().unwrap();
    let script = r#"printf '{{"timeout_ms": 5000, "message": "%s"}}' "$FLOTILLA_CALLBACK_URL $FLOTILLA_MAX_ATTEMPTS"; exit 75"#;
    let mut spec = shell(dir.path(), script);
    spec.waiting_exit_code = Some(75);
    let mut item = message(0, "1", PATIENCE);
    item.callback = Some("http://x/y".into());
    let verdict = judge(&Exec::new(&spec).unwrap(), &item).await;
    assert_eq!(
        verdict,
        Verdict::Waiting(Waiting {
            timeout_ms: Some(5_000),
            progress: None,
            message: Some("http://x/y 3".into())
        })
    );
    let mut spec = shell(dir.path(), "echo started; exit 75");
    spec.waiting_exit_code = Some(75);
    let verdict = judge(&Exec::new(&spec).unwrap(), &item).await;
    assert_eq!(verdict, Verdict::Waiting(Waiting::default()));
}

#[tokio::test]
async fn a_command_can_be_given_a_memory_ceiling() {
    let dir = tempfile::tempdir().unwrap();
    let limited = |mut spec: ExecSpec| {
        spec.memory = Some(64 << 20);
        Exec::new(&spec).unwrap()
    };
    // The shell and what it starts have the same ceiling.
    let hungry = limited(shell(
        dir.path(),
        "head -c 200000000 /dev/zero | tail -c 150000000 > /dev/null",
    ));
    let said = failure(run(&hungry, "1").await, ItemErrorKind::Handler);
    assert!(
        said.contains("perhaps because it needs more than its memory = \"64MiB\""),
        "{said}"
    );
    let modest = limited(shell(dir.path(), "echo {}"));
    assert_eq!(run(&modest, "\"a  b\"").await.unwrap(), "\"a  b\"");
    let direct = limited(ExecSpec::new(
        ["printf", "<%s>", "{}", "$(id)"].map(str::to_owned).to_vec(),
    ));
    assert_eq!(run(&direct, "\"a  b\"").await.unwrap(), "\"<a  b><$(id)>\"");
    let missing = limited(ExecSpec::new(vec!["no-such-program-x".into()]));
    let said = failure(run(&missing, "1").await, ItemErrorKind::Handler);
    assert!(
        said.contains("exit code 127") && said.contains("no-such-program-x"),
        "{said}"
    );
}

#[tokio::test]
async fn a_command_that_can_not_start_says_what_to_look_at() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str, mode| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let said = async |program: &str, dir: Option<&Path>| {
        let spec = ExecSpec {
            dir: dir.map(Path::to_owned),
            ..ExecSpec::new(vec![program.to_owned()])
        };
        failure(
            run(&Exec::new(&spec).unwrap(), "1").await,
            ItemErrorKind::Unreachable,
        )
    };
    let missing = said("no-such-program-x", None).await;
    assert!(
        missing.contains("\"no-such-program-x\" was not found in the PATH"),
        "{missing}"
    );
    assert!(
        said("./nothing", Some(dir.path()))
            .await
            .contains("does not exist")
    );
    assert!(
        said("true", Some(Path::new("/no/such/dir")))
            .await
            .contains("/no/such/dir: no such directory")
    );
    assert!(
        said(&file("plain", "#!/bin/sh\n", 0o644), None)
            .await
            .contains("chmod +x")
    );
    assert!(
        said(&file("script", "#!/no/interpreter\n", 0o755), None)
            .await
            .contains("interpreter")
    );
}

#[tokio::test]
async fn a_timeout_kills_everything_that_was_started() {
    let dir = tempfile::tempdir().unwrap();
    let script = "trap '' TERM; sleep 300 & echo $! > child; (sleep 301 & echo $! > grandchild; wait) & echo $$ > leader; wait; wait";
    let began = Instant::now();
    let answer = run_within(&sh(&dir, script), "1", Duration::from_millis(700)).await;
    assert_eq!(failure(answer, ItemErrorKind::Timeout), "took longer than 700ms");
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    for name in ["child", "grandchild", "leader"] {
        let pid = pid(&dir.path().join(name)).await;
        eventually("the killed process to be gone", || (!runs(pid)).then_some(())).await;
    }
    let leader = pid(&dir.path().join("leader")).await;
    assert!(
        !Path::new(&format!("/proc/{leader}")).exists(),
        "a zombie is left"
    );
}

#[tokio::test]
async fn a_command_may_clean_up_when_its_time_is_over() {
    let dir = tempfile::tempdir().unwrap();
    let script = "trap 'sleep 0.3; echo done > cleaned; exit 0' TERM; echo ready > ready; sleep 300 & wait";
    let answer = run_within(&sh(&dir, script), "1", Duration::from_secs(1)).await;
    failure(answer, ItemErrorKind::Timeout);
    assert!(dir.path().join("ready").exists());
    assert!(dir.path().join("cleaned").exists());
}

#[tokio::test]
async fn an_abort_stops_the_command_without_a_verdict() {
    let dir = tempfile::tempdir().unwrap();
    let handler = sh(&dir, "echo $$ > leader; sleep 300");
    let (shutdown, message) = (Shutdown::new(), message(0, "1", PATIENCE));
    let item = ItemContext::new(&message);
    let stop = async {
        let leader = pid(&dir.path().join("leader")).await;
        shutdown.abort();
        leader
    };
    let attempt = attempt(&handler, &item, &message.input, pending(), &shutdown);
    let (verdict, leader) = tokio::join!(attempt, stop);
    assert_eq!(verdict, None);
    assert!(!runs(leader));
}

#[tokio::test]
async fn a_dropped_attempt_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let handler = sh(&dir, "sleep 300 & echo $! > child; wait");
    let tasks = Tasks::new(Shutdown::new());
    let attempt = tasks.spawn("attempt", async move { run(&handler, "1").await });
    let child = pid(&dir.path().join("child")).await;
    attempt.abort();
    eventually("the process to be gone", || (!runs(child)).then_some(())).await;
}

#[tokio::test]
async fn processes_left_in_the_background_do_not_hold_an_item_up() {
    let dir = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let holds_the_pipes = sh(&dir, "sleep 300 & echo $! > child; echo '[1]'");
    assert_eq!(run(&holds_the_pipes, "1").await.unwrap(), "[1]");
    let child = pid(&dir.path().join("child")).await;
    eventually("the process to be gone", || (!runs(child)).then_some(())).await;

    let hides = sh(&dir, "sleep 300 <&- >&- 2>&- & echo $! > hidden; echo '[2]'");
    assert_eq!(run(&hides, "1").await.unwrap(), "[2]");
    let hidden = pid(&dir.path().join("hidden")).await;
    eventually("the process to be gone", || (!runs(hidden)).then_some(())).await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test]
async fn many_at_once_do_not_mix() {
    let handler = exec(&["cat"]);
    let runs = (0..50).map(|n| {
        let handler = &handler;
        async move {
            let input = format!("[{n},\"{}\"]", "x".repeat(n * 3_000));
            assert_eq!(run(handler, &input).await.unwrap(), input);
        }
    });
    futures_util::future::join_all(runs).await;
}
