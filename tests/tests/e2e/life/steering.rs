//! Pause, resume, cancel, delete.

use std::time::Duration;

use flotilla_tests::{Sandbox, eventually};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::backend::{Backend, Mode};
use crate::engine::{Deployment, Engine, PATIENCE, on_both_engines};
use crate::workload::{Ledger, plain};

on_both_engines!(
    pause_is_quick_and_quiet_and_resume_runs_the_rest_once,
    what_runs_finishes_on_pause,
    cancel_interrupts_what_runs,
    cancel_kills_the_processes_of_a_command,
    commands_are_idempotent_and_recorded,
    a_running_batch_is_deleted_by_force_only,
);

fn items(count: u32, ms: u64) -> Vec<Value> {
    (0..count).map(|n| json!({"n": n, "ms": ms})).collect()
}

async fn pause_is_quick_and_quiet_and_resume_runs_the_rest_once(engine: Engine) {
    const ITEMS: u32 = 100_000;
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::new(folder.path());
    let deployment = Deployment::start(engine, &ledger.config()).await;
    let client = deployment.client();
    let batch = client.submit("ledger", plain(ITEMS)).await;
    client
        .until(&batch, "some progress", PATIENCE, |batch| {
            batch["counts"]["succeeded"].as_u64() >= Some(u64::from(ITEMS / 20))
        })
        .await;

    let asked = Instant::now();
    let paused = client.act(&batch, "pause", None).await;
    assert_eq!(paused["state"], "paused");
    let (last, noted) = at_rest(Duration::from_secs(2), async || ledger.len()).await;
    let quiet = last.saturating_duration_since(asked);
    println!("{engine:?}: paused after {quiet:?}");
    assert!(quiet < Duration::from_secs(3), "items started for {quiet:?}");
    let counts = client.batch(&batch).await["counts"].clone();
    let sum = counts["succeeded"].as_u64().unwrap() + counts["pending"].as_u64().unwrap();
    assert_eq!(sum, u64::from(ITEMS), "nothing is in flight: {counts}");
    assert_eq!(client.reasons(&batch).await, ["paused"]);
    if let Some(sandbox) = &deployment.sandbox {
        nothing_churns(sandbox).await;
    }
    assert_eq!(ledger.len(), noted, "nothing ran while it was paused");

    let resumed = client.act(&batch, "resume", None).await;
    assert_eq!(resumed["state"], "processing");
    let result = client.result(&batch, PATIENCE).await;
    assert_eq!(result["result_summary"]["succeeded"], ITEMS, "{result}");
    let calls = ledger.calls();
    assert_eq!(calls.len(), ITEMS as usize);
    let twice = calls.values().filter(|&&calls| calls != 1).count();
    assert_eq!(twice, 0, "no fault, so no item runs twice");
    deployment.end().await;
}

/// The broker holds nothing of the paused batch, and moves nothing: its own counters stand still.
async fn nothing_churns(sandbox: &Sandbox) {
    let queue = "flotilla.work.v2.default";
    eventually("an empty work queue", PATIENCE, || async {
        let queue = sandbox.management().queue(queue).await?;
        (queue["messages"] == 0).then_some(())
    })
    .await;
    // The statistics are up to date once they have said the same for longer than they take to be gathered.
    let deliveries = async || {
        let queue = sandbox.management().queue(queue).await.expect("the queue exists");
        let stats = &queue["message_stats"];
        ["publish", "deliver", "redeliver", "ack"].map(|name| stats[name].as_u64().unwrap_or(0))
    };
    let (_, [.., redelivered, _]) = at_rest(Duration::from_secs(6), deliveries).await;
    assert_eq!(redelivered, 0, "held deliveries were settled, not requeued");
}

