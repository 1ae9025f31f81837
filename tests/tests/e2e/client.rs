//! A producer's HTTP client.

use std::time::Duration;

use flotilla_tests::{eventually, http_client};
use reqwest::{Response, StatusCode};
use serde_json::Value;

/// Talks to one API process.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    pub(crate) server: String,
}

impl Client {
    pub(crate) fn new(server: impl Into<String>) -> Self {
        Self {
            http: http_client(),
            server: server.into(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.http
            .get(format!("{}{path}", self.server))
            .send()
            .await
            .expect("the API answers")
    }

    pub(crate) async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        let status = answer.status();
        let body: Value = answer.json().await.expect("the API answers with JSON");
        assert!(status.is_success(), "{path}: {status} {body}");
        body
    }

    pub(crate) async fn post(
        &self,
        path: &str,
        content_type: &str,
        body: impl Into<reqwest::Body>,
    ) -> Response {
        let request = self
            .http
            .post(format!("{}{path}", self.server))
            .header("content-type", content_type);
        request.body(body).send().await.expect("the API answers")
    }

    /// Submits NDJSON and answers the id of the batch.
    pub(crate) async fn submit(&self, job_type: &str, ndjson: String) -> String {
        let path = format!("/v1/batches?job_type={job_type}");
        let answer = self.post(&path, "application/x-ndjson", ndjson).await;
        let (status, location) = (answer.status(), answer.headers().get("location").cloned());
        let batch: Value = answer.json().await.expect("the API answers with JSON");
        assert_eq!(status, StatusCode::ACCEPTED, "{batch}");
        let id = batch["id"].as_str().expect("a batch has an id").to_owned();
        assert_eq!(
            location.expect("a Location").to_str().unwrap(),
            format!("/v1/batches/{id}")
        );
        id
    }

    /// Waits for the batch's result and answers it.
    pub(crate) async fn result(&self, batch: &str, timeout: Duration) -> Value {
        eventually("the result of the batch", timeout, || async {
            let answer = self.get(&format!("/v1/batches/{batch}/result")).await;
            match answer.status() {
                StatusCode::OK => Some(answer.json().await.expect("a result is JSON")),
                StatusCode::NOT_FOUND | StatusCode::CONFLICT => None,
                other => panic!("unexpected {other}"),
            }
        })
        .await
    }

    /// All items of the batch, in input order.
    pub(crate) async fn items(&self, batch: &str) -> Vec<Value> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self
                .json(&format!("/v1/batches/{batch}/items?limit=1000{cursor}"))
                .await;
            items.extend(
                page["items"]
                    .as_array()
                    .expect("a page has items")
                    .iter()
                    .cloned(),
            );
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
    }
}
