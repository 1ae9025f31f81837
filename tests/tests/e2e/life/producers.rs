//! Several programs fill one batch at the same time, and all of them may be killed.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use flotilla_tests::eventually;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::engine::{Deployment, Engine, PATIENCE, on_both_engines};

on_both_engines!(producers_go_on_after_everything_was_killed);

/// Items of a producer: many chunks.
const ITEMS: u32 = 20_000;

/// Items that are sent at once.
const PIECE: u32 = 500;

async fn producers_go_on_after_everything_was_killed(engine: Engine) {
    let mut deployment = Deployment::start(engine, "").await;
    let client = deployment.client();
    let options = json!({"job_type": "echo", "start": "open"});
    let batch = client.create(options, vec![]).await;
    // Slower than the server, so that the crash comes in the middle.
    let pause = Duration::from_millis(50);
    let mut sending = JoinSet::new();
    for producer in ["a", "b"] {
        sending.spawn(send(client.server.clone(), batch.clone(), producer, pause));
    }
    for producer in ["a", "b"] {
        let path = format!("/v1/batches/{batch}/producers/{producer}");
        eventually("a producer to get somewhere", PATIENCE, || async {
            let position = client.json(&path).await;
            (position["offset"].as_u64()? >= u64::from(ITEMS) / 10).then_some(())
        })
        .await;
    }
    deployment.crash().await;
    let sent = sending.join_all().await;
    assert_eq!(sent, [None, None], "nobody was done when everything was killed");

    deployment.ready().await;
    let client = deployment.client();
    let server = client.server.clone();
    let again = ["a", "b"].map(|producer| send(server.clone(), batch.clone(), producer, Duration::ZERO));
    for answer in futures_util::future::join_all(again).await {
        let answer = answer.expect("an answer");
        let count = |field: &str| answer[field].as_u64().unwrap();
        assert_eq!(count("offset"), u64::from(ITEMS), "{answer}");
        assert_eq!(
            count("appended") + count("deduplicated"),
            u64::from(ITEMS),
            "{answer}"
        );
        assert!(count("deduplicated") >= u64::from(ITEMS) / 10, "{answer}");
    }
    let sealed = client.act(&batch, "seal", None).await;
    assert_eq!(sealed["counts"]["total"], 2 * ITEMS, "{sealed}");
    client.result(&batch, PATIENCE).await;

    let mut seen: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for item in client.items(&batch).await {
        let producer = item["output"]["by"].as_str().unwrap().to_owned();
        let number = item["output"]["n"].as_u64().unwrap();
        seen.entry(producer).or_default().push(number);
    }
    assert_eq!(seen.len(), 2);
    for (producer, numbers) in seen {
        let all: Vec<u64> = (0..u64::from(ITEMS)).collect();
        assert!(numbers == all, "every item of {producer} once, in its order");
    }
    deployment.end().await;
}

/// Appends all items of a producer, with a pause between the pieces. Nothing, where the connection broke.
async fn send(server: String, batch: String, producer: &'static str, pause: Duration) -> Option<Value> {
    let pieces = stream::iter((0..ITEMS).step_by(PIECE as usize)).then(move |first| async move {
        sleep(pause).await;
        let lines = (first..first + PIECE).map(|n| format!("{{\"by\":\"{producer}\",\"n\":{n}}}\n"));
        Ok::<_, std::io::Error>(Bytes::from(lines.collect::<String>()))
    });
    let client = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
    let answer = client
        .post(format!("{server}/v1/batches/{batch}/items?producer={producer}"))
        .header("content-type", "application/x-ndjson")
        .body(reqwest::Body::wrap_stream(pieces))
        .send()
        .await
        .ok()?;
    assert_eq!(answer.status(), 200);
    answer.json().await.ok()
}