/// Waits until `probe` has said the same for `rest`. Answers what it says, and when it last said something else.
async fn at_rest<T: PartialEq>(rest: Duration, probe: impl AsyncFn() -> T) -> (Instant, T) {
    let began = Instant::now();
    let mut last = (began, probe().await);
    while last.0.elapsed() < rest {
        assert!(began.elapsed() < PATIENCE, "it does not come to rest");
        tokio::time::sleep(Duration::from_millis(20)).await;
        let now = probe().await;
        if now != last.1 {
            last = (Instant::now(), now);
        }
    }
    last
}

async fn what_runs_finishes_on_pause(engine: Engine) {
    let backend = Backend::start().await;
    let deployment = Deployment::start(engine, &backend.job_type("work", "")).await;
    let client = deployment.client();
    backend.set(Mode::Hold);
    let batch = client
        .create(json!({"job_type": "work", "concurrency": 4}), items(50, 0))
        .await;
    eventually("four items to run", PATIENCE, || async {
        (backend.running() == 4).then_some(())
    })
    .await;
    client.act(&batch, "pause", None).await;
    backend.set(Mode::Answer);
    let paused = client
        .until(&batch, "the four to finish", PATIENCE, |batch| {
            batch["counts"]["succeeded"] == 4
        })
        .await;
    assert_eq!(paused["state"], "paused");
    assert_eq!(paused["paused"]["reason"], "requested");
    assert_eq!(paused["paused"]["by"], "ann");
    assert_eq!((backend.count(), backend.dropped()), (4, 0));
    client.act(&batch, "resume", None).await;
    client.result(&batch, PATIENCE).await;
    assert_eq!(backend.count(), 50);
    deployment.end().await;
}

async fn cancel_interrupts_what_runs(engine: Engine) {
    let backend = Backend::start().await;
    let deployment = Deployment::start(engine, &backend.job_type("work", "")).await;
    let client = deployment.client();
    let batch = client
        .create(json!({"job_type": "work", "concurrency": 4}), items(1_000, 0))
        .await;
    eventually("some items to succeed", PATIENCE, || async {
        (backend.count() > 20).then_some(())
    })
    .await;
    backend.set(Mode::Hold);
    eventually("four items to be held", PATIENCE, || async {
        (backend.held() == 4).then_some(())
    })
    .await;
    let asked = Instant::now();
    let answer = client.act(&batch, "cancel", None).await;
    assert!(
        answer["state"] == "cancelling" || answer["state"] == "cancelled",
        "{answer}"
    );
    let result = client.result(&batch, PATIENCE).await;
    let took = asked.elapsed();
    println!("{engine:?}: cancelled in {took:?}");
    assert_eq!(
        (backend.running(), backend.dropped()),
        (0, 4),
        "requests are dropped"
    );
    assert!(
        took < Duration::from_secs(9),
        "without waiting for the grace time: {took:?}"
    );
    let summary = &result["result_summary"];
    let sum = summary["succeeded"].as_u64().unwrap() + summary["cancelled"].as_u64().unwrap();
    assert_eq!((sum, &summary["failed"]), (1_000, &json!(0)), "{summary}");
    assert_eq!(client.batch(&batch).await["state"], "cancelled");
    let states: Vec<_> = client.items(&batch).await;
    let cancelled = states.iter().filter(|item| item["state"] == "cancelled").count();
    assert_eq!(Some(cancelled as u64), summary["cancelled"].as_u64());
    deployment.end().await;
}

async fn cancel_kills_the_processes_of_a_command(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    let script = folder.path().join("sleep.sh");
    // A child of its own: the whole group has to go.
    let text = format!(
        "sleep 600 & echo $! >> '{}'; echo $$ >> '{}'; wait\n",
        pids.display(),
        pids.display()
    );
    std::fs::write(&script, text).unwrap();
    let config = format!(
        "[job_types.long]\nhandler = {{ kind = \"exec\", command = [\"sh\", \"{}\"] }}\n",
        script.display()
    );
    let deployment = Deployment::start(engine, &config).await;
    let client = deployment.client();
    let batch = client.create(json!({"job_type": "long"}), items(3, 0)).await;
    let running = || -> Vec<u32> {
        let text = std::fs::read_to_string(&pids).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    };
    eventually("three commands and their children", PATIENCE, || async {
        (running().len() == 6).then_some(())
    })
    .await;
    client.act(&batch, "cancel", None).await;
    client.result(&batch, PATIENCE).await;
    eventually("all of them to be gone", PATIENCE, || async {
        let left = running()
            .into_iter()
            .filter(|pid| std::path::Path::new(&format!("/proc/{pid}")).exists())
            .count();
        (left == 0).then_some(())
    })
    .await;
    deployment.end().await;
}

