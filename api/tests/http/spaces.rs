//! What belongs to another space does not exist.

use axum::body::Body;
use axum::http::Request;
use axum::http::header::CONTENT_TYPE;
use flotilla_core::BatchId;
use flotilla_core::message::Verdict;
use flotilla_core::outcome::{ItemError, ItemErrorKind};
use flotilla_core::ports::Objects;
use serde_json::{Value, json};

use crate::harness::{Answer, Api, JSON, NDJSON};

/// A batch of the space `a` that has ended, with a dead letter.
async fn ended(api: &Api) -> String {
    let id = api.batch_of("a", "1\n").await;
    let batch: BatchId = id.parse().unwrap();
    api.dispatch(batch).await;
    let error = ItemError::new(ItemErrorKind::Handler, "no");
    api.report(batch, 0, 1, Verdict::Fail(error)).await;
    id
}

/// A body with which the request would be fine.
fn body(path: &str, method: &str) -> (&'static str, String) {
    match (path.rsplit('/').next(), method) {
        (Some("items"), "POST") => (NDJSON, "1\n".into()),
        (_, "PATCH") => (JSON, json!({"priority": 1}).to_string()),
        _ => (JSON, String::new()),
    }
}

async fn send(api: &Api, method: &str, path: &str) -> Answer {
    let bare = path.split('?').next().unwrap();
    let (content_type, body) = body(bare, method);
    let request = Request::builder()
        .method(&*method.to_uppercase())
        .uri(path)
        .header(CONTENT_TYPE, content_type);
    api.send(request.body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn no_path_shows_or_changes_another_space() {
    let api = Api::new().await;
    let id = ended(&api).await;
    let before = api.get(&format!("/v1/batches/{id}?space=a")).await.json;
    let document = serde_json::to_value(flotilla_api::openapi()).unwrap();
    let mut tried = 0;
    // Every path of today, and those that are still to come.
    for (path, methods) in document["paths"].as_object().unwrap() {
        let names = ["{id}", "{batch}"];
        if !names.iter().any(|name| path.contains(name)) {
            continue;
        }
        let slug = if path.contains("{id}") {
            "unknown-batch"
        } else {
            "unknown-dead-letter"
        };
        let path = path
            .replace("{id}", &id)
            .replace("{batch}", &id)
            .replace("{index}", "0")
            .replace("{name}", "a");
        for method in methods.as_object().unwrap().keys() {
            let method = method.to_uppercase();
            for query in ["", "?space=b"] {
                let answer = send(&api, &method, &format!("{path}{query}")).await;
                answer.problem(404, slug);
            }
            let twice = send(&api, &method, &format!("{path}?space=b&space=a")).await;
            twice.problem(400, "invalid-parameter");
            tried += 1;
        }
    }
    assert!(tried >= 17, "{tried}");
    let after = api.get(&format!("/v1/batches/{id}?space=a")).await.json;
    assert_eq!(after, before, "nothing was changed");
    let archive = Objects::archive_key(&"a".parse().unwrap(), id.parse().unwrap(), 1);
    let mut archive = api.deps.objects.create(&archive);
    archive.write("packed").await.unwrap();
    archive.finish().await.unwrap();
    // To its own space all of it is there.
    for (path, methods) in document["paths"].as_object().unwrap() {
        if !path.contains("{id}") && !path.contains("{batch}") || methods["get"].is_null() {
            continue;
        }
        // The item has no files: `artifacts` has its own test.
        if path.contains("{name}") {
            continue;
        }
        let path = path
            .replace("{id}", &id)
            .replace("{batch}", &id)
            .replace("{index}", "0")
            .replace("{name}", "a");
        assert_eq!(api.get(&format!("{path}?space=a")).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn no_list_shows_another_space() {
    let api = Api::new().await;
    let id = ended(&api).await;
    let list = |space| format!("/v1/batches?space={space}");
    assert_eq!(
        api.get(&list("b")).await.json,
        json!({"batches": [], "next_cursor": null})
    );
    assert_eq!(api.get(&list("a")).await.json["batches"][0]["id"], json!(id));
    for (path, name) in [
        ("/v1/dead-letters", "dead_letters"),
        ("/v1/dead-letters/groups", "groups"),
    ] {
        for (query, count) in [("", 0), ("?space=b", 0), ("?space=a", 1)] {
            let answer = api.get(&format!("{path}{query}")).await.json;
            assert_eq!(
                answer[name].as_array().map(Vec::len),
                Some(count),
                "{path}{query}"
            );
        }
    }
    for action in ["redrive", "discard"] {
        let path = format!("/v1/dead-letters/{action}?space=b");
        for body in [json!({"all": true}), json!({"batch": id})] {
            let answer = api.ask("POST", &path, body).await;
            assert_eq!(
                (answer.status, &answer.json["items"]),
                (200, &json!(0)),
                "{}",
                answer.text
            );
        }
    }
    let kept = api.get(&format!("/v1/dead-letters/{id}/0?space=a")).await;
    assert_eq!((kept.status, &kept.json["input"]), (200, &json!(1)));
    let none: Value = api.get("/v1/workers?space=b").await.json;
    assert_eq!(none, json!({"workers": []}));
}
