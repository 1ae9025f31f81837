//! Doing something to a batch, or to a worker.

use anyhow::Result;
use reqwest::Method;
use serde_json::Value;

use super::{Client, REQUEST_TIMEOUT, Reply};

impl Client {
    /// Pauses, resumes, cancels, starts, seals or retries a batch: `action` is the last part of the path.
    pub(crate) async fn act(&self, id: &str, action: &str, body: &Value) -> Result<Reply> {
        self.ask(Method::POST, &["v1", "batches", id, action], &[], body)
            .await
    }

    /// Tells a worker something: `order` is the last part of the path.
    pub(crate) async fn tell(&self, worker: &str, order: &str) -> Result<Reply> {
        self.ask(Method::POST, &["v1", "workers", worker, order], &[], &Value::Null)
            .await
    }

    /// Changes what may change while a batch runs.
    pub(crate) async fn change(&self, id: &str, values: &Value) -> Result<Reply> {
        self.ask(Method::PATCH, &["v1", "batches", id], &[], values).await
    }

    /// Deletes a batch; with `force` also one that has not ended.
    pub(crate) async fn delete(&self, id: &str, force: bool) -> Result<Reply> {
        let query: &[(&str, String)] = if force {
            &[("force", "true".to_owned())]
        } else {
            &[]
        };
        self.ask(Method::DELETE, &["v1", "batches", id], query, &Value::Null)
            .await
    }

    /// Sends a request with a body of JSON, or without one where it is null.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: &Value,
    ) -> Result<Reply> {
        let mut request = self
            .http
            .request(method, self.url(path, query)?)
            .timeout(REQUEST_TIMEOUT);
        if !body.is_null() {
            request = request.json(body);
        }
        self.send(request).await
    }
}
