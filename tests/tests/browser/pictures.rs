//! Takes the pictures of the manual: `scripts/screenshots`.

use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use crate::browser::Browser;
use crate::client::Client;
use crate::fleet::up;
use crate::reasons::sees_reason;
use crate::stage::Stage;
use crate::system::{JOB_TYPES, crawls};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/images");
/// More is too much for a page that shows several of them.
pub(crate) const MOST_BYTES: usize = 75_000;
/// Of a picture of one reason: a page of the manual shows all of them.
const MOST_BYTES_OF_A_REASON: usize = 30_000;
/// So many samples make a chart that says something.
const SECONDS: u32 = 20;

async fn take(browser: &Browser, name: &str) {
    write(Path::new(FOLDER), name, &browser.picture().await, MOST_BYTES);
}

/// Keeps a picture, which comes as the browser gives it.
pub(crate) fn write(folder: &Path, name: &str, picture: &str, most_bytes: usize) {
    let png = BASE64_STANDARD.decode(picture).expect("a picture is base64");
    assert!(png.len() <= most_bytes, "{name} has {} bytes", png.len());
    let file = folder.join(format!("{name}.png"));
    let folder = file.parent().expect("it is in a folder");
    std::fs::create_dir_all(folder).expect("a folder can be made");
    std::fs::write(file, png).expect("a picture can be written");
}

/// A batch of `options` beyond its job type, as NDJSON. Answers its id.
async fn crawl(client: &Client, options: &[(&str, &str)], items: &[Value]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("job_type", "crawl").extend_pairs(options);
    let path = format!("/v1/batches?{}", query.finish());
    let lines: String = items.iter().map(|item| format!("{item}\n")).collect();
    let answer = client.post(&path, "application/x-ndjson", lines).await;
    let batch: Value = answer.json().await.expect("the API answers with JSON");
    batch["id"].as_str().expect("a batch has an id").to_owned()
}

/// Batches as a team might have them. Answers one that runs, and one that ended with failures.
async fn populate(client: &Client) -> (String, String) {
    let ended = crawl(client, &[("name", "Broken links of March")], &crawls(120, 5)).await;
    client.result(&ended, crate::fleet::STARTUP).await;
    let feeds = [("name", "Partner feeds"), ("failure_threshold", r#"{"count":8}"#)];
    crawl(client, &feeds, &crawls(400, 20)).await;
    let first_look = [("name", "New parser, first look"), ("canary", "25")];
    crawl(client, &first_look, &crawls(900, 30)).await;
    let gently = [("name", "Sitemaps, gently"), ("concurrency", "2")];
    crawl(client, &gently, &crawls(600, 300)).await;
    let running = crawl(client, &[("name", "Nightly crawl")], &crawls(20_000, 60)).await;
    crawl(client, &[("name", "Product pages")], &crawls(6_000, 80)).await;
    (running, ended)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "writes into docs/images: scripts/screenshots"]
async fn pictures_of_every_view() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let config = format!("{JOB_TYPES}\n[worker]\nconcurrency = 24\n");
    let (client, _process) = up(folder.path(), &config, &[]).await;
    let (running, ended) = populate(&client).await;
    let browser = Browser::start(&client.server).await;

    browser.looks(1200, 800, "light").await;
    for (name, hash) in [
        ("overview", "#/".to_owned()),
        ("batch", format!("#/batches/{running}")),
    ] {
        browser.open(&hash).await;
        browser
            .until("document.querySelector('.chart canvas') !== null")
            .await;
        samples(&browser).await;
        take(&browser, name).await;
    }
    for (name, hash) in [
        ("batches", "#/batches".to_owned()),
        ("errors", format!("#/batches/{ended}/errors")),
        ("item", format!("#/batches/{ended}/items/3")),
        ("dead-letters", "#/dead-letters".to_owned()),
        ("workers", "#/workers".to_owned()),
        ("job-types", "#/job-types".to_owned()),
    ] {
        browser.open(&hash).await;
        browser.until(crate::accessible::READY).await;
        take(&browser, name).await;
    }
    browser.open("#/new?job_type=crawl").await;
    crate::page::drop_file(&browser, "hosts.csv", &crate::system::table(5_000, 40)).await;
    browser.sees("Preview").await;
    take(&browser, "new-batch").await;

    browser.looks(390, 844, "dark").await;
    browser.open(&format!("#/batches/{running}")).await;
    browser.until(crate::accessible::READY).await;
    take(&browser, "phone").await;
    browser.end().await;
}

/// The head of a batch's page for every reason why it does not move.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "writes into docs/images: scripts/screenshots"]
async fn pictures_of_every_reason() {
    let mut stage = Stage::set().await;
    let browser = Browser::start(&stage.client().server).await;
    browser.looks(760, 1000, "light").await;
    for code in Stage::order() {
        let place = stage.bring_about(code).await;
        browser.open(&place.hash()).await;
        sees_reason(&browser, &stage, &place, code).await;
        browser.until(crate::accessible::READY).await;
        let picture = browser.picture_of(".head", ".standing").await;
        write(
            Path::new(FOLDER),
            &format!("reasons/{code}"),
            &picture,
            MOST_BYTES_OF_A_REASON,
        );
    }
    browser.end().await;
    stage.end().await;
}

/// Waits until the charts of the page have so many samples: there is one a second.
async fn samples(browser: &Browser) {
    let began = browser.until("performance.now()").await;
    let until = began.as_f64().expect("a time") + f64::from(SECONDS) * 1_000.0;
    browser.until(&format!("performance.now() > {until}")).await;
}
