//! What stops a batch before it does harm, and why a batch waits.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::backend::{Backend, Mode};
use crate::engine::{Deployment, Engine, PATIENCE, on_both_engines};

on_both_engines!(
    too_many_failures_pause_the_batch,
    too_many_failures_fail_the_batch,
    a_canary_waits_for_approval,
    a_batch_without_workers_says_so,
);

fn items(count: u32) -> Vec<Value> {
    (0..count).map(|n| json!({"n": n})).collect()
}

async fn too_many_failures_pause_the_batch(engine: Engine) {
    let backend = Backend::start().await;
    let deployment = Deployment::start(engine, &backend.job_type("work", "")).await;
    let client = deployment.client();
    backend.set(Mode::Refuse(500, None));
    let options = json!({
        "job_type": "work", "concurrency": 5,
        "failure_threshold": {"percent": 20, "min_sample": 30},
    });
    let batch = client.create(options, items(500)).await;
    let paused = client
        .until(&batch, "the guard rail", PATIENCE, |batch| {
            batch["state"] == "paused"
        })
        .await;
    assert_eq!(paused["paused"]["reason"], "failure_threshold", "{paused}");
    assert_eq!(paused["paused"]["by"], "flotilla");
    let failed = paused["counts"]["failed"].as_u64().unwrap();
    assert!(
        (30..=60).contains(&failed),
        "{failed} failed before it was paused"
    );
    // Beside what still runs.
    assert!(client.reasons(&batch).await.contains(&"paused".to_owned()));

    // Resumed, it counts anew: what failed before is not held against it.
    backend.set(Mode::Answer);
    client.act(&batch, "resume", None).await;
    let result = client.result(&batch, PATIENCE).await;
    assert!(
        result["result_summary"]["failed"].as_u64().unwrap() <= 60,
        "{result}"
    );
    assert_eq!(client.batch(&batch).await["state"], "completed");
    deployment.end().await;
}

async fn too_many_failures_fail_the_batch(engine: Engine) {
    let backend = Backend::start().await;
    let deployment = Deployment::start(engine, &backend.job_type("work", "")).await;
    let client = deployment.client();
    backend.set(Mode::Refuse(500, None));
    let options = json!({
        "job_type": "work", "concurrency": 5,
        "failure_threshold": {"count": 10, "action": "fail"},
    });
    let batch = client.create(options, items(2_000)).await;
    let result = client.result(&batch, PATIENCE).await;
    let summary = &result["result_summary"];
    assert!(summary["cancelled"].as_u64().unwrap() > 1_900, "{summary}");
    let ended = client.batch(&batch).await;
    assert_eq!(ended["state"], "failed");
    assert!(ended["error"].as_str().unwrap().contains("threshold"), "{ended}");

    // Whatever has not succeeded runs again when a person says so.
    backend.set(Mode::Answer);
    let body = json!({"states": ["failed", "cancelled"]});
    client.act(&batch, "retry", Some(body)).await;
    let ended = client
        .until(&batch, "all to succeed", PATIENCE, |batch| {
            batch["counts"]["succeeded"] == 2_000 && batch["state"] == "completed"
        })
        .await;
    assert_eq!(ended["error"], Value::Null, "{ended}");
    deployment.end().await;
}

async fn a_canary_waits_for_approval(engine: Engine) {
    let backend = Backend::start().await;
    let deployment = Deployment::start(engine, &backend.job_type("work", "")).await;
    let client = deployment.client();
    let batch = client
        .create(json!({"job_type": "work", "canary": 7}), items(300))
        .await;
    let paused = client
        .until(&batch, "the canary", PATIENCE, |batch| batch["state"] == "paused")
        .await;
    assert_eq!(paused["paused"]["reason"], "canary", "{paused}");
    assert_eq!((backend.count(), &paused["counts"]["succeeded"]), (7, &json!(7)));
    client.act(&batch, "resume", None).await;
    client.result(&batch, PATIENCE).await;
    assert_eq!(backend.count(), 300);
    deployment.end().await;
}

async fn a_batch_without_workers_says_so(engine: Engine) {
    let backend = Backend::start().await;
    let config = backend.job_type("work", "pool = \"gpu\"");
    let deployment = Deployment::start(engine, &config).await;
    let client = deployment.client();
    let batch = client.create(json!({"job_type": "work"}), items(10)).await;
    if engine == Engine::Embedded {
        // Everything in one process belongs to every pool.
        client.result(&batch, PATIENCE).await;
        assert!(client.reasons(&batch).await.is_empty());
    } else {
        flotilla_tests::eventually("the reason", PATIENCE, || async {
            client
                .reasons(&batch)
                .await
                .contains(&"no_worker".to_owned())
                .then_some(())
        })
        .await;
        assert_eq!(backend.count(), 0);
    }
    let (status, _) = client
        .request(
            Method::GET,
            &format!("/v1/batches/{batch}/explain?space=other"),
            None,
        )
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    deployment.end().await;
}
