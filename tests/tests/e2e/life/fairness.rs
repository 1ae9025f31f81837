//! Ten items do not wait for two hundred thousand.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::engine::{Deployment, Engine, PATIENCE, on_both_engines};

on_both_engines!(ten_items_finish_while_a_crowd_waits);

async fn ten_items_finish_while_a_crowd_waits(engine: Engine) {
    const CROWD: usize = 200_000;
    let deployment = Deployment::start(engine, "").await;
    let client = deployment.client();
    let crowd = "{\"ms\":5}\n".repeat(CROWD);
    let path = "/v1/batches?job_type=sleep&space=a";
    let answer = client.post(path, "application/x-ndjson", crowd).await;
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let crowd: Value = answer.json().await.unwrap();
    let crowd = format!("/v1/batches/{}", crowd["id"].as_str().unwrap());
    let settled = async || {
        let batch = client.json(&format!("{crowd}?space=a")).await;
        batch["counts"]["succeeded"].as_u64().unwrap() as usize
    };
    flotilla_tests::eventually("the crowd to move at full speed", PATIENCE, || async {
        (settled().await > 2_000).then_some(())
    })
    .await;

    for space in ["b", "a"] {
        let began = Instant::now();
        let few: Vec<Value> = (0..10).map(|_| json!({"ms": 5})).collect();
        let few = client
            .create(json!({"job_type": "sleep", "space": space}), few)
            .await;
        flotilla_tests::eventually("the few to end", PATIENCE, || async {
            let batch = client.json(&format!("/v1/batches/{few}?space={space}")).await;
            (batch["state"] == "completed").then_some(())
        })
        .await;
        let took = began.elapsed();
        println!("{engine:?}: ten items of space {space} took {took:?}");
        assert!(settled().await < CROWD / 2, "the crowd still waits");
        assert!(took < Duration::from_secs(5), "{took:?} in space {space}");
    }

    // Cancelling what waits takes seconds, and adds up.
    let (status, _) = client
        .request(Method::POST, &format!("{crowd}/cancel?space=a"), None)
        .await;
    assert!(status.is_success());
    let ended = flotilla_tests::eventually("the crowd to be cancelled", PATIENCE, || async {
        let batch = client.json(&format!("{crowd}?space=a")).await;
        (batch["state"] == "cancelled").then_some(batch)
    })
    .await;
    let counts = &ended["counts"];
    let sum = counts["succeeded"].as_u64().unwrap() + counts["cancelled"].as_u64().unwrap();
    assert_eq!(sum as usize, CROWD, "{counts}");
    deployment.end().await;
}
