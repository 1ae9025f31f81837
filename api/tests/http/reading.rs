//! What clients read of batches, items and results.

use flotilla_core::message::Verdict;
use flotilla_core::outcome::{ItemError, ItemErrorKind, Output};
use flotilla_core::snapshot::Snapshot;
use flotilla_core::{BatchId, Json, Space};
use serde_json::{Value, json};

use flotilla_api::Config;

use crate::harness::{Api, config};

#[tokio::test]
async fn items_have_outputs_wherever_they_are_kept() {
    let api = Api::new().await;
    let id = api.batch_of("default", "{\"custom_id\": \"a\"}\n2\n3\n4\n").await;
    let batch: BatchId = id.parse().unwrap();
    api.dispatch(batch).await;
    let long = "{\"long\": 1.50}".to_owned();
    let key = api
        .deps
        .objects
        .put_output(&Space::default(), batch, 1, 1, long)
        .await
        .unwrap();
    let stored = Output::Stored { key, bytes: 14 };
    let gone = Output::Stored {
        key: "outputs/gone.json".into(),
        bytes: 14,
    };
    let failed = ItemError::new(ItemErrorKind::Timeout, "took over 30 s");
    let done = Output::Inline(Json::parse("[1.0]").unwrap());
    let verdicts = [
        Verdict::Done(done),
        Verdict::Done(stored),
        Verdict::Fail(failed),
        Verdict::Done(gone),
    ];
    for (index, verdict) in (0..).zip(verdicts) {
        api.report(batch, index, 1, verdict).await;
    }

    let page = api.get(&format!("/v1/batches/{id}/items")).await;
    let items = page.json["items"].as_array().unwrap();
    let mut first = items[0].clone();
    for time in ["started_at", "finished_at"] {
        let text = first.as_object_mut().unwrap().remove(time).unwrap();
        assert!(text.as_str().unwrap().ends_with('Z'), "{text}");
    }
    assert_eq!(
        first,
        json!({
            "index": 0, "custom_id": "a", "state": "succeeded", "attempts": 1, "input": {"custom_id": "a"},
            "output": [1.0], "error": null, "duration_ms": 1.5,
        })
    );
    assert!(page.text.contains(r#""output":{"long": 1.50}"#), "{}", page.text);
    assert_eq!(
        items[2]["error"],
        json!({"kind": "timeout", "message": "took over 30 s"})
    );
    assert_eq!(
        (&items[3]["state"], &items[3]["error"]["kind"]),
        (&json!("succeeded"), &json!("output"))
    );
    for item in items {
        let one = api
            .get(&format!("/v1/batches/{id}/items/{}", item["index"]))
            .await;
        let (one, item) = (one.json.as_object().unwrap(), item.as_object().unwrap());
        assert!(item.iter().all(|(name, value)| one[name] == *value), "{one:?}");
        assert_eq!(
            (&one["history"], &one["last_attempt"], &one["lease_until"]),
            (&json!([]), &json!(1), &Value::Null)
        );
    }
    let failed = api.get(&format!("/v1/batches/{id}/items?state=failed")).await;
    assert_eq!(failed.json["items"].as_array().unwrap().len(), 1);
    for index in ["4", "-1", "x"] {
        api.get(&format!("/v1/batches/{id}/items/{index}"))
            .await
            .problem(404, "unknown-item");
    }
}

#[tokio::test]
async fn a_result_comes_with_the_last_item() {
    let api = Api::new().await;
    let id = api.batch_of("default", "1\n2\n").await;
    let batch = id.parse().unwrap();
    api.dispatch(batch).await;
    let done = Verdict::Done(Output::Inline(Json::null()));
    api.report(batch, 0, 1, done).await;
    let path = format!("/v1/batches/{id}/result");
    let early = api.get(&path).await;
    assert!(early.problem(404, "no-result-yet").contains("1 of 2 items"));
    assert_eq!(early.json["state"], "processing");
    let failed = Verdict::Fail(ItemError::new(ItemErrorKind::Handler, "exit code 3"));
    api.report(batch, 1, 1, failed).await;
    let result = api.get(&path).await;
    assert_eq!(result.status, 200);
    let names: Vec<&String> = result.json.as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        [
            "avg_item_time_ms",
            "batch_id",
            "created_at",
            "on_complete",
            "result_summary",
            "revision",
            "success_rate",
            "total_time_ms"
        ]
    );
    assert_eq!(
        (&result.json["success_rate"], &result.json["avg_item_time_ms"]),
        (&json!(0.5), &json!(1.5))
    );
    assert_eq!(
        result.json["result_summary"]["errors"][0]["sample"],
        "exit code 3"
    );
    let batch = api.get(&format!("/v1/batches/{id}")).await.json;
    assert_eq!(
        (&batch["state"], &batch["percent"]),
        (&json!("completed"), &json!(100.0))
    );
}

#[tokio::test]
async fn running_items_are_known_from_the_live_view() {
    let api = Api::new().await;
    let id = api.batch_of("default", "1\n2\n3\n").await;
    let batch = id.parse().unwrap();
    api.dispatch(batch).await;
    let stored = api
        .deps
        .store
        .batch(&Space::default(), batch)
        .await
        .unwrap()
        .unwrap();
    let snapshot = Snapshot::of(&stored, 2, api.deps.clock.now());
    api.deps.progress.publish(&[snapshot]).await.unwrap();
    let counts = |json: &Value| {
        (
            json["queued"].as_u64().unwrap(),
            json["processing"].as_u64().unwrap(),
        )
    };
    let one = api.get(&format!("/v1/batches/{id}")).await.json;
    let all = api.get("/v1/batches").await.json;
    assert_eq!(counts(&one["counts"]), (1, 2));
    assert_eq!(counts(&all["batches"][0]["counts"]), (1, 2));
}

#[tokio::test]
async fn batches_are_listed_newest_first_in_pages() {
    let api = Api::new().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(api.batch_of("default", "1\n").await);
    }
    ids.reverse();
    let (mut seen, mut path) = (Vec::new(), "/v1/batches?limit=2".to_owned());
    loop {
        let page = api.get(&path).await.json;
        let batches = page["batches"].as_array().unwrap();
        seen.extend(
            batches
                .iter()
                .map(|batch| batch["id"].as_str().unwrap().to_owned()),
        );
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("/v1/batches?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, ids);
    let completed = api.get("/v1/batches?state=completed").await.json;
    assert_eq!(completed, json!({"batches": [], "next_cursor": null}));
    for (query, part) in [
        ("limit=0", "between 1 and 1000"),
        ("limit=x", "limit"),
        ("state=done", "`state`"),
        ("cursor=7", "next_cursor"),
        ("stat=failed", "unknown field `stat`"),
    ] {
        let answer = api.get(&format!("/v1/batches?{query}")).await;
        let detail = answer.problem(400, "invalid-parameter");
        assert!(detail.contains(part), "{detail}");
    }
}

#[tokio::test]
async fn pages_of_items_are_bounded_in_bytes() {
    let api = Api::with(Config {
        page_bytes: 2_000,
        ..config()
    })
    .await;
    let line = format!("\"{}\"\n", "x".repeat(600));
    let id = api.batch_of("default", &line.repeat(10)).await;
    let (mut sizes, mut path) = (Vec::new(), format!("/v1/batches/{id}/items"));
    loop {
        let page = api.get(&path).await.json;
        sizes.push(page["items"].as_array().unwrap().len());
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("/v1/batches/{id}/items?cursor={cursor}");
    }
    assert_eq!(sizes, [3, 3, 3, 1]);
}
