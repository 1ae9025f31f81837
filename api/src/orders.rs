//! What workers are told.

use flotilla_core::WorkerId;
use flotilla_core::command::Actor;

use crate::app::App;
use crate::problem::{Kind, Problem};
use crate::views::WorkerOrder;

/// Tells a worker to drain, or to work again.
pub(crate) async fn tell(app: &App, id: String, drain: bool, by: &Actor) -> Result<WorkerOrder, Problem> {
    let worker = WorkerId(id.into());
    let progress = &app.deps.progress;
    let is_there = progress.workers().await?.iter().any(|known| known.id == worker);
    if !is_there {
        let id: String = worker.to_string().chars().take(80).collect();
        let detail = format!("no worker {id:?} was heard of of late");
        return Err(Problem::new(Kind::UnknownWorker, detail));
    }
    progress.tell_to_drain(&worker, drain).await?;
    tracing::info!(%worker, %by, drain, "a worker is told whether to drain");
    Ok(WorkerOrder {
        id: worker.to_string(),
        told_to_drain: drain,
    })
}
