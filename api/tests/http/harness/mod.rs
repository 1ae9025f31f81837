//! An API with engines of its own.

mod absent;
mod answer;
mod events;
mod fleet;
mod lossy;
mod stuck;
mod tcp;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::http::header::CONTENT_TYPE;
use flotilla_api::{Config, Deps};
use flotilla_core::artifact::Artifact;
use flotilla_core::attempt::Attempt;
use flotilla_core::job_type::JobTypes;
use flotilla_core::message::Verdict;
use flotilla_core::outcome::Output;
use flotilla_core::ports::store::{Claim, Want};
use flotilla_core::ports::{Objects, Store};
use flotilla_core::{BatchId, Clock, Ids, Json, NoPropagation, Shutdown, SystemClock, Tasks, WorkerId};
use flotilla_embedded::progress::EmbeddedProgress;
use flotilla_sqlite::SqliteStore;
use object_store::memory::InMemory;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use tower::ServiceExt;

pub(crate) use absent::Absent;
pub(crate) use answer::Answer;
pub(crate) use events::Events;
pub(crate) use fleet::Fleet;
pub(crate) use lossy::Lossy;
pub(crate) use tcp::{Client, Served};

pub(crate) const NDJSON: &str = "application/x-ndjson";
pub(crate) const JSON: &str = "application/json";
pub(crate) const CSV: &str = "text/csv";

/// Everything that one test needs. Small chunks, so that a few items take several.
pub(crate) struct Api {
    pub(crate) deps: Deps,
    pub(crate) config: Config,
    pub(crate) router: Router,
    file: PathBuf,
    _folder: TempDir,
}

pub(crate) fn config() -> Config {
    Config {
        max_item_bytes: 1_000,
        max_items: 100,
        chunk_items: 2,
        linger: Duration::from_millis(100),
        ..Config::default()
    }
}

impl Api {
    pub(crate) async fn new() -> Self {
        Self::with(config()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        Self::over(config, |store| store).await
    }

    /// `wrap` may put something between the API and its store.
    pub(crate) async fn over(config: Config, wrap: impl FnOnce(Arc<dyn Store>) -> Arc<dyn Store>) -> Self {
        Self::at(config, Arc::new(SystemClock), wrap).await
    }

    /// With a clock of its own.
    pub(crate) async fn at(
        config: Config,
        clock: Arc<dyn Clock>,
        wrap: impl FnOnce(Arc<dyn Store>) -> Arc<dyn Store>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("flotilla.db");
        let store = SqliteStore::open(&file).unwrap();
        store.migrate().await.unwrap();
        let deps = Deps {
            store: wrap(Arc::new(store)),
            progress: Arc::new(EmbeddedProgress::new(Arc::clone(&clock))),
            objects: Objects::new(Arc::new(InMemory::new())),
            broker: None,
            job_types: Arc::new(JobTypes::builtin()),
            ceilings: Arc::default(),
            schemas: Arc::default(),
            ids: Arc::new(Ids::new(Arc::clone(&clock))),
            clock,
            tasks: Tasks::new(Shutdown::new()),
            wake: Arc::new(Notify::new()),
            trace: Arc::new(NoPropagation),
        };
        Self {
            router: flotilla_api::router(deps.clone(), config.clone()),
            deps,
            config,
            file,
            _folder: folder,
        }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        Answer::of(self.router.clone().oneshot(request).await.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// A request with a JSON body, or with none where it is null.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: Value) -> Answer {
        let request = Request::builder().method(method).uri(path);
        let request = match body {
            Value::Null => request.body(Body::empty()),
            body => request.header(CONTENT_TYPE, JSON).body(body.to_string().into()),
        };
        self.send(request.unwrap()).await
    }

    /// Something that is done to a batch of the default space, and allowed. Answers what it says.
    pub(crate) async fn act(&self, id: &str, action: &str, body: Value) -> Value {
        let answer = self
            .ask("POST", &format!("/v1/batches/{id}/{action}"), body)
            .await;
        assert_eq!(answer.status, 200, "{action}: {}", answer.text);
        answer.json
    }

    pub(crate) async fn post(&self, query: &str, content_type: &str, body: impl Into<Body>) -> Answer {
        let request = Request::post(format!("/v1/batches{query}")).header(CONTENT_TYPE, content_type);
        self.send(request.body(body.into()).unwrap()).await
    }

    /// A sealed batch with these lines as items; answers its id.
    pub(crate) async fn batch_of(&self, space: &str, lines: &str) -> String {
        let answer = self
            .post(&format!("?job_type=echo&space={space}"), NDJSON, lines.to_owned())
            .await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        answer.json["id"].as_str().unwrap().to_owned()
    }

    /// A batch of the default space with so many items; answers its id.
    pub(crate) async fn create(&self, options: Value, items: u32) -> String {
        let mut body = json!({"job_type": "echo", "items": (0..items).collect::<Vec<_>>()});
        for (name, value) in options.as_object().unwrap() {
            body[name] = value.clone();
        }
        let answer = self.post("", JSON, body.to_string()).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        answer.json["id"].as_str().unwrap().to_owned()
    }

    /// Dispatches what may be dispatched of a batch, and answers that.
    pub(crate) async fn dispatch(&self, batch: BatchId) -> Vec<Claim> {
        self.dispatch_some(batch, 100).await
    }

    /// So many of its items at most.
    pub(crate) async fn dispatch_some(&self, batch: BatchId, items: u32) -> Vec<Claim> {
        let (store, now) = (&self.deps.store, self.deps.clock.now());
        let wants = [Want {
            batch,
            items,
            suspects: items,
        }];
        let lease = Duration::from_secs(60);
        let claims = store
            .claim(&wants, &self.deps.ceilings, lease, now)
            .await
            .unwrap();
        let ids: Vec<_> = claims.iter().map(|claim| claim.id).collect();
        store.mark_published(&ids).await.unwrap();
        claims
    }

    /// A worker says what became of an attempt.
    pub(crate) async fn report(&self, batch: BatchId, index: u32, attempt: u16, verdict: Verdict) {
        self.tell(batch, index, attempt, verdict, Vec::new()).await;
    }

    /// A worker says that an item succeeded, with files.
    pub(crate) async fn report_files(&self, batch: BatchId, index: u32, artifacts: Vec<Artifact>) {
        let done = Verdict::Done(Output::Inline(Json::null()));
        self.tell(batch, index, 1, done, artifacts).await;
    }

    async fn tell(
        &self,
        batch: BatchId,
        index: u32,
        attempt: u16,
        verdict: Verdict,
        artifacts: Vec<Artifact>,
    ) {
        let now = self.deps.clock.now();
        let attempt = Attempt {
            batch,
            index,
            attempt,
            verdict,
            started_at: now,
            duration_us: 1_500,
            worker: Some(WorkerId("w-1".into())),
            artifacts,
        };
        self.deps.store.record(vec![attempt], now).await.unwrap();
    }

    /// Rows of batches and of items in the file, whatever their state.
    pub(crate) fn rows(&self) -> (u32, u32) {
        let db = Connection::open_with_flags(&self.file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        db.busy_timeout(Duration::from_secs(5)).unwrap();
        let count = |table| db.query_one(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0));
        (count("batches").unwrap(), count("batch_items").unwrap())
    }

    /// Waits until the file has rows as `expected` says.
    pub(crate) async fn until_rows(&self, expected: impl Fn((u32, u32)) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !expected(self.rows()) {
            assert!(Instant::now() < deadline, "gave up at {:?} rows", self.rows());
            sleep(Duration::from_millis(5)).await;
        }
    }
}
