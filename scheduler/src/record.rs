//! Records attempts, for as long as it takes.

use std::time::Duration;

use flotilla_core::attempt::Attempt;
use flotilla_core::{Batch, Error, ErrorKind, Result};

use crate::Deps;
use crate::deliveries::Ending;

/// Between attempts at first; doubles up to [`LAST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LAST_WAIT: Duration = Duration::from_secs(5);

/// Records what `attempts` makes, anew for every try, and answers the batches that it names.
///
/// # Errors
/// Only where the store says that it can't make sense of them, or it is time to stop: while the store is away this
/// waits, and unacknowledged reports wait with it.
pub(crate) async fn record(
    deps: &Deps,
    attempts: impl Fn() -> Vec<Attempt>,
    ending: &Ending,
) -> Result<Vec<Batch>> {
    let mut wait = FIRST_WAIT;
    let mut said = false;
    loop {
        let recorded = deps.store.record(attempts(), deps.clock.now());
        match ending.until_aborting(recorded).await {
            None => return Err(stopping()),
            Some(Err(error)) if is_refusal(&error) => return Err(error),
            Some(Err(error)) => {
                if !std::mem::replace(&mut said, true) {
                    tracing::warn!(error = error.chain(), "outcomes wait for the store");
                }
                let pause = tokio::time::sleep(error.wait().unwrap_or(wait));
                // Nothing is acknowledged yet, so giving up at a shutdown loses nothing.
                if ending.until_over(pause).await.is_none() {
                    return Err(stopping());
                }
                wait = (wait * 2).min(LAST_WAIT);
            }
            Some(Ok(batches)) => {
                if said {
                    tracing::info!("outcomes are recorded again");
                }
                return Ok(batches);
            }
        }
    }
}

fn stopping() -> Error {
    Error::unavailable("scheduler", "stopping before outcomes were recorded")
}

/// True where the store looked at attempts and can't take them: the same ones will be refused again.
pub(crate) fn is_refusal(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Conflict)
}
