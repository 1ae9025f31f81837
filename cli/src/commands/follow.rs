//! Follows a batch until it ends.

use std::time::Duration;

use anyhow::Result;
use tokio::time::Instant;

use crate::client::Client;
use crate::client::view::BatchView;
use crate::output::meter::Meter;
use crate::output::progress;

/// How often a batch that moves is read from a server that others use too.
pub(crate) const LIVELY: Duration = Duration::from_millis(250);
/// How often one is read that has not moved for long.
const IDLE: Duration = Duration::from_secs(5);

/// Reads the batch until it is final, and shows every state on the way. While it moves, it is read every `lively`.
pub(crate) async fn until_final(
    client: &Client,
    id: &str,
    lively: Duration,
    meter: &mut Meter,
) -> Result<BatchView> {
    let mut seen = None;
    let mut moved = Instant::now();
    loop {
        let batch = client.batch_patiently(id).await?;
        let counts = batch.counts;
        meter.show(
            counts.settled().into(),
            counts.total.into(),
            progress::line(&batch),
        );
        if batch.state.is_final() {
            return Ok(batch);
        }
        let now = Instant::now();
        if seen.replace((batch.state, counts)) != Some((batch.state, counts)) {
            moved = now;
        }
        tokio::time::sleep(pause(now - moved, lively)).await;
    }
}

/// The longer nothing has moved, the less often it is looked at.
fn pause(still: Duration, lively: Duration) -> Duration {
    (still / 4).clamp(lively, IDLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_still_is_read_less_often() {
        assert_eq!(pause(Duration::ZERO, LIVELY), LIVELY);
        assert_eq!(pause(Duration::from_secs(8), LIVELY), Duration::from_secs(2));
        assert_eq!(pause(Duration::from_secs(3600), LIVELY), IDLE);
    }
}
