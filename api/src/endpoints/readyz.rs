//! `GET /readyz`

use std::future::Future;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use flotilla_core::{Error, Result};
use futures_util::future::OptionFuture;
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::app::App;

const PATIENCE: Duration = Duration::from_secs(2);

/// Whether this process should get requests, and why not.
#[derive(Serialize, ToSchema)]
pub(crate) struct Readiness {
    /// `ready`, `degraded` (batches are accepted, something else is away), `unavailable` or `stopping`.
    #[schema(example = "ready")]
    status: &'static str,
    /// The engines.
    checks: Vec<Check>,
    /// Messages that nobody understands, of another version for example, and which wait for a person in the queue
    /// `flotilla.parked.v1`. Null where the broker can't be asked.
    parked: Option<u32>,
}

/// How an engine is.
#[derive(Serialize, ToSchema)]
struct Check {
    /// `store`, `progress` or `broker`.
    name: &'static str,
    /// True where it answered.
    ok: bool,
    /// What it said otherwise.
    error: Option<String>,
}

impl Check {
    async fn of(name: &'static str, ping: impl Future<Output = Result<()>>) -> Self {
        let answer = timeout(PATIENCE, ping).await.unwrap_or_else(|_| {
            Err(Error::unavailable(
                name,
                format!("no answer within {} s", PATIENCE.as_secs()),
            ))
        });
        let error = answer.err().map(|error| {
            tracing::warn!(check = name, error = error.chain(), "not ready");
            error.to_string()
        });
        Self {
            name,
            ok: error.is_none(),
            error,
        }
    }
}

/// Whether this process should get requests. Only the store is needed to accept batches: without the broker they wait,
/// without the live view progress is less precise.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "operations",
    responses(
        (status = 200, description = "It should", body = Readiness),
        (status = 503, description = "It should not", body = Readiness),
    )
)]
pub(crate) async fn readyz(State(app): State<App>) -> (StatusCode, Json<Readiness>) {
    let deps = &app.deps;
    let broker = deps
        .broker
        .as_ref()
        .map(|broker| Check::of("broker", broker.ping()));
    let parked = async {
        let broker = deps.broker.as_ref()?;
        timeout(PATIENCE, broker.parked()).await.ok()?.ok()
    };
    let (store, progress, broker, parked) = tokio::join!(
        Check::of("store", deps.store.ping()),
        Check::of("progress", deps.progress.ping()),
        OptionFuture::from(broker),
        parked,
    );
    let usable = store.ok;
    let checks: Vec<Check> = [store, progress].into_iter().chain(broker).collect();
    let (code, status) = if deps.tasks.shutdown().is_draining() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping")
    } else if !usable {
        (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
    } else if checks.iter().all(|check| check.ok) {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::OK, "degraded")
    };
    let readiness = Readiness {
        status,
        checks,
        parked,
    };
    (code, Json(readiness))
}
