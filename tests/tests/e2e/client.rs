//! A producer's HTTP client.

use std::time::Duration;

use flotilla_tests::{eventually, http_client};
use reqwest::{Method, Response, StatusCode};
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

    /// A request with a JSON body, or without one, in the name of `ann`.
    pub(crate) async fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.server))
            .header("x-flotilla-actor", "ann");
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.expect("the API answers");
        let status = answer.status();
        let text = answer.text().await.expect("the API answers with text");
        let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        (status, value)
    }

    /// A read that may find nobody at home.
    pub(crate) async fn try_request(&self, path: &str) -> Option<(StatusCode, Value)> {
        let answer = self
            .http
            .get(format!("{}{path}", self.server))
            .send()
            .await
            .ok()?;
        Some((answer.status(), answer.json().await.ok()?))
    }

    /// Creates a batch of `items` with `options`, and answers its id.
    pub(crate) async fn create(&self, options: Value, items: Vec<Value>) -> String {
        let mut body = options;
        body["items"] = Value::Array(items);
        let (status, batch) = self.request(Method::POST, "/v1/batches", Some(body)).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{batch}");
        batch["id"].as_str().expect("a batch has an id").to_owned()
    }

    /// The batch as it is.
    pub(crate) async fn batch(&self, batch: &str) -> Value {
        self.json(&format!("/v1/batches/{batch}")).await
    }

    /// `POST /v1/batches/{id}/{action}`, which must be allowed. Answers its body.
    pub(crate) async fn act(&self, batch: &str, action: &str, body: Option<Value>) -> Value {
        let path = format!("/v1/batches/{batch}/{action}");
        let (status, answer) = self.request(Method::POST, &path, body).await;
        assert!(status.is_success(), "{action}: {status} {answer}");
        answer
    }

    /// Waits until the batch is as `probe` says, and answers it.
    pub(crate) async fn until(
        &self,
        batch: &str,
        what: &str,
        timeout: Duration,
        probe: impl Fn(&Value) -> bool,
    ) -> Value {
        eventually(what, timeout, || async {
            let batch = self.batch(batch).await;
            probe(&batch).then_some(batch)
        })
        .await
    }

    /// The codes of the reasons why the batch waits.
    pub(crate) async fn reasons(&self, batch: &str) -> Vec<String> {
        let explained = self.json(&format!("/v1/batches/{batch}/explain")).await;
        let reasons = explained["reasons"].as_array().expect("reasons are a list");
        reasons
            .iter()
            .map(|reason| reason["code"].as_str().expect("a reason has a code").to_owned())
            .collect()
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
