//! As much of the WebDriver protocol (W3C) as these tests need.

use std::time::Duration;

use flotilla_tests::{eventually_ok, http_client};
use reqwest::Method;
use serde_json::{Value, json};

/// How a reference to an element is marked (W3C WebDriver, section 11).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
const STARTUP: Duration = Duration::from_secs(60);

/// A session with a browser.
pub(crate) struct Session {
    http: reqwest::Client,
    base: String,
}

/// An element of the page.
#[derive(Clone)]
pub(crate) struct Element(String);

impl Session {
    /// Starts a browser by the driver at `port`, as soon as that answers.
    pub(crate) async fn start(port: u16, capabilities: &Value) -> Self {
        let http = http_client();
        let driver = format!("http://127.0.0.1:{port}");
        eventually_ok("chromedriver", STARTUP, || async {
            http.get(format!("{driver}/status")).send().await.map(drop)
        })
        .await;
        let mut session = Self { http, base: driver };
        let body = json!({"capabilities": {"alwaysMatch": capabilities}});
        let started = session.call(Method::POST, "/session", Some(body)).await;
        let id = started.expect("a browser starts")["sessionId"].clone();
        session.base = format!(
            "{}/session/{}",
            session.base,
            id.as_str().expect("a session has an id")
        );
        session
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Result<Value, String> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// Closes the browser.
    pub(crate) async fn end(&self) {
        self.call(Method::DELETE, "", None).await.expect("a browser ends");
    }

    pub(crate) async fn find(&self, css: &str) -> Result<Element, String> {
        let found = self
            .post("/element", json!({"using": "css selector", "value": css}))
            .await?;
        Ok(Element(found[ELEMENT].as_str().unwrap_or_default().to_owned()))
    }

    pub(crate) async fn click(&self, element: &Element) -> Result<(), String> {
        let path = format!("/element/{}/click", element.0);
        self.post(&path, json!({})).await.map(drop)
    }

    pub(crate) async fn clear(&self, element: &Element) -> Result<(), String> {
        let path = format!("/element/{}/clear", element.0);
        self.post(&path, json!({})).await.map(drop)
    }

    pub(crate) async fn keys(&self, element: &Element, text: &str) -> Result<(), String> {
        let path = format!("/element/{}/value", element.0);
        self.post(&path, json!({"text": text})).await.map(drop)
    }

    /// A command of Chromium's own protocol.
    pub(crate) async fn chromium(&self, command: &str, parameters: Value) -> Value {
        let body = json!({"cmd": command, "params": parameters});
        self.post("/goog/cdp/execute", body)
            .await
            .expect("Chromium obeys")
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, String> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.map_err(|error| error.to_string())?;
        let status = answer.status();
        let mut answer: Value = answer.json().await.map_err(|error| error.to_string())?;
        let value = answer["value"].take();
        if status.is_success() {
            return Ok(value);
        }
        Err(value["message"].as_str().unwrap_or("no message").to_owned())
    }
}
