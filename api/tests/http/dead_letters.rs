//! Items that were given up on.

use flotilla_core::message::Verdict;
use flotilla_core::outcome::{ItemError, ItemErrorKind};
use flotilla_core::{BatchId, Space};
use serde_json::{Value, json};

use flotilla_api::Config;

use crate::harness::{Api, config};

/// A batch of the default space all of whose items failed.
async fn dead(api: &Api, items: u32, message: &str) -> String {
    let id = api.create(json!({}), items).await;
    let batch: BatchId = id.parse().unwrap();
    api.dispatch(batch).await;
    for index in 0..items {
        let error = ItemError::new(ItemErrorKind::Handler, message);
        api.report(batch, index, 1, Verdict::Fail(error)).await;
    }
    id
}

async fn decide(api: &Api, action: &str, body: Value) -> Value {
    let answer = api.ask("POST", &format!("/v1/dead-letters/{action}"), body).await;
    assert_eq!(answer.status, 200, "{action}: {}", answer.text);
    answer.json
}

async fn places(api: &Api, query: &str) -> Vec<(String, u64)> {
    let (mut places, mut path) = (Vec::new(), format!("/v1/dead-letters?{query}"));
    loop {
        let page = api.get(&path).await;
        assert_eq!(page.status, 200, "{}", page.text);
        let letters = page.json["dead_letters"].as_array().unwrap().clone();
        places.extend(letters.iter().map(|letter| {
            let batch = letter["batch_id"].as_str().unwrap().to_owned();
            (batch, letter["index"].as_u64().unwrap())
        }));
        match page.json["next_cursor"].as_str() {
            Some(cursor) => path = format!("/v1/dead-letters?{query}&cursor={cursor}"),
            None => return places,
        }
    }
}

#[tokio::test]
async fn they_are_listed_grouped_and_read() {
    let api = Api::new().await;
    let older = dead(&api, 3, "exit code 3").await;
    let newer = dead(&api, 2, "no such file").await;
    let all: Vec<(String, u64)> = [(&newer, 0), (&newer, 1), (&older, 0), (&older, 1), (&older, 2)]
        .map(|(batch, index)| (batch.clone(), index))
        .into();
    for limit in [1, 2, 3, 50] {
        assert_eq!(places(&api, &format!("limit={limit}")).await, all);
    }
    assert_eq!(places(&api, &format!("batch={older}")).await, all[2..]);
    assert_eq!(places(&api, "job_type=sleep").await, []);
    let groups = api.get("/v1/dead-letters/groups").await.json;
    let groups = groups["groups"].as_array().unwrap();
    assert_eq!(
        (&groups[0]["count"], &groups[0]["batches"], &groups[0]["sample"]),
        (&json!(3), &json!(1), &json!("exit code 3"))
    );
    let fingerprint = groups[1]["fingerprint"].as_str().unwrap();
    assert_eq!(
        places(&api, &format!("fingerprint={fingerprint}")).await,
        all[..2]
    );
    let one = api.get(&format!("/v1/dead-letters/{newer}/1")).await.json;
    assert_eq!(
        (
            &one["input"],
            &one["attempts"],
            &one["error"]["message"],
            &one["history"]
        ),
        (&json!(1), &json!(1), &json!("no such file"), &json!([]))
    );
    assert_eq!(
        (&one["worker"], &one["job_type"]),
        (&json!("w-1"), &json!("echo"))
    );
    for missing in [format!("{newer}/2"), format!("{newer}/x"), "none/0".to_owned()] {
        let answer = api.get(&format!("/v1/dead-letters/{missing}")).await;
        answer.problem(404, "unknown-dead-letter");
    }
    for query in ["batch=x", "cursor=x", "cursor=x:1", "limit=0", "index=1"] {
        let answer = api.get(&format!("/v1/dead-letters?{query}")).await;
        answer.problem(400, "invalid-parameter");
    }
}

#[tokio::test]
async fn pages_are_bounded_in_bytes() {
    let api = Api::with(Config {
        page_bytes: 2_000,
        ..config()
    })
    .await;
    let long = "x".repeat(600);
    let id = api.create(json!({"items": vec![long; 7]}), 0).await;
    let batch: BatchId = id.parse().unwrap();
    api.dispatch(batch).await;
    for index in 0..7 {
        let error = ItemError::new(ItemErrorKind::Handler, "no");
        api.report(batch, index, 1, Verdict::Fail(error)).await;
    }
    let page = api.get("/v1/dead-letters").await.json;
    assert_eq!(page["dead_letters"].as_array().unwrap().len(), 3);
    assert_eq!(places(&api, "").await.len(), 7);
}

