//! Records outcomes, for as long as it takes.

use std::time::Duration;

use flotilla_core::outcome::Outcome;
use flotilla_core::{Batch, Error, ErrorKind, Result, Shutdown};

use crate::Deps;

/// Between attempts at first; doubles up to [`LAST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LAST_WAIT: Duration = Duration::from_secs(5);

/// Records what `outcomes` makes, anew for every attempt, and answers the batches that it names.
///
/// # Errors
/// Only where the store says that it can't make sense of them, or the shutdown aborts: while the store is away this
/// waits, and unacknowledged reports wait with it.
pub(crate) async fn record(
    deps: &Deps,
    outcomes: impl Fn() -> Vec<Outcome>,
    shutdown: &Shutdown,
) -> Result<Vec<Batch>> {
    let mut wait = FIRST_WAIT;
    let mut said = false;
    loop {
        match deps.store.record(outcomes(), deps.clock.now()).await {
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Conflict) => {
                return Err(error);
            }
            Err(error) => {
                if !std::mem::replace(&mut said, true) {
                    tracing::warn!(error = error.chain(), "outcomes wait for the store");
                }
                let pause = tokio::time::sleep(error.wait().unwrap_or(wait));
                // Nothing is acknowledged yet, so giving up at a shutdown loses nothing.
                if shutdown.until_draining(pause).await.is_none() {
                    return Err(Error::unavailable(
                        "scheduler",
                        "stopping before outcomes were recorded",
                    ));
                }
                wait = (wait * 2).min(LAST_WAIT);
            }
            Ok(batches) => {
                if said {
                    tracing::info!("outcomes are recorded again");
                }
                return Ok(batches);
            }
        }
    }
}

/// True where the store looked at outcomes and can't take them: the same ones will be refused again.
pub(crate) fn is_refusal(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Conflict)
}
