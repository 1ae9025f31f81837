//! Every view, in light and in dark, for everybody: axe-core finds nothing serious, nothing is wider than a phone.

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::client::Client;
use crate::system::{System, crawls};

const AXE: &str = include_str!("vendor/axe.min.js");
const RUN: &str = "const done = arguments[arguments.length - 1];
    axe.run(document, { resultTypes: ['violations'] }).then(
      ({ violations }) => done(violations
        .filter(({ impact }) => ['serious', 'critical'].includes(impact))
        .map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => node.html).join(' | ')}`)),
      (error) => done([String(error)]));";
pub(crate) const READY: &str =
    "document.querySelector('h1') !== null && document.querySelector('[aria-busy]') === null";

/// Every view, with something in it.
async fn places(client: &Client) -> Vec<String> {
    let ended = client
        .create(json!({"job_type": "crawl", "name": "Ended"}), crawls(40, 1))
        .await;
    client.result(&ended, crate::fleet::STARTUP).await;
    let waits = json!({"job_type": "crawl", "name": "Waits", "start": "manual", "metadata": {"by": "ann"}});
    let waiting = client.create(waits, crawls(20, 1)).await;
    [
        "#/".to_owned(),
        "#/?space=nobody".to_owned(),
        "#/batches".to_owned(),
        format!("#/batches/{ended}"),
        format!("#/batches/{waiting}/details"),
        format!("#/batches/{ended}/errors"),
        format!("#/batches/{ended}/timeline"),
        format!("#/batches/{ended}/items/3"),
        "#/dead-letters?job_type=crawl".to_owned(),
        format!("#/dead-letters/{ended}/3"),
        "#/workers".to_owned(),
        "#/job-types".to_owned(),
        "#/new".to_owned(),
    ]
    .into()
}

pub(crate) async fn violations(browser: &Browser) -> Value {
    browser.script(AXE, json!([])).await.expect("axe is loaded");
    browser.script_async(RUN, json!([])).await.expect("axe runs")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_view_is_for_everybody() {
    let system = System::start().await;
    let browser = Browser::start(&system.client().server).await;
    let mut found = Vec::new();
    for place in places(system.client()).await {
        browser.open(&place).await;
        browser.until(READY).await;
        for (width, scheme) in [(1280, "light"), (360, "dark")] {
            browser.looks(width, 800, scheme).await;
            for violation in violations(&browser).await.as_array().expect("a list") {
                found.push(format!("{place} {scheme}: {violation}"));
            }
        }
        let wide = browser
            .script("return document.documentElement.scrollWidth", json!([]))
            .await
            .expect("a width");
        if wide.as_u64() > Some(360) {
            found.push(format!("{place} is {wide} wide"));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert_eq!(browser.complaints().await, [""; 0]);
    browser.end().await;
    system.end().await;
}

/// A chosen theme stays, and every place can be reached by keys alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_theme_is_kept_and_keys_lead_everywhere() {
    let system = System::start().await;
    let browser = Browser::start(&system.client().server).await;
    browser.open("#/").await;
    browser.click("#theme").await;
    browser.open("#/").await;
    browser
        .until("document.documentElement.dataset.theme === 'dark'")
        .await;
    browser.until(READY).await;
    for (keys, hash) in [
        ("gb", "#/batches"),
        ("gd", "#/dead-letters"),
        ("gw", "#/workers"),
        ("gj", "#/job-types"),
        ("go", "#/"),
    ] {
        browser.keys("body", keys).await;
        browser.until(&format!("location.hash === '{hash}'")).await;
    }
    browser.keys("body", "?").await;
    browser
        .until("document.querySelector('dialog[open] .keys') !== null")
        .await;
    browser.end().await;
    system.end().await;
}
