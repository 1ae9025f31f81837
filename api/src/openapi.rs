//! The OpenAPI document, made from the same declarations as the routes.

use std::sync::Arc;

use axum::{Extension, Json};
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi};

use crate::router;

/// The OpenAPI 3.1 document of every endpoint.
#[must_use]
pub fn openapi() -> OpenApi {
    let mut document = router::documented();
    complete(&mut document);
    document
}

/// Adds what no route says.
pub(crate) fn complete(document: &mut OpenApi) {
    // The router's notation for what may contain slashes, which OpenAPI has none for.
    let paths = std::mem::take(&mut document.paths.paths);
    let shown = paths
        .into_iter()
        .map(|(path, item)| (path.replace("{*", "{"), item));
    document.paths.paths = shown.collect();
    document.info = InfoBuilder::new()
        .title("Flotilla")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Batches of items in, results out. Errors are problem details (RFC 9457): `application/problem+json`.",
        ))
        .license(Some(LicenseBuilder::new().name("Apache-2.0 OR MIT").build()))
        .build();
}

/// This document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "operations",
    responses((status = 200, description = "OpenAPI 3.1", body = Object))
)]
pub(crate) async fn openapi_json(Extension(document): Extension<Arc<OpenApi>>) -> Json<Arc<OpenApi>> {
    Json(document)
}
