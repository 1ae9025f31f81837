//! What a handler knows about the attempt that it makes, besides the input.

use std::time::Duration;

use flotilla_core::follow_up::results_key;
use flotilla_core::message::ItemMessage;
use flotilla_core::outcome::{ItemError, ItemErrorKind};
use flotilla_core::ports::Objects;
use flotilla_core::{BatchId, ItemIndex, Space};
use tokio_util::sync::CancellationToken;

use crate::artifacts::Artifacts;
use crate::results::Results;

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
    /// Where the results are that this item is to make something of: it follows on a batch.
    results: Option<Results>,
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
            results: None,
            stop: CancellationToken::new(),
        }
    }

    /// The same, with the results in `objects` of the batch on which it follows, where it does.
    #[must_use]
    pub fn with_results(mut self, message: &ItemMessage, objects: &Objects) -> Self {
        let key = results_key(&message.space, message.batch, &message.input);
        self.results = key.map(|key| Results {
            key,
            objects: objects.clone(),
        });
        self
    }

    /// The results of the batch on which this item follows. `None` where it follows on none.
    #[must_use]
    pub fn results(&self) -> Option<&Results> {
        self.results.as_ref()
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
