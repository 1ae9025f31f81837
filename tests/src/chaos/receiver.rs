//! The handler: an HTTP server in this process, which nothing here breaks. It writes every call into a ledger before it
//! answers, so the ledger knows of each call, whatever dies afterwards.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use crate::checker::{Answer, Call, ItemPlan};

/// The server. It ends with this value.
#[derive(Debug)]
pub(crate) struct Receiver {
    url: String,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    file: Mutex<File>,
    calls: AtomicU64,
}

/// An item, as it is submitted: it says itself which one it is and what is to be done with it.
#[derive(Debug, Serialize, Deserialize)]
struct Item {
    upload: String,
    position: u32,
    #[serde(default)]
    ms: u32,
    #[serde(default)]
    refusals: u32,
    #[serde(default)]
    hopeless: bool,
}

/// A line of NDJSON for the item.
pub(crate) fn line(upload: &str, position: u32, plan: ItemPlan) -> String {
    let item = Item {
        upload: upload.to_owned(),
        position,
        ms: plan.ms,
        refusals: plan.refusals,
        hopeless: plan.hopeless,
    };
    let mut line = serde_json::to_string(&item).expect("an item is JSON");
    line.push('\n');
    line
}

/// Whether an output is what the item's handler answered.
pub(crate) fn is_output(output: &serde_json::Value, position: u32) -> bool {
    *output == serde_json::json!({ "done": position })
}

impl Receiver {
    #[expect(clippy::disallowed_methods, reason = "ends with the receiver")]
    pub(crate) async fn start(folder: &Path) -> Result<Self> {
        let path = folder.join("ledger");
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let shared = Arc::new(Shared {
            file: Mutex::new(file.with_context(|| format!("opening {}", path.display()))?),
            path,
            calls: AtomicU64::new(0),
        });
        let app = Router::new()
            .route("/", post(handle))
            .with_state(Arc::clone(&shared));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/", listener.local_addr()?);
        let server = tokio::spawn(async move {
            axum::serve(listener, app).await.expect("the receiver serves");
        });
        Ok(Self { url, shared, server })
    }

    /// `flotilla.toml` with the job type `ledger`, which is handled here. Nothing may fail by its time alone: how an item
    /// ends has to follow from what the receiver answers.
    pub(crate) fn config(&self) -> String {
        format!(
            "[job_types.ledger]\nhandler = {{ kind = \"http\", url = \"{}\" }}\ntimeout = \"10m\"\nmax_attempts = 3\n\
             backoff = {{ initial = \"50ms\", max = \"1s\" }}\n\n[api]\nupload_idle_timeout = \"5s\"\n",
            self.url
        )
    }

    /// Where items are posted to.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// How many calls there were.
    pub(crate) fn count(&self) -> u64 {
        self.shared.calls.load(Ordering::SeqCst)
    }

    /// Reads the ledger.
    pub(crate) fn calls(&self) -> Result<Vec<Call>> {
        let text = fs::read_to_string(&self.shared.path).context("reading the ledger")?;
        text.lines()
            .map(|line| read(line).with_context(|| format!("the ledger has the line {line:?}")))
            .collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn handle(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: String) -> Response {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(key), Some(attempt)) = (text("idempotency-key"), text("x-flotilla-attempt")) else {
        return (StatusCode::BAD_REQUEST, "no key").into_response();
    };
    let Ok(item) = serde_json::from_str::<Item>(&body) else {
        return (StatusCode::BAD_REQUEST, "no item").into_response();
    };
    let plan = ItemPlan {
        refusals: item.refusals,
        hopeless: item.hopeless,
        ms: item.ms,
    };
    let answer = plan.answer(attempt.parse().unwrap_or(0));
    shared.note(key, attempt, &item, answer);
    tokio::time::sleep(Duration::from_millis(item.ms.into())).await;
    match answer {
        Answer::Done => {
            let body = format!("{{\"done\":{}}}", item.position);
            ([("content-type", "application/json")], body).into_response()
        }
        Answer::Later => (StatusCode::SERVICE_UNAVAILABLE, "try later").into_response(),
        Answer::Never => (StatusCode::UNPROCESSABLE_ENTITY, "it is hopeless").into_response(),
    }
}

impl Shared {
    fn note(&self, key: &str, attempt: &str, item: &Item, answer: Answer) {
        let (batch, index) = key.rsplit_once(':').unwrap_or((key, "0"));
        let line = format!(
            "{batch} {index} {attempt} {} {} {answer:?}\n",
            item.upload, item.position
        );
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(line.as_bytes())
            .expect("the ledger can be written");
        self.calls.fetch_add(1, Ordering::SeqCst);
    }
}

fn read(line: &str) -> Option<Call> {
    let mut words = line.split(' ');
    let call = Call {
        batch: words.next()?.to_owned(),
        index: words.next()?.parse().ok()?,
        attempt: words.next()?.parse().ok()?,
        upload: words.next()?.to_owned(),
        position: words.next()?.parse().ok()?,
        answer: match words.next()? {
            "Done" => Answer::Done,
            "Later" => Answer::Later,
            "Never" => Answer::Never,
            _ => return None,
        },
    };
    Some(call)
}