async fn commands_are_idempotent_and_recorded(engine: Engine) {
    let backend = Backend::start().await;
    let deployment = Deployment::start(engine, &backend.job_type("work", "")).await;
    let client = deployment.client();
    backend.set(Mode::Hold);
    let batch = client
        .create(json!({"job_type": "work", "concurrency": 1}), items(20, 0))
        .await;
    for action in ["pause", "pause", "resume", "resume", "pause", "cancel", "cancel"] {
        client.act(&batch, action, None).await;
    }
    client.result(&batch, PATIENCE).await;
    let history = client.json(&format!("/v1/batches/{batch}/history")).await;
    let events: Vec<(&str, &str)> = history["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| (event["action"].as_str().unwrap(), event["by"].as_str().unwrap()))
        .filter(|(action, _)| *action != "seal")
        .collect();
    let expected = [
        ("pause", "ann"),
        ("resume", "ann"),
        ("pause", "ann"),
        ("cancel", "ann"),
        ("end", "flotilla"),
    ];
    assert_eq!(events, expected);
    for (action, expected) in [("pause", 409), ("resume", 409), ("run", 409), ("cancel", 200)] {
        let path = format!("/v1/batches/{batch}/{action}");
        let (status, problem) = client.request(Method::POST, &path, None).await;
        assert_eq!(status.as_u16(), expected, "{action}: {problem}");
        if expected == 409 {
            assert!(
                problem["detail"].as_str().unwrap().contains("cancelled"),
                "{problem}"
            );
        }
    }
    let elsewhere = format!("/v1/batches/{batch}/pause?space=other");
    let (status, _) = client.request(Method::POST, &elsewhere, None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    deployment.end().await;
}

async fn a_running_batch_is_deleted_by_force_only(engine: Engine) {
    let backend = Backend::start().await;
    let deployment = Deployment::start(engine, &backend.job_type("work", "")).await;
    let client = deployment.client();
    backend.set(Mode::Hold);
    let batch = client.create(json!({"job_type": "work"}), items(3_000, 0)).await;
    eventually("items to run", PATIENCE, || async {
        (backend.running() > 0).then_some(())
    })
    .await;
    let path = format!("/v1/batches/{batch}");
    let (status, problem) = client.request(Method::DELETE, &path, None).await;
    assert_eq!(status, StatusCode::CONFLICT, "{problem}");
    let (status, _) = client
        .request(Method::DELETE, &format!("{path}?force=true"), None)
        .await;
    assert!(status.is_success());
    let (status, _) = client.request(Method::GET, &path, None).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "gone at once");
    eventually("what ran to be interrupted", PATIENCE, || async {
        (backend.running() == 0).then_some(())
    })
    .await;
    if let Some(sandbox) = &deployment.sandbox {
        eventually("every row to be removed", PATIENCE, || async {
            let rows = sandbox
                .sql(
                    "SELECT (SELECT count(*) FROM batches) + (SELECT count(*) FROM batch_items)
                          + (SELECT count(*) FROM batch_outcomes) + (SELECT count(*) FROM item_retries)",
                    &[],
                )
                .await;
            (rows[0].get::<_, i64>(0) == 0).then_some(())
        })
        .await;
        eventually("the live view to forget it", PATIENCE, || async {
            let keys = sandbox.redis_keys().await;
            (!keys.iter().any(|key| key.contains(":progress:"))).then_some(())
        })
        .await;
    }
    let (status, _) = client.request(Method::DELETE, &path, None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    deployment.end().await;
}
