//! RabbitMQ's management API, as far as tests need it.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use url::Url;

use crate::http_client;

/// A client of the management API that sees one vhost.
///
/// Counters come from statistics that RabbitMQ gathers once a second, so a test polls them with
/// [`eventually`](crate::eventually()) and never reads them once.
#[derive(Debug, Clone)]
pub struct Management {
    http: reqwest::Client,
    base: Url,
    vhost: String,
}

impl Management {
    /// A client of the API at `url`, which carries user and password, for the vhost of that name.
    pub fn new(url: &str, vhost: &str) -> Result<Self> {
        let base = Url::parse(url).with_context(|| format!("the management URL {url}"))?;
        Ok(Self {
            http: http_client(),
            base,
            vhost: vhost.to_owned(),
        })
    }

    /// The name of the vhost.
    #[must_use]
    pub fn vhost(&self) -> &str {
        &self.vhost
    }

    /// `/api/queues/{vhost}/{name}`, or `None` where there is no such queue.
    pub async fn queue(&self, name: &str) -> Option<Value> {
        self.get(&["queues", &self.vhost, name])
            .await
            .expect("the management API describes a queue")
    }

    /// Every queue of the vhost.
    pub async fn queues(&self) -> Vec<Value> {
        self.list("queues").await
    }

    /// Every client connection to the vhost.
    pub async fn connections(&self) -> Vec<Value> {
        let path = ["vhosts", self.vhost.as_str(), "connections"];
        let answer = self
            .get(&path)
            .await
            .expect("the management API lists connections");
        answer
            .and_then(|answer| answer.as_array().cloned())
            .unwrap_or_default()
    }

    /// How many messages were routed to the queue since it exists.
    pub async fn published_to(&self, queue: &str) -> u64 {
        self.counter(queue, "publish").await
    }

    /// How many deliveries the queue made, redeliveries included.
    pub async fn delivered(&self, queue: &str) -> u64 {
        self.counter(queue, "deliver_get").await
    }

    /// How many deliveries were made a second time or more often.
    pub async fn redelivered(&self, queue: &str) -> u64 {
        self.counter(queue, "redeliver").await
    }

    /// How many deliveries were acknowledged.
    pub async fn acked(&self, queue: &str) -> u64 {
        self.counter(queue, "ack").await
    }

    /// How many messages the queue holds: ready and unacknowledged.
    pub async fn depth(&self, queue: &str) -> u64 {
        self.number(queue, "/messages").await
    }

    /// How many consumers the queue has.
    pub async fn consumers(&self, queue: &str) -> u64 {
        self.number(queue, "/consumers").await
    }

    /// Deletes a queue with everything in it.
    pub async fn delete_queue(&self, name: &str) {
        self.send(Method::DELETE, &["queues", &self.vhost, name], None)
            .await
            .expect("a queue can be deleted");
    }

    /// Drops every message of a queue that nobody has.
    pub async fn purge_queue(&self, name: &str) -> Result<()> {
        let path = ["queues", &self.vhost, name, "contents"];
        self.send(Method::DELETE, &path, None).await.map(drop)
    }

    /// Sets an operator policy over the queues whose names match the pattern: it wins over what they were declared with.
    pub async fn set_operator_policy(&self, name: &str, pattern: &str, definition: Value) -> Result<()> {
        let policy = json!({ "pattern": pattern, "definition": definition, "apply-to": "queues" });
        let path = ["operator-policies", &self.vhost, name];
        self.send(Method::PUT, &path, Some(policy)).await.map(drop)
    }

    /// Removes an operator policy; one that does not exist is fine.
    pub async fn delete_operator_policy(&self, name: &str) -> Result<()> {
        let path = ["operator-policies", &self.vhost, name];
        self.send(Method::DELETE, &path, None).await.map(drop)
    }

    /// How many messages each queue of the vhost holds; `None` for one without statistics yet.
    pub async fn try_depths(&self) -> Result<Vec<(String, Option<u64>)>> {
        let Some(answer) = self.get(&["queues", &self.vhost]).await? else {
            bail!("there is no vhost {}", self.vhost);
        };
        let queues = answer.as_array().context("the management API lists queues")?;
        let depth = |queue: &Value| {
            let name = queue["name"].as_str().unwrap_or_default().to_owned();
            (name, queue["messages"].as_u64())
        };
        Ok(queues.iter().map(depth).collect())
    }