#[tokio::test]
async fn they_run_again() {
    let api = Api::new().await;
    let (older, newer) = (
        dead(&api, 3, "exit code 3").await,
        dead(&api, 2, "no such file").await,
    );
    let some = json!({"batch": older, "indices": [0, 2, 9]});
    let mut dry = some.clone();
    dry["dry_run"] = json!(true);
    let expected = json!([{"batch_id": older, "items": 2}]);
    let counted = decide(&api, "redrive", dry).await;
    assert_eq!(
        (&counted["items"], &counted["batches"]),
        (&json!(2), &expected),
        "{counted}"
    );
    assert_eq!(places(&api, "").await.len(), 5, "only counted");
    let driven = decide(&api, "redrive", some.clone()).await;
    assert_eq!(
        (&driven["items"], &driven["batches"]),
        (&json!(2), &expected),
        "{driven}"
    );
    assert_eq!(
        decide(&api, "redrive", some).await["items"],
        0,
        "they are no dead letters any more"
    );
    assert_eq!(api.dispatch(older.parse().unwrap()).await[0].items.len(), 2);
    let batch = api.get(&format!("/v1/batches/{older}")).await.json;
    assert_eq!(
        (&batch["state"], &batch["counts"]["failed"]),
        (&json!("processing"), &json!(1))
    );

    api.act(&older, "cancel", Value::Null).await;
    let rest = decide(&api, "redrive", json!({"all": true})).await;
    assert_eq!(
        (&rest["items"], &rest["batches"][0]["batch_id"]),
        (&json!(2), &json!(newer))
    );
    assert_eq!(rest["refused"][0]["batch_id"], json!(older));
    assert!(
        rest["refused"][0]["reason"]
            .as_str()
            .unwrap()
            .contains("cancelling"),
        "{rest}"
    );
    assert_eq!(rest["more"], false);
}

#[tokio::test]
async fn they_are_forgotten_and_their_items_stay_failed() {
    let api = Api::new().await;
    let (older, newer) = (
        dead(&api, 3, "exit code 3").await,
        dead(&api, 2, "no such file").await,
    );
    let group = api.get(&format!("/v1/batches/{newer}/errors")).await.json;
    let group = json!({"fingerprint": group["errors"][0]["fingerprint"]});
    let mut dry = group.clone();
    dry["dry_run"] = json!(true);
    assert_eq!(decide(&api, "discard", dry).await["items"], 2);
    let discarded = decide(&api, "discard", group).await;
    assert_eq!(discarded["batches"], json!([{"batch_id": newer, "items": 2}]));
    assert_eq!(decide(&api, "discard", json!({"all": true})).await["items"], 3);
    assert_eq!(places(&api, "").await, []);
    for (id, failed) in [(older, 3), (newer, 2)] {
        let batch = api.get(&format!("/v1/batches/{id}")).await.json;
        assert_eq!(batch["counts"]["failed"], failed);
    }
}

#[tokio::test]
async fn nobody_means_all_by_accident() {
    let api = Api::new().await;
    let id = dead(&api, 1, "no").await;
    for action in ["redrive", "discard"] {
        let path = format!("/v1/dead-letters/{action}");
        for (body, slug) in [
            (Value::Null, "missing-field"),
            (json!({"dry_run": true}), "missing-field"),
            (json!({"all": false}), "missing-field"),
            (json!({"indices": [0]}), "invalid-field"),
            (json!({"batch": "x"}), "invalid-field"),
            (json!({"batches": [id]}), "unknown-field"),
        ] {
            api.ask("POST", &path, body).await.problem(400, slug);
        }
        let elsewhere = api
            .ask("POST", &format!("{path}?space=b"), json!({"all": true}))
            .await;
        assert_eq!((elsewhere.status, &elsewhere.json["items"]), (200, &json!(0)));
    }
    assert_eq!(places(&api, "").await.len(), 1);
    assert_eq!(places(&api, "space=b").await, []);
    let space: Space = "b".parse().unwrap();
    assert_eq!(
        api.deps
            .store
            .dead_batches(&space, &Default::default(), 9)
            .await
            .unwrap(),
        []
    );
}
