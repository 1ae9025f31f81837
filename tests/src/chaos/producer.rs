//! A producer as it should be: it repeats a request with the same key until it is answered.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use super::receiver;
use crate::checker::Plan;
use crate::http_client;

/// How long a producer goes on asking.
pub(crate) const PATIENCE: Duration = Duration::from_secs(200);
/// How long it rests before it asks again.
const REST: Duration = Duration::from_millis(150);

/// Talks to all API processes, one after the other.
#[derive(Debug, Clone)]
pub(crate) struct Producer {
    http: reqwest::Client,
    apis: Vec<String>,
    patience: Duration,
}

/// What was promised by a 202.
#[derive(Debug, Clone)]
pub(crate) struct Promise {
    pub(crate) id: String,
    pub(crate) space: String,
    pub(crate) plan: Plan,
    pub(crate) asked_again: bool,
    /// Somebody asked for its end.
    pub(crate) cancelled: bool,
    /// Results that it must have in the end.
    pub(crate) revisions: u32,
}

impl Promise {
    /// Where the API has it, or what is under it.
    pub(crate) fn path(&self, under: &str) -> String {
        format!("/v1/batches/{}{under}?space={}", self.id, self.space)
    }
}

impl Producer {
    pub(crate) fn new(apis: Vec<String>) -> Self {
        Self {
            http: http_client(),
            apis,
            patience: PATIENCE,
        }
    }

    /// The same, that repeats a request for so long.
    pub(crate) fn patient(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Uploads until it is answered with a 202. `options` are more parameters of the query.
    pub(crate) async fn upload(&self, plan: Plan, options: &[(&str, String)]) -> Result<Promise> {
        let body: String = (0..)
            .zip(&plan.items)
            .map(|(position, item)| receiver::line(&plan.upload, position, *item))
            .collect();
        let deadline = Instant::now() + self.patience;
        for attempt in 0.. {
            let api = &self.apis[attempt % self.apis.len()];
            let request = self
                .http
                .post(format!("{api}/v1/batches"))
                .query(&[("job_type", "ledger"), ("name", &plan.upload)])
                .query(&[("max_attempts", plan.max_attempts)])
                .query(options)
                .header("content-type", "application/x-ndjson")
                .header("idempotency-key", &plan.upload)
                .body(body.clone());
            match request.send().await {
                Ok(answer) if answer.status() == StatusCode::ACCEPTED => {
                    // The body may be cut off even here: then it is asked for again.
                    if let Ok(batch) = answer.json::<Value>().await {
                        let id = batch["id"].as_str().context("a batch has an id")?.to_owned();
                        let space = batch["space"].as_str().unwrap_or("default").to_owned();
                        return Ok(Promise {
                            id,
                            space,
                            plan,
                            asked_again: attempt > 0,
                            cancelled: false,
                            revisions: 1,
                        });
                    }
                }
                Ok(answer) if refused(answer.status()) => {
                    bail!("{}: {}", answer.status(), answer.text().await.unwrap_or_default());
                }
                Ok(_) | Err(_) => {}
            }
            if Instant::now() >= deadline {
                bail!(
                    "the upload {} was not answered within {:?}",
                    plan.upload,
                    self.patience
                );
            }
            sleep(REST).await;
        }
        unreachable!("the numbers do not end")
    }

    /// Begins an upload to one of the APIs, sends some items of it, and breaks off.
    pub(crate) async fn break_off(&self, api: usize, plan: &Plan) -> Result<()> {
        let api = &self.apis[api % self.apis.len()];
        let address = api.strip_prefix("http://").context("an API has a URL")?;
        let mut stream = TcpStream::connect(address).await?;
        let head = format!(
            "POST /v1/batches?job_type=ledger&name={} HTTP/1.1\r\nhost: {address}\r\ncontent-type: \
             application/x-ndjson\r\ncontent-length: 100000000\r\n\r\n",
            plan.upload
        );
        stream.write_all(head.as_bytes()).await?;
        for (position, item) in (0..).zip(&plan.items) {
            let line = receiver::line(&plan.upload, position, *item);
            stream.write_all(line.as_bytes()).await?;
        }
        stream.flush().await?;
        // In the middle of a line.
        stream.write_all(b"{\"upload\":").await?;
        Ok(())
    }

    /// Does something, until somebody answers. The status is that of the answer.
    pub(crate) async fn act(&self, path: &str) -> Result<StatusCode> {
        let (status, _) = self.ask(Method::POST, path).await?;
        Ok(status)
    }

    /// Reads, until somebody answers. `None` is the answer 404.
    pub(crate) async fn read(&self, path: &str) -> Result<Option<Value>> {
        match self.ask(Method::GET, path).await? {
            (status, body) if status.is_success() => Ok(Some(body)),
            (StatusCode::NOT_FOUND, _) => Ok(None),
            (status, body) => bail!("{path}: {status} {body}"),
        }
    }

    /// All pages of the items of a batch.
    pub(crate) async fn items(&self, promise: &Promise) -> Result<Vec<Value>> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("{}&limit=1000{cursor}", promise.path("/items"));
            let page = self.read(&path).await?.context("the batch is there")?;
            items.extend(
                page["items"]
                    .as_array()
                    .context("a page has items")?
                    .iter()
                    .cloned(),
            );
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(items),
            }
        }
    }

    async fn ask(&self, method: Method, path: &str) -> Result<(StatusCode, Value)> {
        let deadline = Instant::now() + self.patience;
        for attempt in 0.. {
            let api = &self.apis[attempt % self.apis.len()];
            let request = self.http.request(method.clone(), format!("{api}{path}"));
            if let Ok(answer) = request.send().await
                && !answer.status().is_server_error()
            {
                let status = answer.status();
                if let Ok(text) = answer.text().await {
                    return Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))));
                }
            }
            if Instant::now() >= deadline {
                bail!("{method} {path} was not answered within {:?}", self.patience);
            }
            sleep(REST).await;
        }
        unreachable!("the numbers do not end")
    }
}

/// Statuses that asking again does not change.
fn refused(status: StatusCode) -> bool {
    let later = [
        StatusCode::CONFLICT,
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::REQUEST_TIMEOUT,
    ];
    status.is_client_error() && !later.contains(&status)
}
