//! `GET /v1/batches/{id}/audit`

use axum::Json;
use axum::extract::{Path, State};

use crate::app::{App, unknown_batch};
use crate::problem::{Problem, ProblemDocument};
use crate::space::{Caller, SpaceParam};
use crate::views::AuditView;

/// Recounts a batch from its rows, as of one moment, and compares that with its counters and its result. It reads a row
/// of an index for each item: a second or so for a million.
#[utoipa::path(
    get,
    path = "/v1/batches/{id}/audit",
    tag = "batches",
    params(SpaceParam, ("id" = String, Path, description = "The batch", format = "uuid")),
    responses(
        (status = 200, description = "What was counted, and whether it adds up", body = AuditView),
        (status = "4XX", description = "No such batch", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "An engine is away", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn batch_audit(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<AuditView>, Problem> {
    // Says it in the words of every other endpoint where the id is none.
    let batch = app.batch(&caller.space, &id).await?.id;
    let audit = app.deps.store.audit(&caller.space, batch).await?;
    let audit = audit.ok_or_else(|| unknown_batch(&caller.space, &id))?;
    let findings = audit.findings();
    if !findings.is_empty() {
        tracing::error!(%batch, ?findings, "a batch does not add up");
    }
    Ok(Json(AuditView::from(&audit)))
}
