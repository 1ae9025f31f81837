//! Hears of batches as a dashboard does: asking all the time would slow down what is measured.

use anyhow::{Context, Result};
use futures_util::StreamExt;
use redis::aio::PubSub;
use serde_json::Value;
use tokio::time::timeout;

use crate::fleet::{Batch, PATIENCE};
use crate::stage::Stage;

/// The events of every space.
pub(crate) struct View {
    events: PubSub,
}

impl View {
    pub(crate) async fn open(stage: &Stage) -> Result<Self> {
        let client = redis::Client::open(stage.redis_url())?;
        let mut events = client.get_async_pubsub().await?;
        events.psubscribe("flotilla:events:*").await?;
        Ok(Self { events })
    }

    /// Waits until `batch` is said to be completed. What was said before this is called is heard, too.
    pub(crate) async fn completed(&mut self, batch: &Batch) -> Result<()> {
        let mut events = self.events.on_message();
        loop {
            let event = timeout(PATIENCE, events.next()).await;
            let event = event.context("no event")?.context("Redis has gone")?;
            let event: Value = serde_json::from_slice(event.get_payload_bytes())?;
            if event["batch"] == batch.id() && event["state"] == "completed" {
                return Ok(());
            }
        }
    }
}
