//! What the page says of files before anything is stored.

use crate::browser::Browser;
use crate::page::{batch_id, drop_file};
use crate::system::System;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_are_listed_by_line_and_columns_are_mapped() {
    let system = System::start().await;
    let client = system.client();
    let browser = Browser::start(&client.server).await;
    browser.open("#/new?job_type=crawl").await;
    drop_file(&browser, "waits.csv", "Wait;fail\n1;\nsoon;\n-2;\n").await;
    browser.sees("Preview").await;
    browser
        .fill("input[aria-label='Field for the column Wait']", "ms")
        .await;
    browser.click("button[value=check]").await;
    browser.sees("2 mistakes").await;
    let lines = browser
        .until("[...document.querySelectorAll('.mistakes tbody td:first-child')].map((cell) => cell.textContent)")
        .await;
    assert_eq!(lines, serde_json::json!(["3", "4"]));

    browser
        .script(
            "const select = document.querySelector('[name=on_invalid]'); select.value = 'skip';
             select.dispatchEvent(new Event('change', { bubbles: true }))",
            serde_json::json!([]),
        )
        .await
        .unwrap();
    browser.click("button[value=start]").await;
    let id = batch_id(&browser).await;
    let batch = client.batch(&id).await;
    assert_eq!(
        (&batch["counts"]["total"], &batch["skipped"]),
        (&1.into(), &2.into())
    );
    browser.end().await;
    system.end().await;
}

/// Through the file dialog, and as an array: the options go in front of what is in the file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chosen_file_of_json_is_sent_as_it_is() {
    let system = System::start().await;
    let client = system.client();
    let browser = Browser::start(&client.server).await;
    let file = browser.folder().join("items.json");
    std::fs::write(&file, r#"[{"n": 1}, {"n": 2}, {"n": 3}]"#).unwrap();
    browser.open("#/new?job_type=echo").await;
    browser
        .until("document.querySelector('[name=file]') !== null")
        .await;
    browser.keys("[name=file]", &file.display().to_string()).await;
    browser.sees("JSON, an array of items").await;
    browser.click("button[value=start]").await;
    let id = batch_id(&browser).await;
    client.result(&id, crate::fleet::STARTUP).await;
    let items = client.items(&id).await;
    assert_eq!(items[2]["output"], serde_json::json!({"n": 3}));
    assert_eq!(client.batch(&id).await["name"], "items.json");
    browser.end().await;
    system.end().await;
}
