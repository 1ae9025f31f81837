//! The dashboard where there is much to show: `scripts/screenshots much`. Takes pictures, and says how long views take to
//! be there.

use std::path::Path;

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

use crate::accessible::READY;
use crate::browser::Browser;
use crate::client::Client;
use crate::fleet::up;
use crate::pictures::{MOST_BYTES, write};

/// Not in the manual: what is worth it is copied there.
const FOLDER: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/much");
const LONG: u32 = 1_000_000;
/// Of the long batch, items that are left while the pictures are taken.
const LEFT: u32 = 400_000;
/// Longer than all of it takes.
const PATIENCE: Duration = Duration::from_secs(1_800);
/// Uploads at once.
const AT_ONCE: usize = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: scripts/screenshots much"]
async fn each_view_with_few_and_with_many() {
    for count in [3, 300, 100_000] {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let (client, _process) = up(folder.path(), "[worker]\nconcurrency = 64\n", &[]).await;
        many(&client, count).await;
        let long = long(&client, if count > 1_000 { LONG } else { 10 * count }).await;
        let browser = Browser::start(&client.server).await;
        browser.looks(1200, 800, "light").await;
        for (view, hash) in [
            ("overview", "#/".to_owned()),
            ("batches", "#/batches".to_owned()),
            ("batches-failed", "#/batches?state=failed".to_owned()),
            ("found", "#/batches?q=needle".to_owned()),
            ("batch", format!("#/batches/{long}")),
            ("items-queued", format!("#/batches/{long}/items?state=queued")),
            (
                "items-succeeded",
                format!("#/batches/{long}/items?state=succeeded"),
            ),
            ("errors", format!("#/batches/{long}/errors")),
            ("item", format!("#/batches/{long}/items/20")),
            ("dead-letters", "#/dead-letters".to_owned()),
            ("workers", "#/workers".to_owned()),
            ("job-types", "#/job-types".to_owned()),
            ("new-batch", "#/new".to_owned()),
        ] {
            let (paint, ready) = open(&browser, &hash).await;
            println!(
                "{}",
                json!({"batches": count, "view": view, "first_paint_ms": paint, "ready_ms": ready})
            );
            let picture = browser.picture().await;
            write(
                Path::new(FOLDER),
                &format!("{count}-{view}"),
                &picture,
                MOST_BYTES,
            );
        }
        browser.end().await;
    }
}

/// When something was painted, and when the view was there with what it shows; in milliseconds.
async fn open(browser: &Browser, hash: &str) -> (f64, f64) {
    let began = Instant::now();
    browser.open(hash).await;
    browser.until(READY).await;
    let ready = began.elapsed().as_secs_f64() * 1e3;
    let paint = "(performance.getEntriesByName('first-contentful-paint')[0] || {}).startTime";
    let paint = browser.until(paint).await.as_f64().expect("a time");
    (paint.round(), ready.round())
}

async fn many(client: &Client, count: u32) {
    let uploads = stream::iter(0..count).map(|n| async move {
        let name = if n % 20_000 == 1 {
            "Needle"
        } else {
            "Nightly crawl"
        };
        let options = json!({"job_type": "echo", "name": format!("{name} {n}")});
        client.create(options, vec![json!({"page": n})]).await;
    });
    uploads.buffer_unordered(AT_ONCE).collect::<()>().await;
}

/// A long batch that has come a part of its way, and waits there, so that pictures show the same.
async fn long(client: &Client, items: u32) -> String {
    let item = |n: u32| match n % 20 {
        3 => json!({"ms": 1, "fail": format!("host {n} does not answer")}),
        _ => json!({"ms": 1}),
    };
    let lines: String = (0..items).map(|n| format!("{}\n", item(n))).collect();
    let canary = if items == LONG { LONG - LEFT } else { items / 2 };
    let query = format!("/v1/batches?job_type=sleep&max_attempts=1&name=All%20hosts&canary={canary}");
    let answer = client.post(&query, "application/x-ndjson", lines).await;
    let batch: Value = answer.json().await.expect("the API answers with JSON");
    let id = batch["id"].as_str().expect("a batch has an id").to_owned();
    client
        .until(&id, "a part of the long batch", PATIENCE, |batch| {
            batch["state"] == "paused"
        })
        .await;
    id
}
