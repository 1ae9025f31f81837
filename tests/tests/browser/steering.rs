//! A batch from its file to its end, by nothing but the page.

use reqwest::StatusCode;
use serde_json::Value;

use crate::browser::Browser;
use crate::page::{batch_id, confirm, drop_file};
use crate::system::{System, crawls, table};

const FINISHED: &str = "document.querySelector('.sub .state').textContent";

async fn state(browser: &Browser, name: &str) {
    browser.until(&format!("{FINISHED} === '{name}'")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_file_becomes_a_batch_that_obeys() {
    let system = System::start().await;
    let client = system.client();
    let browser = Browser::start(&client.server).await;
    browser.open("#/new?job_type=crawl").await;
    drop_file(&browser, "hosts.csv", &table(3_000, 40)).await;
    browser.sees("host 3 does not answer").await;
    browser.click("button[value=check]").await;
    browser.sees("3,000 items").await;
    browser.click("button[value=start]").await;
    let id = batch_id(&browser).await;

    browser
        .until("document.querySelector('.legend .num').textContent.replace(',', '') > 10")
        .await;
    browser.click("[data-action=pause]").await;
    state(&browser, "paused").await;
    browser.sees("Why it does not move").await;
    browser.fill("#concurrency", "5").await;
    browser.click(".limits .primary").await;
    browser.sees("Limits changed").await;
    assert_eq!(client.batch(&id).await["concurrency"], 5);

    browser.click("[data-action=resume]").await;
    state(&browser, "processing").await;
    browser.click("[data-action=cancel]").await;
    confirm(&browser).await;
    state(&browser, "cancelled").await;
    let batch = client.batch(&id).await;
    assert!(batch["counts"]["cancelled"].as_u64().unwrap() > 0, "{batch}");
    browser.click(".tabs a[href*=timeline]").await;
    browser.sees("by dashboard").await;
    assert_eq!(browser.complaints().await, [""; 0]);
    browser.end().await;
    system.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_of_errors_runs_again_and_results_are_downloaded() {
    let system = System::start().await;
    let client = system.client();
    let options = serde_json::json!({"job_type": "crawl", "name": "Hosts"});
    let id = client.create(options, crawls(50, 1)).await;
    let browser = Browser::start(&client.server).await;
    browser.open(&format!("#/batches/{id}/errors")).await;
    state(&browser, "completed").await;
    browser.click("[data-retry]").await;
    browser.sees("Run 5 items again?").await;
    confirm(&browser).await;
    browser.sees("5 items run again").await;
    let again = |batch: &Value| batch["revision"] == 2 && batch["state"] == "completed";
    client
        .until(&id, "the second result", crate::fleet::STARTUP, again)
        .await;
    state(&browser, "completed").await;

    browser.click(".menu summary").await;
    let hrefs = browser
        .until("[...document.querySelectorAll('.menu a')].map((link) => link.getAttribute('href'))")
        .await;
    for href in hrefs.as_array().unwrap() {
        let answer = client.get(href.as_str().unwrap()).await;
        assert_eq!(answer.status(), StatusCode::OK, "{href}");
    }
    let failed = client
        .get(&format!("/v1/batches/{id}/download?format=ndjson&state=failed"))
        .await;
    assert_eq!(failed.text().await.unwrap().lines().count(), 5);

    deletes(&browser, &id).await;
    let gone = client.get(&format!("/v1/batches/{id}")).await;
    assert_eq!(gone.status(), StatusCode::NOT_FOUND);
    browser.end().await;
    system.end().await;
}

/// The button works once the end of the id is typed.
async fn deletes(browser: &Browser, id: &str) {
    browser.click(".menu summary").await;
    browser.click("[data-action=delete]").await;
    browser
        .until("document.querySelector('dialog .danger').disabled")
        .await;
    browser.fill("dialog input", &id[id.len() - 6..]).await;
    confirm(browser).await;
    browser.sees("Deleted: Hosts").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_batches_are_found_and_steered_at_once() {
    let system = System::start().await;
    let client = system.client();
    for name in ["Red", "Green", "Blue"] {
        let options = serde_json::json!({"job_type": "crawl", "name": name, "start": "manual"});
        client.create(options, crawls(3, 1)).await;
    }
    let browser = Browser::start(&client.server).await;
    browser.open("#/batches").await;
    browser.sees("Green").await;
    browser.keys("body", "/").await;
    browser
        .until("document.activeElement.matches('input[type=search]')")
        .await;
    browser.fill("input[type=search]", "re").await;
    browser
        .until("document.querySelectorAll('.batches tbody tr').length === 2")
        .await;
    browser.click("thead input[type=checkbox]").await;
    browser.sees("2 batches selected").await;
    browser.click(".bulk button:nth-of-type(1)").await;
    confirm(&browser).await;
    browser
        .until("document.querySelectorAll('.batches .state.paused').length === 2")
        .await;
    let paused = client.json("/v1/batches?state=paused").await;
    assert_eq!(paused["batches"].as_array().unwrap().len(), 2);
    browser.end().await;
    system.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_are_redriven_and_discarded_by_group() {
    let system = System::start().await;
    let client = system.client();
    let options = serde_json::json!({"job_type": "crawl"});
    let id = client.create(options, crawls(30, 1)).await;
    client.result(&id, crate::fleet::STARTUP).await;
    let browser = Browser::start(&client.server).await;
    browser.open("#/dead-letters").await;
    browser.click("[data-decide=redrive]").await;
    browser.sees("Redrive 3 dead letters?").await;
    confirm(&browser).await;
    browser.sees("3 dead letters run again").await;
    let again = |batch: &Value| batch["revision"] == 2;
    client
        .until(&id, "the second result", crate::fleet::STARTUP, again)
        .await;
    browser.open("#/dead-letters").await;
    browser.click("[data-decide=discard]").await;
    browser.sees("This can't be undone").await;
    confirm(&browser).await;
    browser.sees("No dead letters").await;
    browser.end().await;
    system.end().await;
}
