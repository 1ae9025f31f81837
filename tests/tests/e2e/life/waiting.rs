//! Items that something else completes.

use flotilla_tests::eventually;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::backend::Backend;
use crate::client::Client;
use crate::engine::{Deployment, Engine, PATIENCE, on_both_engines};

on_both_engines!(
    a_callback_completes_fails_or_renews_an_item,
    a_missed_deadline_is_a_retry,
);

/// Items that answer 202: they wait.
fn items(count: u32) -> Vec<Value> {
    (0..count).map(|n| json!({"n": n, "status": 202})).collect()
}

async fn a_callback_completes_fails_or_renews_an_item(engine: Engine) {
    let backend = Backend::start().await;
    let job_type = backend.job_type("machine", "callback_timeout = \"5m\"");
    let mut deployment = Deployment::start(engine, &job_type).await;
    let batch = deployment
        .client()
        .create(json!({"job_type": "machine"}), items(4))
        .await;
    let waiting = |batch: &Value| batch["counts"]["waiting"] == 4;
    deployment
        .client()
        .until(&batch, "all to wait", PATIENCE, waiting)
        .await;
    assert_eq!(
        deployment.client().reasons(&batch).await,
        ["waiting_for_callbacks"]
    );
    // They wait in the store: a crash of everything is nothing to them.
    deployment.crash().await;
    let client = deployment.client();
    client.until(&batch, "all to wait still", PATIENCE, waiting).await;

    let token = |index: usize| {
        let calls = backend.calls();
        let call = calls.iter().find(|call| call.item["n"] == index).unwrap();
        let url = call.callback.clone().expect("a callback URL");
        url[url.rfind("/v1/").unwrap()..].to_owned()
    };
    let call = |index: usize, body: Value| {
        let path = token(index);
        async move { client.request(Method::POST, &path, Some(body)).await }
    };
    let item = |index: usize| {
        let path = format!("/v1/batches/{batch}/items/{index}");
        async move { client.json(&path).await }
    };
    let (status, answer) = call(
        0,
        json!({"status": "running", "progress": 40, "message": "warming up"}),
    )
    .await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let shown = item(0).await;
    assert_eq!(shown["state"], "waiting", "{shown}");
    assert_eq!(
        (&shown["progress"], &shown["message"]),
        (&json!(40), &json!("warming up")),
        "{shown}"
    );
    for _ in 0..2 {
        let (status, answer) = call(0, json!({"status": "succeeded", "output": {"url": "x"}})).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }
    let (status, _) = call(
        1,
        json!({"status": "failed", "error": "no GPU left", "permanent": true}),
    )
    .await;
    assert_eq!(status, StatusCode::OK);
    let (status, _) = call(1, json!({"status": "succeeded", "output": 1})).await;
    assert_eq!(status, StatusCode::GONE, "it has failed already");

    nobody_can_make_one_up(client, token(2)).await;
    for index in [2, 3] {
        call(index, json!({"status": "succeeded", "output": index})).await;
    }
    let result = client.result(&batch, PATIENCE).await;
    let summary = &result["result_summary"];
    assert_eq!(
        (&summary["succeeded"], &summary["failed"]),
        (&json!(3), &json!(1)),
        "{summary}"
    );
    assert_eq!(item(0).await["output"], json!({"url": "x"}));
    assert_eq!(item(1).await["error"]["message"], "no GPU left");
    assert_eq!(backend.count(), 4, "no item was handled twice");
    deployment.end().await;
}

async fn nobody_can_make_one_up(client: &Client, mut forged: String) {
    let last = forged.pop().unwrap();
    forged.push(if last == 'A' { 'B' } else { 'A' });
    for path in [forged.as_str(), "/v1/callbacks/rubbish"] {
        let body = json!({"status": "succeeded", "output": 1});
        let (status, _) = client.request(Method::POST, path, Some(body)).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
    }
}

async fn a_missed_deadline_is_a_retry(engine: Engine) {
    let backend = Backend::start().await;
    let settings = "callback_timeout = \"1s\"\nmax_attempts = 2\nbackoff = { initial = \"1ms\" }";
    let deployment = Deployment::start(engine, &backend.job_type("machine", settings)).await;
    let client = deployment.client();
    let batch = client.create(json!({"job_type": "machine"}), items(2)).await;
    eventually("second attempts", PATIENCE, || async {
        (backend.calls().iter().filter(|call| call.attempt == 2).count() == 2).then_some(())
    })
    .await;
    // The first attempt's token is worth nothing any more.
    let calls = backend.calls();
    let old = calls.iter().find(|call| call.attempt == 1).unwrap();
    let url = old.callback.clone().unwrap();
    let path = &url[url.rfind("/v1/").unwrap()..];
    let body = json!({"status": "failed", "error": "late"});
    let (status, _) = client.request(Method::POST, path, Some(body)).await;
    assert_eq!(status, StatusCode::GONE);
    let result = client.result(&batch, PATIENCE).await;
    assert_eq!(result["result_summary"]["failed"], 2, "{result}");
    assert_eq!(result["result_summary"]["attempts"], 4, "{result}");
    deployment.end().await;
}
