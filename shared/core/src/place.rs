//! Where an item is, and where an attempt takes it: the rules of retries, waiting and lost workers, and nothing else.
//!
//! Both stores load the [`Place`] of every item that attempts name, under the lock of its batch, let
//! [`take`](Place::take) decide, and write what came of it. So the rules exist once, and hold for attempts that are
//! told twice, late, or out of order.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::attempt::{Attempt, Tried};
use crate::batch::{BatchSpec, BatchState};
use crate::ids::{BatchId, ItemIndex, WorkerId};
use crate::message::Verdict;
use crate::outcome::{Ending, ItemError, ItemErrorKind, Outcome, kept};
use crate::retry::jitter;

/// An item is given up on when this many workers were lost with it, each time running nothing else after the first.
pub const MAX_LOSSES: u16 = 3;

/// The longest that a worker may keep an item without saying so again: one that vanishes holds up nothing for ever.
pub const MAX_LEASE: Duration = Duration::from_secs(24 * 3600);

/// Where an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The attempt that is under way or comes next; once it is settled, the last one.
    pub attempt: u16,
    /// The last attempt that it gets.
    pub last_attempt: u16,
    /// How many workers were lost with it. Where it is not 0, the item runs alone.
    pub losses: u16,
    /// Its whereabouts.
    pub at: Whereabouts,
}

/// The whereabouts of an item. An item has exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Whereabouts {
    /// Not dispatched yet.
    Pending,
    /// With the broker or a worker.
    Dispatched,
    /// A worker runs it without holding its delivery, for as long as it renews its lease. Counts as dispatched.
    Leased,
    /// Failed an attempt; the next one is due at a time.
    Retrying,
    /// Was dispatched and came back without being run: it goes out again before items that never did. Counts as
    /// pending.
    Returned,
    /// Something else will complete it by callback.
    Waiting,
    /// Has its outcome.
    Settled,
}

impl Whereabouts {
    /// True where a delivery or a worker stands for the item.
    #[must_use]
    pub fn is_in_flight(self) -> bool {
        matches!(self, Self::Dispatched | Self::Leased)
    }

    /// True where it is due for dispatch, now or later.
    #[must_use]
    pub fn is_due(self) -> bool {
        matches!(self, Self::Retrying | Self::Returned)
    }

    /// The error of an attempt whose lease is over.
    #[must_use]
    pub fn lease_over(self) -> ItemError {
        match self {
            Self::Waiting => ItemError::new(
                ItemErrorKind::Timeout,
                "no callback came while the item waited for it",
            ),
            _ => ItemError::new(
                ItemErrorKind::WorkerLost,
                "the worker that ran the item was not heard of any more",
            ),
        }
    }

    /// True where it has a lease that ends.
    #[must_use]
    pub fn is_leased(self) -> bool {
        matches!(self, Self::Leased | Self::Waiting)
    }
}

/// What an attempt comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Nothing: it was known, or is not about what happens now.
    Nothing,
    /// The item has its outcome.
    Settled(Outcome),
    /// The next attempt is due.
    Retrying {
        /// When.
        due_at: Timestamp,
        /// The attempt that failed.
        tried: Tried,
    },
    /// It is to be dispatched again, at once: the same attempt, or the next one where a worker was lost with it.
    Returned,
    /// The item has a lease, or a longer one.
    Leased(Lease),
}

/// The time that an item has without a delivery standing for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// When it ends: then the attempt has failed.
    pub until: Timestamp,
    /// How far it is, 0 to 100, where that was said.
    pub progress: Option<u8>,
    /// What it does, where that was said.
    pub message: Option<String>,
    /// Who runs it, where a worker does.
    pub worker: Option<WorkerId>,
}

impl Place {
    /// An item that was dispatched once and of which nothing else is known.
    #[must_use]
    pub fn dispatched(spec: &BatchSpec) -> Self {
        Self {
            attempt: 1,
            last_attempt: spec.max_attempts,
            losses: 0,
            at: Whereabouts::Dispatched,
        }
    }

    /// The attempt that fails because the lease of the item is over. `since` is when it got its first lease for this
    /// attempt: as near to the begin as a store knows.
    #[must_use]
    pub fn lease_over(&self, batch: BatchId, index: ItemIndex, since: Timestamp) -> Attempt {
        Attempt {
            batch,
            index,
            attempt: self.attempt,
            verdict: Verdict::Retry {
                error: self.at.lease_over(),
                after_ms: None,
            },
            started_at: since,
            duration_us: 0,
            // Nobody has told how long it took: that is in no statistics.
            worker: None,
            artifacts: Vec::new(),
        }
    }

    /// How often it was attempted, including an attempt under way. What was dispatched counts, also where it came back
    /// without being run: so that no two dispatches of different lives of an item share a number.
    #[must_use]
    pub fn attempts(&self) -> u16 {
        match self.at {
            Whereabouts::Pending => 0,
            Whereabouts::Retrying => self.attempt.saturating_sub(1),
            _ => self.attempt,
        }
    }

    /// The last attempt of the life before this one, where it ended and runs again; else 0.
    fn attempts_before(&self, spec: &BatchSpec) -> u16 {
        self.last_attempt
            .saturating_sub(spec.max_attempts)
            .saturating_sub(self.losses)
    }

