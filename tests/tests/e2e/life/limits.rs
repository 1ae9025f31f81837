//! Limits hold exactly, for the whole fleet, while a batch runs.

use std::time::Duration;

use flotilla_tests::eventually;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::backend::Backend;
use crate::engine::{Deployment, Engine, PATIENCE, on_both_engines};

on_both_engines!(
    concurrency_is_an_exact_bound_and_is_used,
    a_rate_is_kept,
    a_change_takes_effect_at_once,
    ceilings_bind_a_space_and_a_job_type_and_nobody_else,
    a_higher_priority_goes_first,
);

fn items(count: u32, ms: u64, tag: &str) -> Vec<Value> {
    (0..count)
        .map(|n| json!({"n": n, "ms": ms, "tag": tag}))
        .collect()
}

async fn concurrency_is_an_exact_bound_and_is_used(engine: Engine) {
    let backend = Backend::start().await;
    let deployment = Deployment::start(engine, &backend.job_type("work", "")).await;
    let client = deployment.client();
    let batch = client
        .create(json!({"job_type": "work", "concurrency": 5}), items(150, 200, ""))
        .await;
    eventually("the first item", PATIENCE, || async {
        (backend.count() > 0).then_some(())
    })
    .await;
    let reasons = client.reasons(&batch).await;
    assert!(reasons.contains(&"concurrency_limit".to_owned()), "{reasons:?}");
    client.result(&batch, PATIENCE).await;
    assert_eq!(backend.most(""), 5);

    let calls = backend.calls();
    let wall = calls[calls.len() - 1].at - calls[0].at + Duration::from_millis(200);
    let share = backend.busy().as_secs_f64() / (5.0 * wall.as_secs_f64());
    println!("{engine:?}: {:.1} % of the slots were busy", share * 100.0);
    assert!(share > 0.6, "the slots were busy for {share} of the time");
    deployment.end().await;
}

async fn a_rate_is_kept(engine: Engine) {
    let backend = Backend::start().await;
    let deployment = Deployment::start(engine, &backend.job_type("work", "")).await;
    let client = deployment.client();
    let batch = client
        .create(json!({"job_type": "work", "rate_per_s": 20}), items(81, 0, ""))
        .await;
    client.result(&batch, PATIENCE).await;
    let calls = backend.calls();
    assert_eq!(calls.len(), 81);
    // What is dispatched in a quarter of a second may come at once, and a worker may get it a moment late.
    for (first, call) in calls.iter().enumerate() {
        let within = calls[first..]
            .iter()
            .take_while(|later| later.at - call.at < Duration::from_secs(1))
            .count();
        assert!(within <= 20 + 5 + 5, "{within} within a second");
    }
    let took = calls[80].at - calls[0].at;
    assert!(took > Duration::from_millis(3_600), "80 more took {took:?}");
    deployment.end().await;
}

async fn a_change_takes_effect_at_once(engine: Engine) {
    let backend = Backend::start().await;
    let deployment = Deployment::start(engine, &backend.job_type("work", "")).await;
    let client = deployment.client();
    let batch = client
        .create(json!({"job_type": "work"}), items(2_000, 20, ""))
        .await;
    eventually("items to run side by side", PATIENCE, || async {
        (backend.most("") >= 8).then_some(())
    })
    .await;
    let path = format!("/v1/batches/{batch}");
    let change = |change: Value| client.request(Method::PATCH, &path, Some(change));
    let (status, changed) = change(json!({"concurrency": 2, "priority": 7, "name": "slow"})).await;
    assert_eq!(status, StatusCode::OK, "{changed}");
    let shown = [&changed["concurrency"], &changed["priority"], &changed["name"]];
    assert_eq!(shown, [&json!(2), &json!(7), &json!("slow")]);
    // What had started before ends; what had been dispatched and had not is given back. Not what the backend runs: for a
    // moment that may be anything.
    let in_flight = |batch: &Value| {
        let counts = ["queued", "processing"].map(|state| batch["counts"][state].as_u64().expect("a count"));
        counts.iter().sum::<u64>()
    };
    client
        .until(&batch, "two in flight", PATIENCE, |batch| in_flight(batch) <= 2)
        .await;
    backend.forget_most();
    let before = backend.count();
    eventually("items under the new limit", PATIENCE, || async {
        (backend.count() > before + 30).then_some(())
    })
    .await;
    assert_eq!(backend.most(""), 2);

    let (status, _) = change(json!({"concurrency": null})).await;
    assert_eq!(status, StatusCode::OK);
    let result = client.result(&batch, PATIENCE).await;
    assert_eq!(result["result_summary"]["succeeded"], 2_000, "{result}");
    assert!(backend.most("") > 2, "the limit is lifted");
    let attempts = backend.attempts();
    assert_eq!(attempts.len(), 2_000);
    let twice: Vec<_> = attempts.iter().filter(|(_, calls)| calls.len() != 1).collect();
    assert!(twice.is_empty(), "{} items ran twice", twice.len());
    deployment.end().await;
}

async fn ceilings_bind_a_space_and_a_job_type_and_nobody_else(engine: Engine) {
    let backend = Backend::start().await;
    let config = [
        backend.job_type("work", ""),
        backend.job_type("gentle", "concurrency = 3"),
        "[spaces.small]\nconcurrency = 2\n".to_owned(),
    ];
    let deployment = Deployment::start(engine, &config.concat()).await;
    let client = deployment.client();
    let mut batches = Vec::new();
    for (space, job_type, tag) in [
        ("small", "work", "small"),
        ("small", "work", "small"),
        ("large", "gentle", "gentle"),
        ("other", "gentle", "gentle"),
        ("large", "work", "free"),
    ] {
        let options = json!({"space": space, "job_type": job_type});
        batches.push((space, client.create(options, items(60, 20, tag)).await));
    }
    for (space, batch) in &batches {
        eventually("the batch to end", PATIENCE, || async {
            let batch = client.json(&format!("/v1/batches/{batch}?space={space}")).await;
            (batch["state"] == "completed").then_some(())
        })
        .await;
    }
    assert_eq!((backend.most("small"), backend.most("gentle")), (2, 3));
    assert!(
        backend.most("free") > 5,
        "nobody else is held back: {}",
        backend.most("free")
    );
    deployment.end().await;
}

async fn a_higher_priority_goes_first(engine: Engine) {
    let backend = Backend::start().await;
    let deployment = Deployment::start(engine, &backend.job_type("work", "concurrency = 2")).await;
    let client = deployment.client();
    let create = |priority: i32, tag: &'static str| {
        client.create(
            json!({"job_type": "work", "priority": priority}),
            items(60, 20, tag),
        )
    };
    let low = create(0, "low").await;
    let high = create(5, "high").await;
    client.result(&high, PATIENCE).await;
    client.result(&low, PATIENCE).await;
    let calls = backend.calls();
    let first = calls.iter().position(|call| call.item["tag"] == "high").unwrap();
    let last = calls.iter().rposition(|call| call.item["tag"] == "high").unwrap();
    let between = calls[first..last]
        .iter()
        .filter(|call| call.item["tag"] == "low")
        .count();
    assert!(between <= 4, "{between} items of the lower priority came between");
    deployment.end().await;
}
