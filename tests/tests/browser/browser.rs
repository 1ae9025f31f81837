//! A private browser, and what a person does with it.

use std::path::Path;
use std::time::Duration;

use flotilla_tests::{Flotilla, eventually_ok, free_port};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::webdriver::Session;

const PATIENCE: Duration = Duration::from_secs(60);
const ARGUMENTS: [&str; 9] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
];

/// Chromium and its driver. Both end with it, also where the test fails.
pub(crate) struct Browser {
    session: Session,
    /// The API that serves the dashboard.
    server: String,
    _driver: Flotilla,
    folder: TempDir,
}

impl Browser {
    pub(crate) async fn start(server: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let port = free_port();
        let driver = Flotilla::command([format!("--port={port}")])
            .program("chromedriver")
            .start(folder.path());
        let profile = folder.path().join("profile").display().to_string();
        let mut arguments: Vec<String> = ARGUMENTS.iter().map(ToString::to_string).collect();
        arguments.push(format!("--user-data-dir={profile}"));
        let capabilities = json!({
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        });
        let browser = Self {
            session: Session::start(port, &capabilities).await,
            server: server.to_owned(),
            _driver: driver,
            folder,
        };
        browser.looks(1280, 900, "light").await;
        browser
    }

    /// A window of that size, on a machine that prefers that colour scheme and little motion.
    pub(crate) async fn looks(&self, width: u32, height: u32, scheme: &str) {
        let metrics =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.session
            .chromium("Emulation.setDeviceMetricsOverride", metrics)
            .await;
        let media = json!({"features": [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]});
        self.session.chromium("Emulation.setEmulatedMedia", media).await;
    }

    /// Goes to a place of the dashboard, `#/batches` say, with a page that was just loaded.
    pub(crate) async fn open(&self, hash: &str) {
        // A change of the hash alone would load nothing.
        for url in ["about:blank".to_owned(), format!("{}/{hash}", self.server)] {
            self.session
                .post("/url", json!({"url": url}))
                .await
                .expect("the page loads");
        }
    }

    /// What a script answers, which gets `arguments`.
    pub(crate) async fn script(&self, script: &str, arguments: Value) -> Result<Value, String> {
        let body = json!({"script": script, "args": arguments});
        self.session.post("/execute/sync", body).await
    }

    /// The same, of one that gets another argument, a function, and calls that when it is done.
    pub(crate) async fn script_async(&self, script: &str, arguments: Value) -> Result<Value, String> {
        let body = json!({"script": script, "args": arguments});
        self.session.post("/execute/async", body).await
    }

    /// Waits until an expression of JavaScript is true, and answers it.
    pub(crate) async fn until(&self, expression: &str) -> Value {
        let script = format!("return {expression}");
        eventually_ok(expression, PATIENCE, || async {
            let value = self.script(&script, json!([])).await?;
            let is_true = !matches!(value, Value::Null | Value::Bool(false));
            if is_true {
                Ok(value)
            } else {
                Err(self.text().await)
            }
        })
        .await
    }

    /// Waits until the page says so.
    pub(crate) async fn sees(&self, text: &str) {
        let text = Value::from(text);
        self.until(&format!("document.body.innerText.includes({text})"))
            .await;
    }

    /// What the page says.
    pub(crate) async fn text(&self) -> String {
        let text = self.script("return document.body.innerText", json!([])).await;
        text.map_or_else(|error| error, |text| text.as_str().unwrap_or_default().to_owned())
    }

    /// Clicks on an element as soon as that is possible.
    pub(crate) async fn click(&self, css: &str) {
        eventually_ok(css, PATIENCE, || async {
            let element = self.session.find(&format!("{css}:not(:disabled)")).await?;
            self.session.click(&element).await
        })
        .await;
    }

    /// Replaces what is in a field.
    pub(crate) async fn fill(&self, css: &str, text: &str) {
        eventually_ok(css, PATIENCE, || async {
            let element = self.session.find(css).await?;
            self.session.clear(&element).await?;
            self.session.keys(&element, text).await
        })
        .await;
    }

    /// Chooses a file, or presses keys.
    pub(crate) async fn keys(&self, css: &str, text: &str) {
        let element = self.session.find(css).await.expect("there is such an element");
        self.session.keys(&element, text).await.expect("it takes keys");
    }

    /// What the page complained of, but for the stream of events, which may be away.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self.session.post("/se/log", json!({"type": "browser"})).await;
        let log = log.expect("Chromium has a log");
        let lines = log.as_array().into_iter().flatten();
        lines
            .filter_map(|line| line["message"].as_str())
            .filter(|message| !message.contains("/v1/events"))
            .map(ToOwned::to_owned)
            .collect()
    }

    /// What the window shows, as a PNG in base64.
    pub(crate) async fn picture(&self) -> String {
        self.capture(json!({})).await
    }

    /// The same of a part of the window: from the top of one element to the bottom of another.
    pub(crate) async fn picture_of(&self, first: &str, last: &str) -> String {
        let script = "const [first, last] = [...arguments].map((css) => document.querySelector(css).getBoundingClientRect());
            const margin = 10; // Less above, where other things are near.
            return { x: first.x - margin, y: first.y - 4, width: first.width + 2 * margin,
              height: last.bottom - first.y + 4 + margin, scale: 1 };";
        let clip = self
            .script(script, json!([first, last]))
            .await
            .expect("both are there");
        self.capture(json!({"clip": clip})).await
    }

    async fn capture(&self, mut parameters: Value) -> String {
        parameters["format"] = "png".into();
        parameters["optimizeForSpeed"] = false.into();
        let picture = self.session.chromium("Page.captureScreenshot", parameters).await;
        let lighter = self
            .script_async(include_str!("palette.js"), json!([picture["data"]]))
            .await
            .expect("the browser draws");
        lighter.as_str().expect("a picture").to_owned()
    }

    /// A folder that goes with the browser.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) async fn end(self) {
        self.session.end().await;
    }
}
