//! The memory of an upload does not depend on its size.
//!
//! Alone in its process: what is measured is the peak of the whole process.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::Error;
use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use bytes::Bytes;
use flotilla_api::{Config, Deps};
use flotilla_core::job_type::JobTypes;
use flotilla_core::ports::{Objects, Store};
use flotilla_core::{Clock, Ids, NoPropagation, Shutdown, SystemClock, Tasks};
use flotilla_embedded::progress::EmbeddedProgress;
use flotilla_sqlite::SqliteStore;
use futures_util::stream;
use object_store::memory::InMemory;
use tower::ServiceExt;

const ITEMS: usize = 200_000;
const ITEM_BYTES: usize = 1_000;
/// Four chunks of items, pieces of the body, and the database's cache.
const ENOUGH_BYTES: usize = 64 << 20;

/// The most memory that this process ever had resident.
fn peak_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let kib: usize = line.trim().trim_end_matches("kB").trim().parse().unwrap();
    kib << 10
}

async fn deps(folder: &std::path::Path) -> Deps {
    let store = SqliteStore::open(&folder.join("flotilla.db")).unwrap();
    store.migrate().await.unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    Deps {
        store: Arc::new(store),
        progress: Arc::new(EmbeddedProgress::new(Arc::clone(&clock))),
        objects: Objects::new(Arc::new(InMemory::new())),
        broker: None,
        job_types: Arc::new(JobTypes::builtin()),
        ceilings: Arc::default(),
        schemas: Arc::default(),
        ids: Arc::new(Ids::new(Arc::clone(&clock))),
        clock,
        tasks: Tasks::new(Shutdown::new()),
        wake: Arc::default(),
        trace: Arc::new(NoPropagation),
    }
}

/// One JSON document of 200 MB that nobody holds.
fn body() -> Body {
    let item = Bytes::from(format!("\n\"{}\",", "x".repeat(ITEM_BYTES - 4)));
    let items = (1..ITEMS).map(move |_| item.clone());
    let start = Bytes::from_static(b"{\"job_type\": \"echo\", \"items\": [");
    let pieces = [start]
        .into_iter()
        .chain(items)
        .chain([Bytes::from_static(b"7]}")]);
    Body::from_stream(stream::iter(pieces.map(Ok::<_, Error>)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_of_200_mb_takes_a_fraction_of_that() {
    let folder = tempfile::tempdir().unwrap();
    let router = flotilla_api::router(deps(folder.path()).await, Config::default());
    let before = peak_bytes();
    let request = Request::post("/v1/batches").header("content-type", "application/json");
    let response = router.oneshot(request.body(body()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 202);
    let grown = peak_bytes() - before;
    assert!(
        grown < ENOUGH_BYTES,
        "{} MiB for an upload of {} MB",
        grown >> 20,
        ITEMS * ITEM_BYTES / 1_000_000
    );
}
