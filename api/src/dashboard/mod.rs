//! The dashboard: one page and its assets, in the binary.
//!
//! The page names its assets under a version that is the hash of all of them, and they name each other relative to
//! themselves: so every asset may be kept for ever, and the page itself is asked for each time. It is not part of the
//! OpenAPI document, and has nothing that the API does not say.

mod assets;
mod site;

use axum::Router;
use axum::extract::Path;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;

use crate::app::App;
use crate::artifacts::is_fresh;
use crate::problem::{Kind, Problem};
use site::site;

/// Nothing but this origin, and nothing inline.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const ASK_EACH_TIME: &str = "no-cache";

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(page))
        .route("/assets/{version}/{*path}", get(asset))
}

async fn page(headers: HeaderMap) -> Response {
    let site = site();
    let file = File {
        content_type: "text/html; charset=utf-8",
        etag: &site.page_etag,
        cache: ASK_EACH_TIME,
        bytes: site.page.clone(),
    };
    file.answer(&headers)
}

/// A version that is not this one's gets what is here: during an update, the page may come from another replica.
async fn asset(
    headers: HeaderMap,
    Path((version, path)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let site = site();
    let asset = site.asset(&path).ok_or_else(|| {
        let path: String = path.chars().take(200).collect();
        Problem::new(Kind::UnknownRoute, format!("the dashboard has no file {path:?}"))
    })?;
    let is_current = version == site.version;
    let file = File {
        content_type: asset.content_type(),
        etag: &site.etag,
        cache: if is_current { FOR_EVER } else { ASK_EACH_TIME },
        bytes: Bytes::from_static(asset.bytes),
    };
    Ok(file.answer(&headers))
}

struct File<'a> {
    content_type: &'static str,
    etag: &'a str,
    cache: &'static str,
    bytes: Bytes,
}

impl File<'_> {
    fn answer(self, headers: &HeaderMap) -> Response {
        let always = [
            (ETAG, self.etag),
            (CACHE_CONTROL, self.cache),
            (CONTENT_SECURITY_POLICY, POLICY),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (REFERRER_POLICY, "no-referrer"),
        ];
        if is_fresh(headers, self.etag) {
            return (StatusCode::NOT_MODIFIED, always).into_response();
        }
        (always, [(CONTENT_TYPE, self.content_type)], self.bytes).into_response()
    }
}
