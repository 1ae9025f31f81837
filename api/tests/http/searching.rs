//! Finding a batch among many, and an item in a large batch.

use flotilla_api::Config;
use flotilla_core::message::Verdict;
use flotilla_core::outcome::Output;
use flotilla_core::{BatchId, Json};
use serde_json::{Value, json};

use crate::harness::{Api, NDJSON};

fn ids(page: &Value) -> Vec<&str> {
    let batches = page["batches"].as_array().unwrap().iter();
    batches.map(|batch| batch["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn batches_are_found_by_words() {
    let api = Api::new().await;
    let crawl = api.create(json!({"name": "Nächtlicher Crawl"}), 1).await;
    let import = api.create(json!({"name": "Import 100%"}), 1).await;
    let nameless = api.create(json!({}), 1).await;
    let elsewhere = json!({"name": "Crawl", "space": "other"});
    api.create(elsewhere, 1).await;
    let find = async |query: &str| api.get(&format!("/v1/batches?{query}")).await.json;
    for (words, expected) in [
        ("crawl", vec![&crawl]),
        ("N%C3%84CHT", vec![&crawl]),
        ("echo+import", vec![&import]),
        ("%25", vec![&import]),
        ("_", vec![]),
        ("echo", vec![&nameless, &import, &crawl]),
        ("crawl+import", vec![]),
        ("", vec![&nameless, &import, &crawl]),
        (&nameless, vec![&nameless]),
    ] {
        let page = find(&format!("search={words}")).await;
        assert_eq!(ids(&page), expected, "{words}");
        assert_eq!(page["next_cursor"], Value::Null, "{words}");
    }
    api.act(&crawl, "pause", Value::Null).await;
    assert_eq!(ids(&find("search=echo&state=paused").await), [&crawl]);
    assert_eq!(ids(&find("search=import&state=paused").await), [""; 0]);

    // Pages that meet.
    let first = find("search=echo&limit=2").await;
    assert_eq!(ids(&first), [&nameless, &import]);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = find(&format!("search=echo&limit=2&cursor={cursor}")).await;
    assert_eq!(
        (ids(&second), &second["next_cursor"]),
        (vec![&*crawl], &Value::Null)
    );

    let long = "x".repeat(201);
    let answer = api.get(&format!("/v1/batches?search={long}")).await;
    assert!(answer.problem(400, "invalid-parameter").contains("200"));
}

/// Few items of a state at the end of a long batch: the first looks find nothing, and say where to go on.
#[tokio::test]
async fn rare_items_are_found_a_stretch_at_a_time() {
    const ITEMS: u32 = 100_010;
    let api = Api::with(Config {
        max_items: ITEMS,
        ..Config::default()
    })
    .await;
    let answer = api
        .post("?job_type=echo", NDJSON, "1\n".repeat(ITEMS as usize))
        .await;
    let id = answer.json["id"].as_str().unwrap().to_owned();
    let batch: BatchId = id.parse().unwrap();
    api.dispatch_some(batch, ITEMS).await;
    let done = || Verdict::Done(Output::Inline(Json::null()));
    for index in [60_000, 60_001, ITEMS - 1] {
        api.report(batch, index, 1, done()).await;
    }
    let (mut cursor, mut pages) = (String::new(), Vec::new());
    loop {
        let path = format!("/v1/batches/{id}/items?state=succeeded&limit=1{cursor}");
        let page = api.get(&path).await.json;
        let items = page["items"].as_array().unwrap();
        pages.push(
            items
                .iter()
                .map(|item| item["index"].as_u64().unwrap())
                .collect::<Vec<_>>(),
        );
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(
        pages,
        [vec![], vec![60_000], vec![60_001], vec![u64::from(ITEMS) - 1]]
    );
    let queued = api
        .get(&format!(
            "/v1/batches/{id}/items?state=queued&limit=1&cursor=59999"
        ))
        .await;
    assert_eq!(queued.json["items"][0]["index"], 60_002);

    // A download goes on by itself.
    let file = api
        .get(&format!(
            "/v1/batches/{id}/download?format=ndjson&state=succeeded"
        ))
        .await;
    let indexes = file.text.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["index"].as_u64().unwrap()
    });
    assert!(
        indexes.eq([60_000, 60_001, u64::from(ITEMS) - 1]),
        "{}",
        file.text
    );
}

#[tokio::test]
async fn an_item_is_found_by_its_custom_id() {
    let api = Api::new().await;
    let id = api
        .batch_of("default", "{\"custom_id\": \"a/1\"}\n{\"custom_id\": \"b\"}\n3\n")
        .await;
    let find = async |query: &str| {
        let page = api.get(&format!("/v1/batches/{id}/items?{query}")).await.json;
        assert_eq!(page["next_cursor"], Value::Null);
        let items = page["items"].as_array().unwrap().iter();
        items
            .map(|item| item["index"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(find("custom_id=b").await, [1]);
    assert_eq!(find("custom_id=a%2F1").await, [0]);
    assert_eq!(find("custom_id=a").await, [0_u64; 0]);
    assert_eq!(find("custom_id=b&state=pending").await, [1]);
    assert_eq!(find("custom_id=b&state=failed").await, [0_u64; 0]);
    assert_eq!(find("custom_id=b&cursor=1").await, [0_u64; 0]);
}
