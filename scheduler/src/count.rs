//! Counts what deliveries tell, and settles them.

use std::collections::VecDeque;
use std::sync::Arc;

use flotilla_core::attempt::Attempt;
use flotilla_core::message::Verdict;
use flotilla_core::outcome::Output;
use flotilla_core::ports::broker::{Settle, Tag};
use flotilla_core::{Batch, Result, crash};
use tokio::sync::Notify;
use tracing::Instrument;

use crate::deliveries::Ending;
use crate::live_view::LiveView;
use crate::{Deps, publish, record};

/// Attempts per transaction, at most, unless a single delivery has more: bounds how long one takes.
const MAX_ATTEMPTS: usize = 5_000;
/// Bytes of outputs per transaction, likewise: bounds the memory of one, in which they are several times.
const MAX_BYTES: usize = 4 << 20;

/// A delivery that says what became of attempts.
pub(crate) struct Told {
    pub(crate) tag: Tag,
    pub(crate) attempts: Vec<Attempt>,
    /// Of its first item that has one.
    pub(crate) traceparent: Option<String>,
}

impl Told {
    /// Bytes of all outputs.
    fn bytes(&self) -> usize {
        let outputs = self.attempts.iter().map(|attempt| match &attempt.verdict {
            Verdict::Done(Output::Inline(json)) => json.len(),
            _ => 0,
        });
        outputs.sum()
    }
}

/// Counts deliveries of one queue.
pub(crate) struct Counter {
    pub(crate) deps: Deps,
    pub(crate) view: LiveView,
    pub(crate) ending: Ending,
    /// Told when a batch has ended that may have a follow-up.
    pub(crate) ended: Arc<Notify>,
    /// What a delivery is called in logs.
    pub(crate) what: &'static str,
}

impl Counter {
    /// Records what `told` says, some deliveries per transaction, shows what changed, and only then acknowledges them.
    /// Where the store refuses a transaction, its deliveries are recorded one by one, so that the one which can't be
    /// counted is parked alone.
    ///
    /// # Errors
    /// Where it is time to stop, or deliveries can't be settled. Every one that is not settled then is given back.
    pub(crate) async fn count(&self, told: Vec<Told>, settle: &dyn Settle) -> Result<()> {
        let mut groups = groups(told);
        while let Some(group) = groups.pop_front() {
            if self.ending.is_over() {
                groups.push_front(group);
                return release(groups, settle).await;
            }
            let settled = match self.record(&group).await {
                Ok(()) => settle.ack(tags(group)).await,
                Err(error) if record::is_refusal(&error) && group.len() > 1 => {
                    for told in group.into_iter().rev() {
                        groups.push_front(vec![told]);
                    }
                    Ok(())
                }
                Err(error) if record::is_refusal(&error) => {
                    tracing::error!(
                        delivery = self.what,
                        error = error.chain(),
                        "a delivery can't be counted and is parked"
                    );
                    settle.reject(tags(group)).await
                }
                Err(error) => {
                    groups.push_front(group);
                    Err(error)
                }
            };
            if let Err(error) = settled {
                release(groups, settle).await?;
                return Err(error);
            }
        }
        Ok(())
    }

    async fn record(&self, group: &[Told]) -> Result<()> {
        let attempts = || {
            group
                .iter()
                .flat_map(|told| told.attempts.iter().cloned())
                .collect::<Vec<_>>()
        };
        let count: usize = group.iter().map(|told| told.attempts.len()).sum();
        if count == 0 {
            return Ok(());
        }
        let span = tracing::info_span!("record", attempts = count);
        // A transaction covers many items, and a span has one parent.
        if let Some(traceparent) = group.iter().find_map(|told| told.traceparent.as_ref()) {
            self.deps.trace.attach(&span, traceparent);
        }
        crash::point("scheduler.received");
        let changed = record::record(&self.deps, attempts, &self.ending)
            .instrument(span)
            .await?;
        crash::point("scheduler.committed");
        let follows = |batch: &Batch| batch.state.is_final() && batch.spec.on_complete.is_some();
        if changed.iter().any(follows) {
            self.ended.notify_one();
        }
        publish::publish(&self.deps, &self.view, &changed).await;
        crash::point("scheduler.shown");
        Ok(())
    }
}

/// Cuts deliveries into groups of one transaction each: of any length where one delivery is longer than the bound.
fn groups(all: Vec<Told>) -> VecDeque<Vec<Told>> {
    let (mut groups, mut attempts, mut bytes) = (VecDeque::<Vec<Told>>::new(), 0, 0);
    for told in all {
        attempts += told.attempts.len();
        bytes += told.bytes();
        match groups.back_mut() {
            Some(group) if attempts <= MAX_ATTEMPTS && bytes <= MAX_BYTES => group.push(told),
            _ => {
                (attempts, bytes) = (told.attempts.len(), told.bytes());
                groups.push_back(vec![told]);
            }
        }
    }
    groups
}

/// Gives everything back that is left.
async fn release(groups: VecDeque<Vec<Told>>, settle: &dyn Settle) -> Result<()> {
    let tags: Vec<Tag> = groups.into_iter().flat_map(tags).collect();
    if tags.is_empty() {
        return Ok(());
    }
    settle.release(tags).await
}

/// Parks deliveries that can't be understood.
pub(crate) async fn park(tags: Vec<Tag>, settle: &dyn Settle) -> Result<()> {
    if tags.is_empty() {
        return Ok(());
    }
    settle.reject(tags).await
}

fn tags(group: Vec<Told>) -> Vec<Tag> {
    group.into_iter().map(|told| told.tag).collect()
}

#[cfg(test)]
mod tests {
    use flotilla_core::{BatchId, Json};
    use jiff::Timestamp;

    use super::*;

    fn told(number: u64, items: usize) -> Told {
        let attempt = Attempt {
            batch: BatchId(uuid::Uuid::nil()),
            index: 0,
            attempt: 1,
            verdict: Verdict::Released,
            started_at: Timestamp::UNIX_EPOCH,
            duration_us: 0,
            worker: None,
            artifacts: Vec::new(),
        };
        Told {
            tag: Tag {
                generation: 0,
                number,
            },
            attempts: vec![attempt; items],
            traceparent: None,
        }
    }

    #[test]
    fn long_outputs_are_recorded_some_at_a_time() {
        let long = |number| {
            let mut told = told(number, 2);
            let output = Json::string(&"x".repeat(MAX_BYTES / 5));
            told.attempts[0].verdict = Verdict::Done(Output::Inline(output));
            told
        };
        let groups = groups((0..10).map(long).collect());
        let lengths: Vec<_> = groups.iter().map(Vec::len).collect();
        assert_eq!(lengths, [4, 4, 2]);
    }

    #[test]
    fn transactions_are_bounded_and_keep_every_report() {
        let lengths = [10, 4_990, 1, 9_000, 0, 5_000, 3];
        let all = lengths
            .iter()
            .enumerate()
            .map(|(number, &items)| told(number as u64, items));
        let numbers: Vec<Vec<u64>> = groups(all.collect())
            .into_iter()
            .map(|group| tags(group).into_iter().map(|tag| tag.number).collect())
            .collect();
        assert_eq!(numbers, [vec![0, 1], vec![2], vec![3], vec![4, 5], vec![6]]);
    }
}
