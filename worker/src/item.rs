//! What a handler knows about the attempt that it makes, besides the input.

use std::time::Duration;

use flotilla_core::message::ItemMessage;
use flotilla_core::outcome::{ItemError, ItemErrorKind};
use flotilla_core::{BatchId, ItemIndex, Space};
use tokio_util::sync::CancellationToken;

use crate::artifacts::Artifacts;

/// One attempt at one item.
#[derive(Debug, Clone)]
pub struct ItemContext {
    /// The batch.
    pub batch: BatchId,
    /// The item's position in it.
    pub index: ItemIndex,
    /// Which attempt this is, from 1.
    pub attempt: u16,
    /// How many there will be at most.
    pub max_attempts: u16,
    /// The tenant.
    pub space: Space,
    /// The job type.
    pub job_type: String,
    /// The most time that this attempt may take.
    pub timeout: Duration,
    /// The W3C trace context that the handler continues.
    pub traceparent: Option<String>,
    /// Where something else can complete the item, once the handler has answered that it waits.
    pub callback: Option<String>,
    pub(crate) artifacts: Artifacts,
    stop: CancellationToken,
}

impl ItemContext {
    /// The attempt that `message` asks for. It can't keep files: there is nowhere to.
    #[must_use]
    pub fn new(message: &ItemMessage) -> Self {
        Self::with(message, Artifacts::default())
    }

    /// The attempt that `message` asks for, with a place for its files.
    pub(crate) fn with(message: &ItemMessage, artifacts: Artifacts) -> Self {
        Self {
            batch: message.batch,
            index: message.index,
            attempt: message.attempt,
            max_attempts: message.max_attempts,
            space: message.space.clone(),
            job_type: message.job_type.clone(),
            timeout: message.timeout,
            traceparent: message.traceparent.clone(),
            callback: message.callback.clone(),
            artifacts,
            stop: CancellationToken::new(),
        }
    }

    /// `{batch}:{index}`: the same for every attempt, so that a handler can recognise what it has done before.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}:{}", self.batch, self.index)
    }

    /// Waits until the attempt has to end: its time is over, its batch was cancelled, or the worker stops at once.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// Ends the attempt.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// The error of an attempt that took too long.
    pub(crate) fn out_of_time(&self) -> ItemError {
        ItemError::new(
            ItemErrorKind::Timeout,
            format!("took longer than {:?}", self.timeout),
        )
    }

    /// The same as environment variables.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            ("FLOTILLA_BATCH", self.batch.to_string()),
            ("FLOTILLA_INDEX", self.index.to_string()),
            ("FLOTILLA_ATTEMPT", self.attempt.to_string()),
            ("FLOTILLA_MAX_ATTEMPTS", self.max_attempts.to_string()),
            ("FLOTILLA_KEY", self.key()),
        ];
        variables.extend(self.traceparent.clone().map(|value| ("TRACEPARENT", value)));
        let callback = self.callback.clone();
        variables.extend(callback.map(|value| ("FLOTILLA_CALLBACK_URL", value)));
        let prefix = self.artifacts_prefix();
        variables.extend(prefix.map(|value| ("FLOTILLA_ARTIFACTS_PREFIX", value)));
        variables
    }
}
