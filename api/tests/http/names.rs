//! A `custom_id` names one item of its batch; and of its space, for a while, where the batch asks for that.

use serde_json::{Value, json};

use crate::harness::{Api, JSON, NDJSON};

fn named(names: &[&str]) -> String {
    names
        .iter()
        .map(|name| format!("{{\"custom_id\": \"{name}\"}}\n"))
        .collect()
}

#[tokio::test]
async fn two_items_of_a_batch_have_two_names() {
    let api = Api::new().await;
    // Within a chunk, and in another one.
    for (names, item, other) in [
        (vec!["a", "a"], 1, "item 0"),
        (vec!["a", "b", "c", "d", "b"], 4, "index 1"),
    ] {
        let answer = api.post("?job_type=echo", NDJSON, named(&names)).await;
        let detail = answer.problem(400, "invalid-item");
        assert!(detail.contains(other) && detail.contains("unique"), "{detail}");
        assert_eq!(
            (
                &answer.json["item"],
                &answer.json["line"],
                &answer.json["pointer"]
            ),
            (&json!(item), &json!(item + 1), &json!("/custom_id"))
        );
        assert_eq!(api.rows(), (0, 0));
    }
    let body = json!({"job_type": "echo", "items": [{"custom_id": "a"}, {"custom_id": "a"}]});
    api.post("", JSON, body.to_string())
        .await
        .problem(400, "invalid-item");
    let names = ["a", "b", "a", "c", "d", "b", "e"];
    let answer = api
        .post("?job_type=echo&on_invalid=skip", NDJSON, named(&names))
        .await;
    assert_eq!(answer.json["counts"]["total"], 5, "{}", answer.text);
    let id = answer.json["id"].as_str().unwrap();
    let skipped = api.get(&format!("/v1/batches/{id}/skipped")).await;
    let skipped: Vec<Value> = skipped
        .text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let reasons: Vec<_> = skipped
        .iter()
        .map(|row| (row["position"].as_u64().unwrap(), row["reason"].as_str().unwrap()))
        .collect();
    assert_eq!(reasons, [(2, "duplicate_id"), (5, "duplicate_id")]);
}

#[tokio::test]
async fn a_space_accepts_a_name_once_in_a_while() {
    let api = Api::new().await;
    let query = "?job_type=echo&deduplicate=1h";
    let first = api.post(query, NDJSON, named(&["a", "b", "c"])).await;
    assert_eq!(
        (&first.json["counts"]["total"], &first.json["deduplicate_s"]),
        (&json!(3), &json!(3_600.0)),
        "{}",
        first.text
    );
    let second = api
        .post(query, NDJSON, named(&["d", "a", "e", "c"]) + "{}\n")
        .await;
    assert_eq!(
        (&second.json["counts"]["total"], &second.json["skipped"]),
        (&json!(3), &json!(2))
    );
    let id = second.json["id"].as_str().unwrap();
    let skipped = api.get(&format!("/v1/batches/{id}/skipped")).await;
    assert!(skipped.text.contains("deduplicated"), "{}", skipped.text);
    assert!(
        skipped.text.contains(first.json["id"].as_str().unwrap()),
        "it says which batch has it: {}",
        skipped.text
    );
    // Others are not asked, and not remembered.
    let other = api.post("?job_type=echo", NDJSON, named(&["a", "z"])).await;
    assert_eq!(other.json["counts"]["total"], 2);
    let elsewhere = api
        .post(&format!("{query}&space=b"), NDJSON, named(&["a", "b"]))
        .await;
    assert_eq!(elsewhere.json["counts"]["total"], 2);
    let body =
        json!({"job_type": "echo", "deduplicate": "1h", "items": [{"custom_id": "z"}, {"custom_id": "b"}]});
    let fourth = api.post("", JSON, body.to_string()).await;
    assert_eq!(fourth.json["counts"]["total"], 1, "{}", fourth.text);
}

#[tokio::test]
async fn an_upload_that_fails_holds_no_names() {
    let api = Api::new().await;
    let query = "?job_type=echo&deduplicate=1h";
    let broken = named(&["a", "b", "c", "d"]) + "rubbish";
    api.post(query, NDJSON, broken).await.problem(400, "invalid-json");
    let again = api.post(query, NDJSON, named(&["a", "b", "c", "d"])).await;
    assert_eq!(again.json["counts"]["total"], 4, "{}", again.text);
}
