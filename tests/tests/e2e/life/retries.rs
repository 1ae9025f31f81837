//! Failed attempts are repeated, as configured and not otherwise.

use std::time::Duration;

use flotilla_core::{Clock, SystemClock};
use flotilla_tests::eventually;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::backend::{Backend, Mode};
use crate::engine::{Deployment, Engine, PATIENCE, on_both_engines};

on_both_engines!(
    an_outage_of_the_backend_is_survived,
    retry_after_is_honoured_across_a_crash,
    permanent_failures_are_not_repeated,
    an_attempt_that_takes_too_long_is_repeated,
    a_deadline_fails_the_batch,
    failed_items_run_again_in_a_new_revision,
);

fn items(count: u32) -> Vec<Value> {
    (0..count).map(|n| json!({"n": n})).collect()
}

async fn an_outage_of_the_backend_is_survived(engine: Engine) {
    const OUTAGE: Duration = Duration::from_secs(40);
    const ITEMS: u32 = 2_000;
    let backend = Backend::start().await;
    let settings = "max_attempts = 30\nbackoff = { initial = \"1s\", max = \"8s\" }";
    let deployment = Deployment::start(engine, &backend.job_type("work", settings)).await;
    let client = deployment.client();
    backend.set(Mode::Refuse(503, None));
    let batch = client.create(json!({"job_type": "work"}), items(ITEMS)).await;
    eventually("every item to fail once", PATIENCE, || async {
        (backend.attempts().len() == ITEMS as usize).then_some(())
    })
    .await;
    let reasons = client.reasons(&batch).await;
    assert!(reasons.contains(&"backoff".to_owned()), "{reasons:?}");
    let began = Instant::now();
    // The passing of the outage is what is tested.
    tokio::time::sleep(OUTAGE).await;
    backend.set(Mode::Answer);
    let result = client.result(&batch, PATIENCE).await;
    println!("{engine:?}: done {:?} after the outage", began.elapsed() - OUTAGE);
    assert_eq!(result["result_summary"]["succeeded"], ITEMS, "{result}");

    let attempts = backend.attempts();
    let mut made = 0;
    for (key, calls) in &attempts {
        made += calls.len();
        assert!(calls.len() <= 30, "{key}: {} attempts", calls.len());
        for (before, (call, next)) in calls.iter().zip(&calls[1..]).enumerate() {
            assert_eq!(
                (call.attempt, next.attempt),
                (before as u32 + 1, before as u32 + 2),
                "{key}"
            );
            let bound = Duration::from_secs(1 << before.min(3)) + Duration::from_secs(3);
            let rest = next.at - call.at;
            assert!(rest < bound, "{key}: {rest:?} before attempt {}", next.attempt);
        }
    }
    assert_eq!(result["result_summary"]["attempts"], made, "{result}");
    // Full jitter rests half of the bound on average: 0.5, 1, 2, 4, 4, … makes about 13 attempts in 40 s.
    let mean = made as f64 / f64::from(ITEMS);
    println!("{engine:?}: {mean:.1} attempts per item");
    assert!((8.0..20.0).contains(&mean), "{mean} attempts per item");
    deployment.end().await;
}

async fn retry_after_is_honoured_across_a_crash(engine: Engine) {
    let backend = Backend::start().await;
    let settings = "max_attempts = 3\nbackoff = { initial = \"10ms\", max = \"1s\" }";
    let mut deployment = Deployment::start(engine, &backend.job_type("work", settings)).await;
    backend.set(Mode::Refuse(429, Some(6)));
    let batch = deployment
        .client()
        .create(json!({"job_type": "work"}), items(5))
        .await;
    deployment
        .client()
        .until(&batch, "all five to wait", PATIENCE, |batch| {
            batch["counts"]["retrying"] == 5
        })
        .await;
    backend.set(Mode::Answer);
    deployment.crash().await;
    let result = deployment.client().result(&batch, PATIENCE).await;
    assert_eq!(result["result_summary"]["succeeded"], 5, "{result}");
    for (key, calls) in backend.attempts() {
        assert_eq!(calls.len(), 2, "{key}");
        let rest = calls[1].at - calls[0].at;
        assert!(rest > Duration::from_millis(5_900), "{key}: only {rest:?}");
    }
    let item = deployment
        .client()
        .json(&format!("/v1/batches/{batch}/items/0"))
        .await;
    assert_eq!(item["attempts"], 2);
    let history = item["history"].as_array().unwrap();
    assert_eq!(history.len(), 1, "{item}");
    assert!(
        history[0]["error"]["message"].as_str().unwrap().contains("429"),
        "{item}"
    );
    deployment.end().await;
}

