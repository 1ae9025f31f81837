//! Items that were given up on are kept until somebody decides.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::backend::{Backend, Mode};
use crate::engine::{Deployment, Engine, PATIENCE, on_both_engines};

on_both_engines!(dead_letters_are_listed_redriven_and_discarded);

async fn dead_letters_are_listed_redriven_and_discarded(engine: Engine) {
    let backend = Backend::start().await;
    let settings = "max_attempts = 2\nbackoff = { initial = \"1ms\" }";
    let deployment = Deployment::start(engine, &backend.job_type("work", settings)).await;
    let client = deployment.client();
    backend.set(Mode::Refuse(503, None));
    let retried = client.create(json!({"job_type": "work"}), items(30)).await;
    client.result(&retried, PATIENCE).await;
    backend.set(Mode::Refuse(404, None));
    let refused = client.create(json!({"job_type": "work"}), items(5)).await;
    client.result(&refused, PATIENCE).await;

    // By HTTP: all, page by page, by group, one.
    let listed = client.json("/v1/dead-letters?limit=20").await;
    assert_eq!(listed["dead_letters"].as_array().unwrap().len(), 20);
    let cursor = listed["next_cursor"].as_str().unwrap();
    let rest = client
        .json(&format!("/v1/dead-letters?limit=20&cursor={cursor}"))
        .await;
    assert_eq!(rest["dead_letters"].as_array().unwrap().len(), 15, "{rest}");
    let groups = client.json("/v1/dead-letters/groups").await;
    let groups = groups["groups"].as_array().unwrap().clone();
    let counts: Vec<_> = groups.iter().map(|group| group["count"].clone()).collect();
    assert_eq!(counts, [30, 5]);
    let one = client.json(&format!("/v1/dead-letters/{retried}/7")).await;
    assert_eq!(
        (&one["attempts"], &one["input"]),
        (&json!(2), &json!({"n": 7})),
        "{one}"
    );
    assert!(one["error"]["message"].as_str().unwrap().contains("503"), "{one}");
    let elsewhere = client.json("/v1/dead-letters?space=other").await;
    assert_eq!(elsewhere["dead_letters"], json!([]));

    // Redriving a group of a batch that has ended: it ends again, with a new revision.
    backend.set(Mode::Answer);
    let group = json!({"fingerprint": groups[0]["fingerprint"]});
    let mut dry = group.clone();
    dry["dry_run"] = json!(true);
    let act = |action: &'static str, body: Value| {
        let path = format!("/v1/dead-letters/{action}");
        async move { client.request(Method::POST, &path, Some(body)).await }
    };
    let (status, answer) = act("redrive", dry).await;
    assert_eq!(
        (status, &answer["items"]),
        (StatusCode::OK, &json!(30)),
        "{answer}"
    );
    assert_eq!(client.batch(&retried).await["state"], "completed");
    let (status, answer) = act("redrive", group).await;
    assert_eq!(
        (status, &answer["items"]),
        (StatusCode::OK, &json!(30)),
        "{answer}"
    );
    let ended = client
        .until(&retried, "the items to succeed", PATIENCE, |batch| {
            batch["state"] == "completed" && batch["counts"]["succeeded"] == 30
        })
        .await;
    assert_eq!(ended["revision"], 2, "{ended}");

    the_rest_by_the_command_line(&deployment, &refused).await;
    deployment.end().await;
}

fn items(count: u32) -> Vec<Value> {
    (0..count).map(|n| json!({"n": n})).collect()
}

async fn the_rest_by_the_command_line(deployment: &Deployment, refused: &str) {
    let client = deployment.client();
    let (code, out, err) = deployment.cli(&["dead-letters", "ls", "--output", "json"]).await;
    assert_eq!(code, 0, "{err}");
    let listed: Value = serde_json::from_str(&out).expect("JSON on standard output");
    assert_eq!(listed["dead_letters"].as_array().map(Vec::len), Some(5), "{out}");
    let (code, _, _) = deployment
        .cli(&["dead-letters", "discard", "--batch", refused])
        .await;
    assert_ne!(
        code, 0,
        "it asks before it destroys, and nobody is there to answer"
    );
    let (code, out, err) = deployment
        .cli(&["dead-letters", "discard", "--batch", refused, "--yes"])
        .await;
    assert_eq!(code, 0, "{out}{err}");
    let none = client.json("/v1/dead-letters").await;
    assert_eq!(none["dead_letters"], json!([]));
    assert_eq!(
        client.batch(refused).await["counts"]["failed"],
        5,
        "they stay failed"
    );
}
