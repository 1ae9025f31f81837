//! `GET /v1/batches/{id}/explain`

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use flotilla_core::explain::{Facts, Fleet, explain};
use flotilla_core::{Batch, Pool};
use tokio::time::timeout;

use crate::app::{App, unknown_batch};
use crate::live;
use crate::problem::{Problem, ProblemDocument};
use crate::space::{Caller, SpaceParam};
use crate::views::Explanation;

/// How long the live view may take to tell who works: without it, the rest is explained.
const PATIENCE: Duration = Duration::from_millis(500);
/// Batches without items in flight do not matter here.
const IDLE_BATCHES: u32 = 1;

/// Why a batch has not ended: what holds its items back, how many, and until when where that is known.
#[utoipa::path(
    get,
    path = "/v1/batches/{id}/explain",
    tag = "batches",
    params(SpaceParam, ("id" = String, Path, description = "The batch", format = "uuid")),
    responses(
        (status = 200, description = "The reasons; none where it has ended", body = Explanation),
        (status = "4XX", description = "No such batch", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "An engine is away", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn batch_explain(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Explanation>, Problem> {
    let mut batch = app.batch(&caller.space, &id).await?;
    live::overlay(&app, std::slice::from_mut(&mut batch)).await;
    let (id, state) = (batch.id, batch.state);
    let reasons = if state.is_final() {
        Vec::new()
    } else {
        explain(&facts(&app, batch).await?)
    };
    Ok(Json(Explanation::new(id, state, reasons)))
}

async fn facts(app: &App, batch: Batch) -> Result<Facts, Problem> {
    let (deps, now) = (&app.deps, app.deps.clock.now());
    let supply = deps
        .store
        .supply(&batch.space, batch.id, &deps.ceilings, now)
        .await?;
    let (supply, scopes) = supply.ok_or_else(|| unknown_batch(&batch.space, &batch.id.to_string()))?;
    let active = deps
        .store
        .active_batches(IDLE_BATCHES, &deps.ceilings, now)
        .await?;
    let others = active
        .batches
        .iter()
        .filter(|other| other.pool == batch.spec.pool && other.id != batch.id);
    Ok(Facts {
        supply,
        scopes,
        fleet: fleet(app, &batch.spec.pool).await,
        others_in_flight: others.map(|other| other.supply.in_flight).sum(),
        now,
        batch,
    })
}

async fn fleet(app: &App, pool: &Pool) -> Option<Fleet> {
    let workers = timeout(PATIENCE, app.deps.progress.workers()).await.ok()?.ok()?;
    let mut fleet = Fleet::default();
    for worker in workers.iter().filter(|worker| worker.pools.contains(pool)) {
        if worker.draining {
            fleet.draining += 1;
            continue;
        }
        fleet.workers += 1;
        fleet.slots = fleet.slots.saturating_add(worker.concurrency);
    }
    Some(fleet)
}
