//! `flotilla watch` in a pipe.

use flotilla_tests::Signal;
use serde_json::{Value, json};

use super::{PATIENCE, SLOW, broken, command, naps, run};
use crate::engine::{Deployment, Engine, on_both_engines};
use crate::fleet::up;

on_both_engines!(
    lines_say_what_changes_and_how_it_ends,
    what_goes_wrong_and_what_stands_still_is_said_at_once,
    a_space_is_watched_until_nothing_is_active_or_somebody_ends_it
);

async fn lines_say_what_changes_and_how_it_ends(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    let deployment = Deployment::start(engine, "").await;
    let client = deployment.client();
    let fine = naps(client, "naps", 30, 20).await;
    let (code, out, error) = run(client, folder.path(), &["watch", &fine]).await;
    assert_eq!((code, error.as_str()), (0, ""), "{out}");
    assert!(
        out.contains("completed · 30 of 30 (100 %)") && out.contains("30 succeeded, 0 failed"),
        "{out}"
    );
    assert!(!out.contains('\u{1b}'), "no colours in a pipe: {out:?}");

    let bad = broken(client, "broken", 10).await;
    let (code, out, _) = run(client, folder.path(), &["watch", &fine, &bad]).await;
    assert_eq!(code, 1, "{out}");
    assert!(
        out.contains(&format!("{bad} broken: completed · 10 of 10 (100 %) · 5 failed")),
        "{out}"
    );
    assert!(out.contains("5 × no such thing"), "{out}");
    deployment.end().await;
}

#[tokio::test]
async fn objects_are_one_per_line() {
    let folder = tempfile::tempdir().unwrap();
    let (client, _process) = up(folder.path(), SLOW, &[]).await;
    let batch = naps(&client, "naps", 30, 20).await;
    let (code, out, _) = run(&client, folder.path(), &["watch", &batch, "--output", "json"]).await;
    assert_eq!(code, 0, "{out}");
    let lines: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let last = lines.last().expect("a last line");
    assert_eq!(
        (&last["event"], &last["batch"]["id"]),
        (&json!("end"), &json!(batch))
    );
    assert_eq!(last["result"]["result_summary"]["succeeded"], 30);
    let counts = lines
        .iter()
        .map(|line| line["batch"]["counts"]["succeeded"].as_u64());
    assert!(counts.is_sorted(), "{out}");
}

/// Errors are said while the batch runs, and so is why it stands still.
async fn what_goes_wrong_and_what_stands_still_is_said_at_once(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    let deployment = Deployment::start(engine, "").await;
    let client = deployment.client();
    let mut items = vec![json!({"fail": "no such thing", "permanent": true}); 2];
    items.extend(vec![json!({"ms": 500}); 1_000]);
    let batch = client
        .create(json!({"job_type": "sleep", "name": "mixed"}), items)
        .await;
    let mut watch = command(client, &["watch", &batch]).start(folder.path());
    watch.wait_for_log("error: 2 × no such thing", PATIENCE).await;
    client.act(&batch, "pause", None).await;
    watch.wait_for_log("paused by ann", PATIENCE).await;
    watch.wait_for_log("does not move: ", PATIENCE).await;
    client.act(&batch, "cancel", None).await;
    assert_eq!(watch.wait(PATIENCE).await.code(), Some(1), "{}", watch.log());
    assert!(watch.stdout().contains("cancelled · "), "{}", watch.log());
    deployment.end().await;
}

/// Without an id: whatever is active, and what comes.
async fn a_space_is_watched_until_nothing_is_active_or_somebody_ends_it(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    let deployment = Deployment::start(engine, "").await;
    let client = deployment.client();
    let (code, out, _) = run(client, folder.path(), &["watch", "--until-idle"]).await;
    assert_eq!((code, out.as_str()), (0, ""), "nothing is active");

    let mut watch = command(client, &["watch"]).start(folder.path());
    watch.wait_for_log("no batch is active", PATIENCE).await;
    let first = naps(client, "first", 100, 30).await;
    watch.wait_for_log(&format!("{first} first: "), PATIENCE).await;
    let second = naps(client, "second", 100, 30).await;
    for end in [&first, &second] {
        let line = format!(
            "{end} {}: completed",
            if end == &first { "first" } else { "second" }
        );
        watch.wait_for_log(&line, PATIENCE).await;
    }
    watch.signal(Signal::INT);
    assert_eq!(watch.wait(PATIENCE).await.code(), Some(130));

    let third = naps(client, "third", 200, 50).await;
    let (code, out, _) = run(client, folder.path(), &["watch", "--until-idle"]).await;
    assert_eq!(code, 0, "{out}");
    assert!(out.contains(&format!("{third} third: completed")), "{out}");
    assert!(!out.contains(&first), "it had ended before: {out}");
    deployment.end().await;
}

/// Whoever follows a batch while the server is restarted sees its end.
#[tokio::test]
async fn a_restart_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let (client, mut process) = up(folder.path(), SLOW, &[]).await;
    let batch = naps(&client, "naps", 200, 50).await;
    let mut watch = command(&client, &["watch", &batch]).start(folder.path());
    watch.wait_for_log("processing · ", PATIENCE).await;
    process.kill();
    watch
        .wait_for_log("can't reach the Flotilla server", PATIENCE)
        .await;
    let listen = client.server.trim_start_matches("http://").to_owned();
    let (data, config) = (folder.path().join("data"), folder.path().join("flotilla.toml"));
    let (data, config) = (data.display().to_string(), config.display().to_string());
    let arguments = ["up", "--listen", &listen, "--data", &data, "--config", &config];
    let _again = flotilla_tests::Flotilla::command(arguments).start(folder.path());
    assert_eq!(watch.wait(PATIENCE).await.code(), Some(0), "{}", watch.log());
    assert!(watch.stdout().contains("the server is back"), "{}", watch.log());
    assert!(
        watch.stdout().contains("200 succeeded, 0 failed"),
        "{}",
        watch.log()
    );
}
