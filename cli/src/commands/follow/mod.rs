//! Follows batches until they end.
//!
//! A [`Feed`] says how batches stand and what becomes of them. It listens to the server's stream of events where there is
//! one, and reads what it is not told: at the start, after a break, when a state changes, and every few seconds.

mod feed;
mod link;
mod still;

use std::time::Duration;

use anyhow::Result;

pub(crate) use self::feed::{Feed, Scope, Update};
pub(crate) use self::still::Still;
use crate::client::Client;
use crate::client::view::BatchView;
use crate::output::meter::Meter;
use crate::output::progress;

/// Follows one batch until it is final, and shows every state on the way. Without a stream it is read every `lively`.
pub(crate) async fn until_final(
    client: &Client,
    id: &str,
    lively: Duration,
    meter: &mut Meter,
) -> Result<BatchView> {
    let mut feed = Feed::new(client, Scope::Batches(vec![id.to_owned()])).every(lively);
    loop {
        match feed.next().await? {
            Update::Batch(batch) => {
                let counts = batch.counts;
                let text = progress::line(&batch);
                meter.show(counts.settled().into(), counts.total.into(), text);
                if batch.state.is_final() {
                    return Ok(*batch);
                }
            }
            Update::Lost(why) => meter.say(&format!("{why}: trying again")),
            Update::Found | Update::Round | Update::Gone(_) => {}
        }
    }
}

/// A batch of 800 items, so many of which succeeded.
#[cfg(test)]
pub(crate) fn sample(id: &str, state: &str, succeeded: u32) -> BatchView {
    let batch = serde_json::json!({
        "id": id, "space": "default", "name": null, "job_type": "echo", "state": state,
        "counts": {"total": 800, "pending": 800 - succeeded, "queued": 0, "processing": 0, "retrying": 0, "waiting": 0,
                   "succeeded": succeeded, "failed": 0, "cancelled": 0},
        "percent": f64::from(succeeded) / 8.0, "rate_per_s": 0.0, "eta": null, "created_at": "2026-01-01T00:00:00Z",
    });
    serde_json::from_value(batch).expect("it is a batch")
}
