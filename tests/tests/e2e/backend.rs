//! What items are handled by in tests: an HTTP server that counts, refuses, and holds requests, as it is told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// The server. It ends with this value.
pub(crate) struct Backend {
    url: String,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

/// What the server does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Answers with the item, after its `ms` milliseconds.
    Answer,
    /// Refuses with this status, and says how many seconds to wait.
    Refuse(u16, Option<u64>),
    /// Does not answer before the mode changes.
    Hold,
}

/// A request that was made.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// `idempotency-key`: batch and index.
    pub(crate) key: String,
    pub(crate) attempt: u32,
    pub(crate) at: Instant,
    pub(crate) item: Value,
    /// `x-flotilla-callback`.
    pub(crate) callback: Option<String>,
}

struct Shared {
    mode: watch::Sender<Mode>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    calls: Vec<Call>,
    /// Running, by the item's `tag`.
    running: BTreeMap<String, u32>,
    /// The most that ever ran, by tag; and over all of them, under "".
    most: BTreeMap<String, u32>,
    /// Requests that wait for another mode.
    held: u32,
    /// Requests that the client gave up.
    dropped: u32,
    busy: Duration,
}

impl Backend {
    #[expect(clippy::disallowed_methods, reason = "ends with the backend")]
    pub(crate) async fn start() -> Self {
        let shared = Arc::new(Shared {
            mode: watch::channel(Mode::Answer).0,
            seen: Mutex::default(),
        });
        let app = Router::new()
            .route("/", post(handle))
            .with_state(Arc::clone(&shared));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        let server = tokio::spawn(async move {
            axum::serve(listener, app).await.expect("the backend serves");
        });
        Self { url, shared, server }
    }

    /// A job type that posts to it; `settings` are further lines of TOML.
    pub(crate) fn job_type(&self, name: &str, settings: &str) -> String {
        format!(
            "[job_types.{name}]\nhandler = {{ kind = \"http\", url = \"{}\" }}\n{settings}\n",
            self.url
        )
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.shared.mode.send_replace(mode);
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.shared.seen().calls.clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.shared.seen().calls.len()
    }

    /// How many run now.
    pub(crate) fn running(&self) -> u32 {
        self.shared.seen().running.values().sum()
    }

    /// How many of them came in while requests are held, and so do not end by themselves.
    pub(crate) fn held(&self) -> u32 {
        self.shared.seen().held
    }

    /// The most that ran at once: of items with this `tag`, or of all.
    pub(crate) fn most(&self, tag: &str) -> u32 {
        self.shared.seen().most.get(tag).copied().unwrap_or(0)
    }

    /// Forgets what ran most.
    pub(crate) fn forget_most(&self) {
        self.shared.seen().most.clear();
    }

    /// Requests that were given up while they ran.
    pub(crate) fn dropped(&self) -> u32 {
        self.shared.seen().dropped
    }

    /// The time that all requests took together.
    pub(crate) fn busy(&self) -> Duration {
        self.shared.seen().busy
    }

    /// How often each item was handled.
    pub(crate) fn attempts(&self) -> BTreeMap<String, Vec<Call>> {
        let mut attempts: BTreeMap<String, Vec<Call>> = BTreeMap::new();
        for call in self.calls() {
            attempts.entry(call.key.clone()).or_default().push(call);
        }
        attempts
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("no test panics while it looks")
    }
}

/// Counts a request in, and out however it ends.
struct Running {
    shared: Arc<Shared>,
    tag: String,
    since: Instant,
    held: bool,
    answered: bool,
}

impl Running {
    fn new(shared: &Arc<Shared>, call: Call) -> Self {
        let tag = call.item["tag"].as_str().unwrap_or_default().to_owned();
        let since = call.at;
        let mut seen = shared.seen();
        seen.calls.push(call);
        *seen.running.entry(tag.clone()).or_default() += 1;
        let all: u32 = seen.running.values().sum();
        let of_tag = seen.running[&tag];
        if !tag.is_empty() {
            let most = seen.most.entry(tag.clone()).or_default();
            *most = of_tag.max(*most);
        }
        let most = seen.most.entry(String::new()).or_default();
        *most = all.max(*most);
        drop(seen);
        Self {
            shared: Arc::clone(shared),
            tag,
            since,
            held: false,
            answered: false,
        }
    }

    fn hold(&mut self, held: bool) {
        if self.held != held {
            let mut seen = self.shared.seen();
            seen.held = if held { seen.held + 1 } else { seen.held - 1 };
            self.held = held;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.hold(false);
        let mut seen = self.shared.seen();
        if let Some(running) = seen.running.get_mut(&self.tag) {
            *running -= 1;
        }
        seen.busy += self.since.elapsed();
        seen.dropped += u32::from(!self.answered);
    }
}

async fn handle(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: String) -> Response {
    let text = |name: &str| Some(headers.get(name)?.to_str().ok()?.to_owned());
    let item: Value = serde_json::from_str(&body).expect("an item is JSON");
    let mut running = Running::new(
        &shared,
        Call {
            key: text("idempotency-key").expect("a key"),
            attempt: text("x-flotilla-attempt")
                .and_then(|attempt| attempt.parse().ok())
                .expect("an attempt"),
            at: Instant::now(),
            item: item.clone(),
            callback: text("x-flotilla-callback"),
        },
    );
    let mut mode = shared.mode.subscribe();
    let mut now = *mode.borrow_and_update();
    if now == Mode::Hold {
        running.hold(true);
        now = *mode
            .wait_for(|mode| *mode != Mode::Hold)
            .await
            .expect("the backend lives as long as its requests");
        running.hold(false);
    }
    let answer = match now {
        Mode::Refuse(status, wait) => {
            let status = StatusCode::from_u16(status).expect("a status");
            match wait {
                Some(seconds) => (status, [("retry-after", seconds.to_string())]).into_response(),
                None => status.into_response(),
            }
        }
        Mode::Answer | Mode::Hold => {
            tokio::time::sleep(Duration::from_millis(item["ms"].as_u64().unwrap_or(0))).await;
            let status = item["status"].as_u64().map_or(200, |status| status as u16);
            (StatusCode::from_u16(status).expect("a status"), body).into_response()
        }
    };
    running.answered = true;
    answer
}
