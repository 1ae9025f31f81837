//! What the API answered.

use axum::body::Body;
use axum::http::{HeaderMap, Response};
use http_body_util::BodyExt;
use serde_json::Value;

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Answer {
    pub(crate) async fn of(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        // A stream does not end.
        let endless = parts
            .headers
            .get("content-type")
            .is_some_and(|of| of == "text/event-stream");
        let body = if endless { Body::empty() } else { body };
        let body = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(body.to_vec()).unwrap();
        Self {
            status: parts.status.as_u16(),
            headers: parts.headers,
            json: serde_json::from_str(&text).unwrap_or_default(),
            text,
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Checks that this is a complete problem document of this kind, and answers its detail.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, slug: &str) -> &str {
        assert_eq!(
            (self.status, self.json["type"].as_str()),
            (status, Some(&*format!("/problems/{slug}"))),
            "{}",
            self.text
        );
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(self.json["status"], status);
        assert!(self.json["title"].as_str().is_some_and(|title| !title.is_empty()));
        assert!(
            self.json["instance"]
                .as_str()
                .is_some_and(|path| path.starts_with('/'))
        );
        self.json["detail"].as_str().unwrap()
    }
}
