//! `flotilla top` as somebody sees it who sits in front of it.

use flotilla_tests::{Signal, eventually};
use serde_json::Value;

use super::{PATIENCE, SLOW, command, naps, run};
use crate::engine::{Deployment, Engine, on_both_engines};
use crate::fleet::up;

on_both_engines!(a_batch_is_seen_paused_and_cancelled, watch_draws_bars);

/// What is on the screen is what is so, and what is pressed is done.
async fn a_batch_is_seen_paused_and_cancelled(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    let deployment = Deployment::start(engine, "").await;
    let client = deployment.client();
    let options = serde_json::json!({"job_type": "sleep", "name": "long naps"});
    let items = vec![serde_json::json!({"ms": 1_000}); 2_000];
    let batch = client.create(options, items).await;
    let mut top = command(client, &["top"]).start_in_terminal(folder.path(), 80, 24);
    top.until("the batch", PATIENCE, |screen| {
        screen.contains("long naps") && screen.contains("processing") && screen.contains("/2,000")
    })
    .await;
    top.until("its worker", PATIENCE, |screen| {
        screen.contains("16/16") && screen.contains("sleep")
    })
    .await;

    top.press("p");
    client
        .until(&batch, "a pause", PATIENCE, |batch| batch["state"] == "paused")
        .await;
    top.until("the pause", PATIENCE, |screen| screen.contains("paused by"))
        .await;
    top.press("p");
    client
        .until(&batch, "its end", PATIENCE, |batch| {
            batch["state"] == "processing"
        })
        .await;

    top.press("-");
    client
        .until(&batch, "a limit", PATIENCE, |batch| batch["concurrency"].is_u64())
        .await;
    top.press("\r");
    top.until("details", PATIENCE, |screen| {
        screen.contains("DETAILS long naps") && screen.contains("no errors")
    })
    .await;

    top.press("c");
    top.until("a question", PATIENCE, |screen| {
        screen.contains("cancel long naps, for good? y/n")
    })
    .await;
    top.press("n");
    top.until("no question", PATIENCE, |screen| !screen.contains("y/n"))
        .await;
    assert_eq!(
        client.batch(&batch).await["state"],
        "processing",
        "it was not meant"
    );
    top.press("cy");
    client
        .until(&batch, "a cancel", PATIENCE, |batch| {
            batch["state"] == "cancelled"
        })
        .await;
    top.until("the end", PATIENCE, |screen| {
        screen.contains("cancelled") && screen.contains("0 active")
    })
    .await;

    top.press("q");
    assert_eq!(top.wait(PATIENCE).await.code(), Some(0));
    assert!(top.is_as_before());
    deployment.end().await;
}

#[tokio::test]
async fn the_terminal_is_given_back_however_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (client, _process) = up(folder.path(), SLOW, &[]).await;
    naps(&client, "naps", 2_000, 200).await;
    let start = || command(&client, &["top"]).start_in_terminal(folder.path(), 80, 24);
    for (signal, code) in [(Some(Signal::TERM), 143), (Some(Signal::INT), 130), (None, 130)] {
        let mut top = start();
        top.until("the batch", PATIENCE, |screen| screen.contains("naps"))
            .await;
        assert!(!top.is_as_before(), "it has the screen");
        match signal {
            Some(signal) => top.signal(signal),
            None => top.press("\u{3}"),
        }
        assert_eq!(top.wait(PATIENCE).await.code(), Some(code));
        assert!(top.is_as_before(), "after {signal:?}");
    }
}

/// A larger window shows more, and the server may go and come back.
#[tokio::test]
async fn it_lives_through_resizes_and_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let (client, mut process) = up(folder.path(), SLOW, &[]).await;
    naps(&client, "naps", 2_000, 200).await;
    let mut top = command(&client, &["top"])
        .env("NO_COLOR", "1")
        .start_in_terminal(folder.path(), 80, 24);
    top.until("the batch", PATIENCE, |screen| screen.contains("naps"))
        .await;
    top.resize(140, 30);
    top.until("a column of reasons", PATIENCE, |screen| screen.contains("WHY"))
        .await;
    top.resize(30, 8);
    top.until("what fits", PATIENCE, |screen| {
        screen.contains("BATCHES") && !screen.contains("WHY")
    })
    .await;
    top.resize(80, 24);
    process.kill();
    top.until("that nobody answers", PATIENCE, |screen| {
        screen.contains("can't reach the Flotilla server") && screen.contains("naps")
    })
    .await;
    let listen = client.server.trim_start_matches("http://").to_owned();
    let (data, config) = (folder.path().join("data"), folder.path().join("flotilla.toml"));
    let (data, config) = (data.display().to_string(), config.display().to_string());
    let arguments = ["up", "--listen", &listen, "--data", &data, "--config", &config];
    let _again = flotilla_tests::Flotilla::command(arguments).start(folder.path());
    top.until("the server again", PATIENCE, |screen| {
        !screen.contains("can't reach") && screen.contains("naps")
    })
    .await;
    top.press("q");
    assert_eq!(top.wait(PATIENCE).await.code(), Some(0));
    let written = top.written();
    assert!(
        !written.contains("\u{1b}[38;5;") && !written.contains("\u{1b}[36m"),
        "NO_COLOR"
    );
}

#[tokio::test]
async fn without_a_terminal_it_says_what_to_use() {
    let folder = tempfile::tempdir().unwrap();
    let (client, _process) = up(folder.path(), SLOW, &[]).await;
    let (code, out, error) = run(&client, folder.path(), &["top"]).await;
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(error.contains("flotilla watch"), "{error}");
}

/// Bars are for terminals: one per batch, and the verdict stays.
async fn watch_draws_bars(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    let deployment = Deployment::start(engine, "").await;
    let client = deployment.client();
    let first = naps(client, "first", 40, 50).await;
    let second = super::broken(client, "second", 10).await;
    // By their names: the second one may have ended already.
    let watch = command(client, &["watch", &first, &second]);
    let mut watch = watch.start_in_terminal(folder.path(), 120, 24);
    assert_eq!(watch.wait(PATIENCE).await.code(), Some(1), "items failed");
    eventually("the verdicts", PATIENCE, || {
        let screen = watch.screen();
        let is_there = screen.contains("40 succeeded, 0 failed")
            && screen.contains("5 succeeded, 5 failed")
            && screen.contains("━");
        async move { is_there.then_some(()) }
    })
    .await;
    assert!(watch.is_as_before());
    let listed: Value = client.json("/v1/batches?state=completed").await;
    assert_eq!(listed["batches"].as_array().unwrap().len(), 2);
    deployment.end().await;
}