    /// Closes every client connection to the vhost, as a restart of the broker would.
    ///
    /// Connections appear in the API up to a second after they were made.
    pub async fn close_connections(&self) {
        for connection in self.connections().await {
            let Some(name) = connection["name"].as_str() else {
                continue;
            };
            self.send(Method::DELETE, &["connections", name], None)
                .await
                .expect("a connection can be closed");
        }
    }

    /// Creates the vhost and lets the user `guest` do everything in it.
    pub async fn create_vhost(&self) -> Result<()> {
        self.send(Method::PUT, &["vhosts", &self.vhost], Some(json!({})))
            .await?;
        let everything = json!({ "configure": ".*", "write": ".*", "read": ".*" });
        self.send(
            Method::PUT,
            &["permissions", &self.vhost, "guest"],
            Some(everything),
        )
        .await?;
        Ok(())
    }

    /// Creates a user who may configure, write and read in the vhost what the patterns match. Users belong to the whole
    /// server: the name has to be unique, and [`delete_user`](Self::delete_user) has to follow.
    pub async fn create_user(&self, name: &str, password: &str, permissions: [&str; 3]) -> Result<()> {
        let user = json!({ "password": password, "tags": "" });
        self.send(Method::PUT, &["users", name], Some(user)).await?;
        let [configure, write, read] = permissions;
        let permissions = json!({ "configure": configure, "write": write, "read": read });
        self.send(
            Method::PUT,
            &["permissions", &self.vhost, name],
            Some(permissions),
        )
        .await?;
        Ok(())
    }

    /// Deletes a user; one that does not exist is fine.
    pub async fn delete_user(&self, name: &str) -> Result<()> {
        self.send(Method::DELETE, &["users", name], None).await.map(drop)
    }

    /// Whether the vhost exists.
    pub async fn vhost_exists(&self) -> Result<bool> {
        Ok(self.get(&["vhosts", &self.vhost]).await?.is_some())
    }

    /// Deletes the vhost with everything in it; one that does not exist is fine.
    pub async fn delete_vhost(&self) -> Result<()> {
        self.send(Method::DELETE, &["vhosts", &self.vhost], None)
            .await
            .map(drop)
    }

    /// Fails until the API answers to a user who is logged in.
    pub async fn ready(&self) -> Result<()> {
        match self.get(&["overview"]).await? {
            Some(_) => Ok(()),
            None => bail!("the management API has no overview yet"),
        }
    }

    async fn counter(&self, queue: &str, name: &str) -> u64 {
        self.number(queue, &format!("/message_stats/{name}")).await
    }

    /// A queue that nothing happened to has no statistics, which is zero.
    async fn number(&self, queue: &str, pointer: &str) -> u64 {
        let queue = self.queue(queue).await.unwrap_or_default();
        queue.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
    }

    async fn list(&self, kind: &str) -> Vec<Value> {
        let answer = self
            .get(&[kind, &self.vhost])
            .await
            .expect("the management API lists what a vhost has");
        answer
            .and_then(|answer| answer.as_array().cloned())
            .unwrap_or_default()
    }

    async fn get(&self, path: &[&str]) -> Result<Option<Value>> {
        match self.send(Method::GET, path, None).await? {
            Some(answer) => Ok(Some(answer.json().await.context("reading the management API")?)),
            None => Ok(None),
        }
    }

    /// `None` is the answer 404.
    async fn send(&self, method: Method, path: &[&str], body: Option<Value>) -> Result<Option<Response>> {
        let url = self.url(path);
        let mut request = self
            .http
            .request(method.clone(), url.clone())
            .timeout(Duration::from_secs(20));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.with_context(|| format!("{method} {url}"))?;
        match answer.status() {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => Ok(Some(answer)),
            status => bail!(
                "{method} {url}: {status} {}",
                answer.text().await.unwrap_or_default()
            ),
        }
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .expect("an http URL has a path")
            .clear()
            .push("api")
            .extend(path);
        url
    }
}
