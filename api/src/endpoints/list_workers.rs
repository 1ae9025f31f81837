//! `GET /v1/workers`

use std::collections::{BTreeSet, HashSet};

use axum::Json;
use axum::extract::State;
use flotilla_core::{BatchId, WorkerId};

use crate::app::App;
use crate::problem::{Problem, ProblemDocument};
use crate::space::{Caller, SpaceParam};
use crate::views::{WorkerList, WorkerView};

/// The workers that said something of late. Every space sees all of them, because all of them may serve it; what they do
/// is shown for its own batches only.
#[utoipa::path(
    get,
    path = "/v1/workers",
    tag = "operations",
    params(SpaceParam),
    responses(
        (status = 200, description = "The workers, by id", body = WorkerList),
        (status = "4XX", description = "A bad parameter", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "The live view is away", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list_workers(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<WorkerList>, Problem> {
    let workers = app.deps.progress.workers().await?;
    let named: BTreeSet<BatchId> = workers
        .iter()
        .flat_map(|worker| worker.doing.iter().map(|doing| doing.batch))
        .collect();
    let named: Vec<BatchId> = named.into_iter().collect();
    // The live view knows whose a batch is. Where it does not, nobody sees it.
    let snapshots = app.deps.progress.read(&named).await?;
    let own: HashSet<BatchId> = snapshots
        .into_iter()
        .flatten()
        .filter(|snapshot| snapshot.space == caller.space)
        .map(|snapshot| snapshot.batch)
        .collect();
    let ids: Vec<WorkerId> = workers.iter().map(|worker| worker.id.clone()).collect();
    let told = app.deps.progress.told_to_drain(&ids).await?;
    let views = workers
        .into_iter()
        .zip(told)
        .map(|(worker, told)| WorkerView::new(worker, told, |doing| own.contains(&doing.batch)));
    Ok(Json(WorkerList {
        workers: views.collect(),
    }))
}
