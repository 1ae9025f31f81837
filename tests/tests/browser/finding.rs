//! Finding a batch among others, and an item in it; taking workers out and back in.

use serde_json::json;

use crate::browser::Browser;
use crate::page::confirm;
use crate::system::{System, crawls};

const ROWS: &str = "document.querySelectorAll('table.batches tbody tr').length";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_and_items_are_found_by_what_people_call_them() {
    let system = System::start().await;
    let client = system.client();
    for name in ["Hosts of March", "Hosts of April", "Feeds"] {
        let options = json!({"job_type": "crawl", "name": name, "start": "manual"});
        client.create(options, crawls(3, 1)).await;
    }
    let named = vec![json!({"custom_id": "order/17", "ms": 1}), json!({"ms": 1})];
    let orders = client
        .create(json!({"job_type": "crawl", "name": "Orders"}), named)
        .await;
    let browser = Browser::start(&client.server).await;
    browser.open("#/batches").await;
    browser.until(&format!("{ROWS} === 4")).await;
    browser.fill("input[name=q]", "hosts").await;
    browser.until(&format!("{ROWS} === 2")).await;
    browser.fill("input[name=q]", "APRIL crawl").await;
    browser.until(&format!("{ROWS} === 1")).await;
    browser.sees("Hosts of April").await;
    browser.fill("input[name=q]", "nothing of the kind").await;
    browser.sees("No batch has nothing of the kind").await;
    browser.click(".empty a").await;
    browser.until(&format!("{ROWS} === 4")).await;

    browser.open(&format!("#/batches/{orders}/items")).await;
    browser.fill("input[name=custom_id]", "order/17").await;
    let items = "document.querySelectorAll('table.items tbody tr').length";
    browser.until(&format!("{items} === 1")).await;
    browser.fill("input[name=custom_id]", "order").await;
    browser.sees("has the custom_id order").await;
    assert_eq!(browser.complaints().await, [""; 0]);
    browser.end().await;
    system.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_is_taken_out_and_back_in() {
    let system = System::start().await;
    let browser = Browser::start(&system.client().server).await;
    let chips = |state: &str| format!("document.querySelectorAll('.chip.{state}').length");
    browser.open("#/workers").await;
    browser.until(&format!("{} === 2", chips("idle"))).await;
    browser.click("[data-action=drain]").await;
    browser.sees("takes nothing new until it is resumed").await;
    confirm(&browser).await;
    browser.until(&format!("{} === 1", chips("drained"))).await;
    browser.click("[data-action=drain]").await;
    browser.sees("the only one that works").await;
    confirm(&browser).await;
    browser.until(&format!("{} === 2", chips("drained"))).await;

    let client = system.client();
    let batch = client.create(json!({"job_type": "crawl"}), crawls(3, 1)).await;
    browser.click("[data-action=resume]").await;
    browser.until(&format!("{} === 1", chips("drained"))).await;
    client.result(&batch, crate::fleet::STARTUP).await;
    assert_eq!(browser.complaints().await, [""; 0]);
    browser.end().await;
    system.end().await;
}