async fn permanent_failures_are_not_repeated(engine: Engine) {
    let backend = Backend::start().await;
    let config = [
        backend.job_type("work", "max_attempts = 5\nbackoff = { initial = \"1ms\" }"),
        "[job_types.command]\nhandler = { kind = \"exec\", command = [\"sh\", \"-c\", \"exit {code}\"] }\n\
         max_attempts = 3\nbackoff = { initial = \"1ms\" }\n"
            .to_owned(),
    ];
    let config = config
        .concat()
        .replace("\"exit {code}\"", "\"exit $1\", \"sh\", \"{code}\"");
    let deployment = Deployment::start(engine, &config).await;
    let client = deployment.client();
    let statuses = [
        (400, 1),
        (404, 1),
        (422, 1),
        (408, 5),
        (429, 5),
        (500, 5),
        (503, 5),
    ];
    let items: Vec<_> = statuses
        .iter()
        .map(|(status, _)| json!({"status": status}))
        .collect();
    let batch = client.create(json!({"job_type": "work"}), items).await;
    let result = client.result(&batch, PATIENCE).await;
    assert_eq!(result["result_summary"]["failed"], 7, "{result}");
    let items = client.items(&batch).await;
    for (item, (status, attempts)) in items.iter().zip(statuses) {
        assert_eq!(item["attempts"], attempts, "{status}: {item}");
    }

    let codes = [(1, 3), (64, 1), (65, 1), (75, 3)];
    let items: Vec<_> = codes.iter().map(|(code, _)| json!({"code": code})).collect();
    let batch = client.create(json!({"job_type": "command"}), items).await;
    client.result(&batch, PATIENCE).await;
    for (item, (code, attempts)) in client.items(&batch).await.iter().zip(codes) {
        assert_eq!(item["attempts"], attempts, "exit code {code}: {item}");
    }
    deployment.end().await;
}

async fn an_attempt_that_takes_too_long_is_repeated(engine: Engine) {
    let backend = Backend::start().await;
    let settings = "max_attempts = 4\ntimeout = \"500ms\"\nbackoff = { initial = \"1ms\" }";
    let deployment = Deployment::start(engine, &backend.job_type("work", settings)).await;
    let client = deployment.client();
    backend.set(Mode::Hold);
    let batch = client.create(json!({"job_type": "work"}), items(3)).await;
    eventually("a second attempt", PATIENCE, || async {
        backend.calls().iter().any(|call| call.attempt == 2).then_some(())
    })
    .await;
    backend.set(Mode::Answer);
    let result = client.result(&batch, PATIENCE).await;
    assert_eq!(result["result_summary"]["succeeded"], 3, "{result}");
    deployment.end().await;
}

async fn a_deadline_fails_the_batch(engine: Engine) {
    let backend = Backend::start().await;
    let deployment = Deployment::start(engine, &backend.job_type("work", "")).await;
    let client = deployment.client();
    backend.set(Mode::Hold);
    let deadline = SystemClock.now() + Duration::from_secs(2);
    let options = json!({"job_type": "work", "concurrency": 3, "deadline": deadline.to_string()});
    let batch = client.create(options, items(100)).await;
    let result = client.result(&batch, PATIENCE).await;
    assert_eq!(result["result_summary"]["cancelled"], 100, "{result}");
    let ended = client.batch(&batch).await;
    assert_eq!(ended["state"], "failed");
    assert!(ended["error"].as_str().unwrap().contains("deadline"), "{ended}");
    assert_eq!(backend.dropped(), 3);
    deployment.end().await;
}

async fn failed_items_run_again_in_a_new_revision(engine: Engine) {
    let backend = Backend::start().await;
    let deployment = Deployment::start(engine, &backend.job_type("work", "")).await;
    let client = deployment.client();
    let mixed: Vec<_> = (0..60)
        .map(|n| match n % 3 {
            0 => json!({"n": n, "status": 404}),
            1 => json!({"n": n, "status": 500}),
            _ => json!({"n": n}),
        })
        .collect();
    let batch = client.create(json!({"job_type": "work"}), mixed).await;
    let first = client.result(&batch, PATIENCE).await;
    assert_eq!(first["revision"], 1);
    assert_eq!(first["result_summary"]["failed"], 40, "{first}");
    let groups = first["result_summary"]["errors"].as_array().unwrap().clone();
    assert_eq!(groups.len(), 2, "{first}");

    let fingerprint = groups[0]["fingerprint"].clone();
    let dry = client
        .act(
            &batch,
            "retry",
            Some(json!({"fingerprint": fingerprint, "dry_run": true})),
        )
        .await;
    assert_eq!(dry["items"], 20, "{dry}");
    assert_eq!(client.batch(&batch).await["state"], "completed");
    let path = format!("/v1/batches/{batch}/result");
    for (body, again, revision) in [
        (json!({"fingerprint": fingerprint}), 20, 2),
        (json!({"indices": [0, 1, 2]}), 2, 3),
        (json!({}), 40, 4),
    ] {
        let before = backend.count();
        let answer = client.act(&batch, "retry", Some(body.clone())).await;
        assert_eq!(answer["items"], again, "{body}: {answer}");
        let result = eventually("the next revision", PATIENCE, || async {
            let result = client.json(&path).await;
            (result["revision"] == revision).then_some(result)
        })
        .await;
        assert_eq!(
            result["result_summary"]["failed"], 40,
            "they fail again: {result}"
        );
        assert_eq!(backend.count() - before, again);
    }
    let (status, old) = client
        .request(Method::GET, &format!("{path}?revision=1"), None)
        .await;
    assert_eq!((status, &old), (StatusCode::OK, &first), "the old one is kept");
    let attempts: u64 = client
        .items(&batch)
        .await
        .iter()
        .map(|item| item["attempts"].as_u64().unwrap())
        .sum();
    assert_eq!(attempts as usize, backend.count());
    assert_eq!(client.json(&path).await["result_summary"]["attempts"], attempts);
    deployment.end().await;
}
