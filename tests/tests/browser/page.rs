//! Places of the dashboard.

use crate::browser::Browser;

/// Drops a file on the page, as from a file manager.
pub(crate) async fn drop_file(browser: &Browser, name: &str, text: &str) {
    browser.until("document.querySelector('.drop') !== null").await;
    let script = "const [name, text] = arguments;
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([text], name, { type: 'text/csv' }));
        const target = document.querySelector('.drop');
        for (const type of ['dragover', 'drop'])
          target.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));";
    browser
        .script(script, serde_json::json!([name, text]))
        .await
        .expect("a file can be dropped");
}

/// The id of the batch that the page is about.
pub(crate) async fn batch_id(browser: &Browser) -> String {
    let id = browser
        .until("(location.hash.match(/^#\\/batches\\/([0-9a-f-]{36})/) || [])[1] || false")
        .await;
    id.as_str().expect("an id is a text").to_owned()
}

/// Says yes to the question that the page asks.
pub(crate) async fn confirm(browser: &Browser) {
    browser.click("dialog[open] footer button:last-of-type").await;
    browser.until("document.querySelector('dialog') === null").await;
}
