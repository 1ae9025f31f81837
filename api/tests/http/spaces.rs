//! What belongs to another space does not exist.

use serde_json::json;

use crate::harness::Api;

#[tokio::test]
async fn no_path_shows_another_space() {
    let api = Api::new().await;
    let id = api.batch_of("a", "1\n").await;
    let document = serde_json::to_value(flotilla_api::openapi()).unwrap();
    let mut tried = 0;
    // Every path of today, and those that are still to come.
    for (path, methods) in document["paths"].as_object().unwrap() {
        if !path.contains("{id}") {
            continue;
        }
        let path = path.replace("{id}", &id).replace("{index}", "0");
        assert!(
            methods["get"].is_object(),
            "{path}: say here how a method other than GET is checked"
        );
        api.get(&path).await.problem(404, "unknown-batch");
        api.get(&format!("{path}?space=b"))
            .await
            .problem(404, "unknown-batch");
        api.get(&format!("{path}?space=b&space=a"))
            .await
            .problem(400, "invalid-parameter");
        let own = api.get(&format!("{path}?space=a")).await;
        assert!(own.status == 200 || own.problem(404, "no-result-yet").contains("pending"));
        tried += 1;
    }
    assert!(tried >= 4);
    let list = |space| format!("/v1/batches?space={space}");
    assert_eq!(
        api.get(&list("b")).await.json,
        json!({"batches": [], "next_cursor": null})
    );
    assert_eq!(api.get(&list("a")).await.json["batches"][0]["id"], json!(id));
}
