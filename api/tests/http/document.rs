//! The OpenAPI document, the router and the manual say the same.

use axum::body::Body;
use axum::http::Request;
use serde_json::Value;

use crate::harness::Api;

const MANUAL: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/http.md"));

/// `METHOD /path` of every operation.
fn operations(document: &Value) -> Vec<(String, String)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().keys();
            methods.map(move |method| (method.to_uppercase(), path.clone()))
        })
        .collect()
}

/// Every `$ref` anywhere in `value`.
fn references(value: &Value) -> Vec<&str> {
    match value {
        Value::Object(members) => {
            let own = members.get("$ref").and_then(Value::as_str);
            own.into_iter()
                .chain(members.values().flat_map(references))
                .collect()
        }
        Value::Array(values) => values.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn every_operation_is_routed_and_in_the_manual() {
    let api = Api::new().await;
    let document = api.get("/openapi.json").await.json;
    assert_eq!(document, serde_json::to_value(flotilla_api::openapi()).unwrap());
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let operations = operations(&document);
    assert_eq!(operations.len(), 40);
    for (method, path) in operations {
        let concrete = path
            .replace("{id}", "x")
            .replace("{batch}", "x")
            .replace("{token}", "x")
            .replace("{name}", "x")
            .replace("{index}", "0");
        let request = Request::builder()
            .method(&*method)
            .uri(&concrete)
            .body(Body::empty())
            .unwrap();
        let answer = api.send(request).await;
        let problem = answer.json["type"].as_str().unwrap_or_default();
        assert!(
            !["/problems/unknown-route", "/problems/method-not-allowed"].contains(&problem),
            "{method} {path}"
        );
        assert!(
            MANUAL.contains(&format!("`{method} {path}")),
            "{method} {path} is not in docs/http.md"
        );
    }
}

#[tokio::test]
async fn every_reference_leads_somewhere() {
    let document = serde_json::to_value(flotilla_api::openapi()).unwrap();
    let references = references(&document);
    assert!(references.len() > 10);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}
