//! Why batches wait, with all the facts from the engines.

use std::sync::Arc;
use std::time::Duration;

use flotilla_core::limits::{Ceiling, Ceilings, Scope};
use flotilla_core::worker::WorkerStatus;
use flotilla_core::{Space, WorkerId};
use serde_json::{Value, json};

use crate::harness::{Api, config};

async fn reasons(api: &Api, id: &str) -> Vec<(String, u64)> {
    let answer = api.get(&format!("/v1/batches/{id}/explain")).await;
    assert_eq!(
        (answer.status, &answer.json["batch_id"]),
        (200, &json!(id)),
        "{}",
        answer.text
    );
    let reasons = answer.json["reasons"].as_array().unwrap();
    let pair = |reason: &Value| {
        assert!(reason["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
        (
            reason["code"].as_str().unwrap().to_owned(),
            reason["count"].as_u64().unwrap(),
        )
    };
    reasons.iter().map(pair).collect()
}

fn reason(code: &str, count: u64) -> (String, u64) {
    (code.to_owned(), count)
}

async fn add_worker(api: &Api, slots: u32) {
    let now = api.deps.clock.now();
    let worker = WorkerStatus {
        id: WorkerId("w-1".into()),
        pools: vec!["default".parse().unwrap()],
        concurrency: slots,
        running: Vec::new(),
        held: 0,
        holding: None,
        doing: Vec::new(),
        draining: false,
        started_at: now,
        seen_at: now,
        version: "1".into(),
    };
    api.deps
        .progress
        .heartbeat(&worker, Duration::from_secs(60))
        .await
        .unwrap();
}

#[tokio::test]
async fn what_holds_a_batch_back_is_told() {
    let api = Api::new().await;
    let id = api.create(json!({"concurrency": 2}), 5).await;
    assert_eq!(reasons(&api, &id).await, [reason("no_worker", 5)]);
    add_worker(&api, 10).await;
    assert_eq!(reasons(&api, &id).await, [reason("ready", 5)]);
    api.dispatch(id.parse().unwrap()).await;
    assert_eq!(
        reasons(&api, &id).await,
        [reason("concurrency_limit", 3), reason("queued", 2)]
    );
    api.act(&id, "pause", Value::Null).await;
    assert_eq!(
        reasons(&api, &id).await,
        [reason("paused", 3), reason("queued", 2)]
    );

    let open = api.create(json!({"start": "open"}), 4).await;
    assert_eq!(reasons(&api, &open).await, [reason("not_sealed", 4)]);
    let later = api.create(json!({"start": "2126-01-01T00:00:00Z"}), 4).await;
    assert_eq!(reasons(&api, &later).await, [reason("not_started", 4)]);
    let explained = api.get(&format!("/v1/batches/{later}/explain")).await.json;
    assert_eq!(explained["reasons"][0]["until"], "2126-01-01T00:00:00Z");
    let empty = api.create(json!({}), 0).await;
    assert_eq!(reasons(&api, &empty).await, []);
}

#[tokio::test]
async fn what_others_do_is_told_as_far_as_it_matters() {
    let mut api = Api::with(config()).await;
    let mut ceilings = Ceilings::default();
    let ceiling = Ceiling {
        concurrency: Some(3),
        rate_per_s: None,
    };
    ceilings.insert(Scope::Space(Space::default()), ceiling);
    api.deps.ceilings = Arc::new(ceilings);
    api.router = flotilla_api::router(api.deps.clone(), api.config.clone());
    add_worker(&api, 3).await;
    let first = api.create(json!({}), 5).await;
    let second = api.create(json!({}), 5).await;
    let elsewhere = api.batch_of("b", "1\n2\n").await;
    assert_eq!(
        api.dispatch(first.parse().unwrap()).await[0].items.len(),
        3,
        "as the ceiling allows"
    );
    assert_eq!(reasons(&api, &second).await, [reason("space_limit", 5)]);
    assert!(reasons(&api, &first).await.contains(&reason("space_limit", 2)));
    let explained = api
        .get(&format!("/v1/batches/{elsewhere}/explain?space=b"))
        .await
        .json;
    assert_eq!(explained["reasons"][0]["code"], "tenant_share", "{explained}");
    let detail = explained["reasons"][0]["detail"].as_str().unwrap();
    assert!(
        !detail.contains(&first) && !detail.contains("default"),
        "{detail}"
    );
}