    /// Moves the item by what became of an attempt at it, in a batch that is in `state`.
    pub fn take(
        &mut self,
        mut attempt: Attempt,
        spec: &BatchSpec,
        state: BatchState,
        now: Timestamp,
    ) -> Effect {
        use Whereabouts as At;
        // What has its outcome keeps it; what was never dispatched can't have been attempted.
        if matches!(self.at, At::Settled | At::Pending) || attempt.attempt > self.attempt {
            return Effect::Nothing;
        }
        // Somebody asked for it to run again since.
        if attempt.attempt <= self.attempts_before(spec) {
            return Effect::Nothing;
        }
        // Success counts, whichever attempt it was: the work is done.
        let current = attempt.attempt == self.attempt && !self.at.is_due();
        if !current && !matches!(attempt.verdict, Verdict::Done(_)) {
            return Effect::Nothing;
        }
        let halted = state.is_halted();
        match attempt.verdict.clone() {
            Verdict::Done(output) => {
                // A later attempt may be under way: should the item run again, it must not be taken for one of then.
                attempt.attempt = attempt.attempt.max(self.attempts());
                self.settle(attempt, Ending::Succeeded(output))
            }
            Verdict::Fail(error) => self.settle(attempt, Ending::failed(error)),
            _ if halted => self.settle(attempt, Ending::Cancelled),
            Verdict::Retry { error, .. } if self.attempt >= self.last_attempt => {
                self.settle(attempt, Ending::failed(error))
            }
            Verdict::Retry { error, after_ms } => self.retry(attempt, error, after_ms, spec, now),
            Verdict::Waiting(waiting) => match spec.callback_timeout {
                Some(most) => {
                    let asked = waiting.timeout_ms.map_or(most, Duration::from_millis);
                    self.at = At::Waiting;
                    Effect::Leased(Lease {
                        until: after(now, asked.min(most)),
                        progress: waiting.progress.map(|percent| percent.min(100)),
                        message: waiting.message.map(kept),
                        worker: None,
                    })
                }
                None => self.settle(attempt, Ending::failed(no_callbacks())),
            },
            // A worker that still runs what was called back would run it twice.
            Verdict::Leased { .. } if self.at == At::Waiting => Effect::Nothing,
            Verdict::Leased { ttl_ms } => {
                self.at = At::Leased;
                Effect::Leased(Lease {
                    until: after(now, Duration::from_millis(ttl_ms).min(MAX_LEASE)),
                    progress: None,
                    message: None,
                    worker: attempt.worker,
                })
            }
            // Nobody holds a delivery of an item that waits.
            Verdict::Released | Verdict::Cancelled | Verdict::Lost if self.at == At::Waiting => {
                Effect::Nothing
            }
            // Cancelled on old news: its batch goes on.
            Verdict::Released | Verdict::Cancelled => {
                self.at = At::Returned;
                Effect::Returned
            }
            Verdict::Lost => {
                self.losses = self.losses.saturating_add(1);
                if self.losses >= MAX_LOSSES {
                    return self.settle(attempt, Ending::failed(worker_lost()));
                }
                // Another number, so that the same loss told again is not another one. It has a budget of its own.
                self.attempt = self.attempt.saturating_add(1);
                self.last_attempt = self.last_attempt.saturating_add(1);
                self.at = At::Returned;
                Effect::Returned
            }
        }
    }

    fn retry(
        &mut self,
        attempt: Attempt,
        error: ItemError,
        after_ms: Option<u64>,
        spec: &BatchSpec,
        now: Timestamp,
    ) -> Effect {
        let share = jitter(attempt.batch, attempt.index, self.attempt);
        let asked = after_ms.map(Duration::from_millis);
        let due_at = spec.backoff.due_at(self.attempt, asked, share, now);
        self.attempt += 1;
        self.at = Whereabouts::Retrying;
        Effect::Retrying {
            due_at,
            tried: Tried {
                index: attempt.index,
                attempt: attempt.attempt,
                error: ItemError::new(error.kind, error.message),
                started_at: attempt.started_at,
                duration_us: attempt.duration_us,
                worker: attempt.worker,
            },
        }
    }

    fn settle(&mut self, attempt: Attempt, ending: Ending) -> Effect {
        self.at = Whereabouts::Settled;
        // Other programs report as well: what failed has nothing to show.
        let artifacts = match ending {
            Ending::Succeeded(_) => attempt.artifacts,
            Ending::Failed(_) | Ending::Cancelled => Vec::new(),
        };
        Effect::Settled(Outcome {
            batch: attempt.batch,
            index: attempt.index,
            attempt: attempt.attempt,
            ending,
            started_at: attempt.started_at,
            duration_us: attempt.duration_us,
            worker: attempt.worker,
            artifacts,
        })
    }
}

fn after(now: Timestamp, time: Duration) -> Timestamp {
    let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
    now.saturating_add(time).unwrap_or(Timestamp::MAX)
}

fn no_callbacks() -> ItemError {
    ItemError::new(
        ItemErrorKind::Invalid,
        "the handler answered that the item waits for a callback, but the job type has no callback_timeout",
    )
}

/// The error of an item whose workers vanish.
#[must_use]
pub fn worker_lost() -> ItemError {
    ItemError::new(
        ItemErrorKind::WorkerLost,
        "every worker that ran this item was lost while it did",
    )
}

#[cfg(test)]
mod tests;
