//! A follow-up is pending if a result has called for it and it was not created: its batch is created. What it is told is
//! written first, and its id follows from the result, so that whoever dies in between is followed by somebody who makes the
//! same.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::follow_up::{FollowUpInput, ResultsFile, follow_up_id};
use flotilla_core::item::NewItem;
use flotilla_core::ports::Objects;
use flotilla_core::ports::store::{Created, FollowUp, NewBatch};
use flotilla_core::result::BatchResult;
use flotilla_core::{Batch, Error, Json, Result};
use tokio::sync::Notify;

use super::Task;
use crate::items_file::{self, Packing};
use crate::live_view::LiveView;
use crate::{Deps, publish};

/// Follow-ups per look.
const LIMIT: u32 = 100;

/// Creates pending follow-ups.
pub struct FollowUpsPending {
    deps: Deps,
    view: LiveView,
    ended: Arc<Notify>,
}

impl FollowUpsPending {
    /// Shares `view` with whoever else writes snapshots. Looks when `ended` says that a batch has ended.
    #[must_use]
    pub fn new(deps: &Deps, view: &LiveView, ended: &Arc<Notify>) -> Self {
        Self {
            deps: deps.clone(),
            view: view.clone(),
            ended: Arc::clone(ended),
        }
    }

    /// True where it was created now.
    async fn create(&self, pending: &FollowUp) -> Result<bool> {
        let (store, space, revision) = (&self.deps.store, &pending.space, pending.revision);
        let Some(batch) = store.batch(space, pending.batch).await? else {
            return Ok(false);
        };
        let result = store.result(space, batch.id, Some(revision)).await?;
        let (Some(result), Some(on_complete)) = (result, batch.spec.on_complete.as_deref()) else {
            let what = format!(
                "batch {} called for a follow-up and has no result {revision}",
                batch.id
            );
            return Err(Error::corrupt("scheduler", what));
        };
        // It runs again: the items are read when it has ended.
        if !batch.state.is_final() {
            return Ok(false);
        }
        let passed = on_complete.input.as_ref();
        let Some(input) = self.input(&batch, &result, passed).await? else {
            return Ok(false);
        };
        let id = follow_up_id(batch.id, revision, result.created_at);
        let (spec, now) = (on_complete.spec(&batch), self.deps.clock.now());
        let new = NewBatch {
            id,
            space: space.clone(),
            idempotency_key: None,
            created_at: now,
        };
        let item = NewItem {
            custom_id: None,
            input,
        };
        let created = store.create_batch(new, vec![item], spec, now).await?;
        store.follow_up_created(batch.id, revision, id).await?;
        match created {
            Created::New(follow_up) => {
                tracing::info!(batch = %batch.id, revision, follow_up = %id, "created the follow-up of a batch");
                publish::publish(&self.deps, &self.view, std::slice::from_ref(&*follow_up)).await;
                Ok(true)
            }
            // Somebody was faster, or died before it could say so.
            Created::Existing(_) => Ok(false),
        }
    }

    /// `None` where the batch has changed while it was read.
    async fn input(
        &self,
        batch: &Batch,
        result: &BatchResult,
        passed: Option<&Json>,
    ) -> Result<Option<Json>> {
        let key = Objects::results_key(&batch.space, batch.id, result.revision);
        let Some(written) = items_file::write(&self.deps, batch, &key, Packing::Plain).await? else {
            return Ok(None);
        };
        let input = FollowUpInput {
            batch_id: batch.id,
            revision: result.revision,
            name: batch.spec.name.as_deref(),
            state: batch.state,
            counts: batch.counts,
            result,
            results: ResultsFile {
                key,
                bytes: written.bytes,
                lines: written.lines,
                url: format!(
                    "/v1/batches/{}/download?format=ndjson&space={}",
                    batch.id, batch.space
                ),
            },
            input: passed,
        };
        Json::of(&input)
            .map(Some)
            .map_err(|error| Error::corrupt("a follow-up", "its input has no JSON form").because(error))
    }
}

#[async_trait]
impl Task for FollowUpsPending {
    fn name(&self) -> &'static str {
        "follow-ups"
    }

    /// For those whose end another process has seen: most are created when this one sees it.
    fn period(&self) -> Duration {
        Duration::from_secs(2)
    }

    async fn wake(&mut self) {
        self.ended.notified().await;
    }

    async fn run_once(&mut self) -> Result<u64> {
        let (mut created, mut failed) = (0, None);
        for pending in self.deps.store.pending_follow_ups(LIMIT).await? {
            match self.create(&pending).await {
                Ok(done) => created += u64::from(done),
                Err(error) if error.is_transient() => return Err(error),
                // The others may be created.
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(created), Err)
    }
}
