//! Doing something to a batch, whatever it is: once, even where the caller does not wait for the answer.

use std::future::Future;

use flotilla_core::batch::Forbidden;
use flotilla_core::command::{Actor, Command, Selection};
use flotilla_core::ports::store::{Reopened, Steered};
use flotilla_core::{Batch, BatchId, BatchState, Space};
use tracing::{Instrument, Span};

use crate::app::{App, unknown_batch};
use crate::intake::writes::repeat;
use crate::live;
use crate::problem::{Kind, Problem};

/// Runs a write as a task of its own: it is done, and shown, whether or not somebody still waits for it.
pub(crate) async fn surely<T: Send + 'static>(
    app: &App,
    write: impl Future<Output = Result<T, Problem>> + Send + 'static,
) -> Result<T, Problem> {
    let shutdown = app.deps.tasks.shutdown().clone();
    let write = async move { shutdown.until_aborting(write).await };
    let written = app.deps.tasks.spawn("write", write.instrument(Span::current()));
    match written.await {
        Ok(Some(Some(answer))) => answer,
        Ok(Some(None)) => Err(Problem::new(
            Kind::ShuttingDown,
            "the server is stopping; whether this was done can't be said",
        )),
        Ok(None) | Err(_) => Err(Problem::internal("a write panicked")),
    }
}

/// Commands the batch whose id the path says. Answers the batch as it is now.
pub(crate) async fn command(
    app: &App,
    space: &Space,
    id: &str,
    command: Command,
    by: Actor,
) -> Result<Batch, Problem> {
    let batch: BatchId = id.parse().map_err(|_| unknown_batch(space, id))?;
    let (app, own, space) = (app.clone(), app, space.clone());
    surely(own, async move {
        let deps = &app.deps;
        let write = || deps.store.command(&space, batch, &command, &by, deps.clock.now());
        match repeat("command a batch", write).await.0? {
            Steered::Done(batch) => {
                tracing::info!(batch = %batch.id, command = command.name(), %by, state = %batch.state, "steered");
                deps.wake.notify_one();
                // What ended and is deleted is about to be forgotten: it must not come back.
                if !(batch.deleted && batch.state.is_final()) {
                    live::show(&app, &batch).await;
                }
                Ok(*batch)
            }
            Steered::Unchanged(batch) => Ok(*batch),
            Steered::Forbidden(forbidden) => Err(refused(forbidden)),
            Steered::Unknown => Err(unknown_batch(&space, &batch.to_string())),
        }
    })
    .await
}

/// Lets ended items of a batch run again, or counts them.
pub(crate) async fn reopen(
    app: &App,
    (space, batch): (&Space, BatchId),
    selection: &Selection,
    dry_run: bool,
    by: &Actor,
) -> Result<Reopened, Problem> {
    let deps = &app.deps;
    let write = || {
        deps.store
            .reopen(space, batch, selection, dry_run, by, deps.clock.now())
    };
    let reopened = repeat("reopen a batch", write).await.0?;
    if let Reopened::Done(items, batch) = &reopened
        && *items > 0
        && !dry_run
    {
        tracing::info!(batch = %batch.id, items, %by, "items run again");
        deps.wake.notify_one();
        live::show(app, batch).await;
    }
    Ok(reopened)
}

/// The answer where the state does not allow it: why, and what would help.
pub(crate) fn refused(forbidden: Forbidden) -> Problem {
    let mut detail = forbidden.to_string();
    if let Some(help) = help(forbidden) {
        detail.push_str("; ");
        detail.push_str(help);
    }
    Problem::new(Kind::Conflict, detail).with("state", forbidden.state.as_str())
}

fn help(Forbidden { state, action }: Forbidden) -> Option<&'static str> {
    use BatchState as S;
    Some(match (action, state) {
        ("be deleted without force", _) => "cancel it first, or delete it with ?force=true",
        ("be started", S::Paused) => "resume it",
        ("be started" | "be paused" | "be resumed" | "be retried", S::Open) => "seal it first: POST …/seal",
        ("be retried", S::Cancelling) => "wait until it has ended",
        ("be cancelled" | "be changed" | "be sealed", _) if state.is_final() => "it has ended",
        (_, S::Cancelling) => "it is about to end",
        ("be started" | "be paused" | "be resumed", _) if state.is_final() => {
            "it has ended; POST …/retry lets failed items run again"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_would_help() {
        for state in BatchState::ALL {
            let refusals = [state.pause(), state.halt(), state.reopen()];
            for forbidden in refusals.into_iter().filter_map(Result::err) {
                let text = refused(forbidden).to_string();
                // What is paused is not refused: there is nothing to do.
                let helpful = text.contains("; ") || state == BatchState::Paused;
                assert!(text.contains(state.as_str()) && helpful, "{text}");
            }
        }
        let paused = refused(BatchState::Paused.forbids("be started")).to_string();
        assert_eq!(
            paused,
            "conflict: a batch that is paused can't be started; resume it"
        );
    }
}
