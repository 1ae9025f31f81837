//! Why a batch waits: what a person would find out with all the facts at hand. Pure.

use std::fmt;

use jiff::Timestamp;

use crate::batch::{Batch, BatchState, Start};
use crate::command::PauseReason;
use crate::limits::{Scope, ScopeUse, Supply};

/// Other batches that have less than this part of what is in flight slow nobody down.
const NOTICED: u32 = 10;

/// Everything that decides when items of a batch go.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// The batch; its counts tell running items from queued ones, where that is known.
    pub batch: Batch,
    /// What may be dispatched of it.
    pub supply: Supply,
    /// The ceilings that it is under, and how much of them is used.
    pub scopes: Vec<ScopeUse>,
    /// The workers of its pool. `None` where the live view does not answer.
    pub fleet: Option<Fleet>,
    /// Items of other batches in flight in its pool.
    pub others_in_flight: u32,
    /// The present.
    pub now: Timestamp,
}

/// The workers of a pool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fleet {
    /// How many there are.
    pub workers: u32,
    /// How many items they run at once.
    pub slots: u32,
    /// How many more there are that drain, and take nothing.
    pub draining: u32,
}

/// One reason why some items of a batch have not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// What kind of reason.
    pub code: Code,
    /// How many items it holds. One item may be held by several reasons.
    pub count: u32,
    /// The reason in words, with what would help.
    pub detail: String,
    /// When it ends by itself, where that is known.
    pub until: Option<Timestamp>,
}

/// The kinds of reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// The request that creates it has not ended.
    Uploading,
    /// It takes more items until somebody seals it.
    NotSealed,
    /// Nothing starts until it is resumed.
    Paused,
    /// It is being cancelled, or fails.
    Cancelling,
    /// It starts later, or when somebody says so.
    NotStarted,
    /// Its first items are being looked at.
    Canary,
    /// As many of its items are in flight as may be.
    ConcurrencyLimit,
    /// As many of its items were dispatched in this moment as may be.
    RateLimit,
    /// The same, of all batches of its space.
    SpaceLimit,
    /// The same, of all batches of its job type.
    JobTypeLimit,
    /// Items of other batches fill the fleet: its own get their share of turns.
    TenantShare,
    /// Its own items fill the fleet, or nearly so.
    FleetBusy,
    /// No worker of its pool is there.
    NoWorker,
    /// Failed items rest until their next attempt.
    Backoff,
    /// Items are to be completed by something else.
    WaitingForCallbacks,
    /// Items are about to be dispatched.
    Ready,
    /// Items are on their way to a worker.
    Queued,
    /// Items run.
    Running,
}

impl Code {
    /// Every code.
    pub const ALL: [Self; 18] = [
        Self::Uploading,
        Self::NotSealed,
        Self::Paused,
        Self::Cancelling,
        Self::NotStarted,
        Self::Canary,
        Self::ConcurrencyLimit,
        Self::RateLimit,
        Self::SpaceLimit,
        Self::JobTypeLimit,
        Self::TenantShare,
        Self::FleetBusy,
        Self::NoWorker,
        Self::Backoff,
        Self::WaitingForCallbacks,
        Self::Ready,
        Self::Queued,
        Self::Running,
    ];

    /// The name in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Uploading => "uploading",
            Self::NotSealed => "not_sealed",
            Self::Paused => "paused",
            Self::Cancelling => "cancelling",
            Self::NotStarted => "not_started",
            Self::Canary => "canary",
            Self::ConcurrencyLimit => "concurrency_limit",
            Self::RateLimit => "rate_limit",
            Self::SpaceLimit => "space_limit",
            Self::JobTypeLimit => "job_type_limit",
            Self::TenantShare => "tenant_share",
            Self::FleetBusy => "fleet_busy",
            Self::NoWorker => "no_worker",
            Self::Backoff => "backoff",
            Self::WaitingForCallbacks => "waiting_for_callbacks",
            Self::Ready => "ready",
            Self::Queued => "queued",
            Self::Running => "running",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why the batch has not ended: first what holds most of it back. Empty where it has.
#[must_use]
pub fn explain(facts: &Facts) -> Vec<Reason> {
    if facts.batch.state.is_final() {
        return Vec::new();
    }
    let mut reasons = Reasons::default();
    let held = facts.held(&mut reasons);
    if !held {
        facts.dispatch(&mut reasons);
        facts.rest(&mut reasons);
    }
    facts.elsewhere(&mut reasons);
    reasons.0
}

#[derive(Default)]
struct Reasons(Vec<Reason>);

impl Reasons {
    fn add(&mut self, code: Code, count: u32, detail: impl Into<String>) {
        self.until(code, count, detail, None);
    }

    fn until(&mut self, code: Code, count: u32, detail: impl Into<String>, until: Option<Timestamp>) {
        self.0.push(Reason {
            code,
            count,
            detail: detail.into(),
            until,
        });
    }
}

impl Facts {
    /// Items that could be dispatched if nothing held them: suspects among them, but not those that rest.
    fn ready(&self) -> u32 {
        let supply = &self.supply;
        supply
            .fresh
            .saturating_add(supply.due)
            .saturating_add(supply.suspects)
    }

    /// Items that rest until their next attempt: those that go out again and are not due.
    fn resting(&self) -> u32 {
        if self.supply.next_due.is_none() {
            return 0;
        }
        let counts = &self.batch.counts;
        let returned = counts.pending.saturating_sub(self.supply.fresh);
        let due = self.supply.due.saturating_add(self.supply.suspects);
        (counts.retrying + returned).saturating_sub(due).max(1)
    }

    /// Where the batch as a whole dispatches nothing, says why.
    fn held(&self, reasons: &mut Reasons) -> bool {
        let batch = &self.batch;
        let counts = &batch.counts;
        let left = counts.total.saturating_sub(counts.settled());
        let waiting = counts.pending + counts.retrying;
        match batch.state {
            BatchState::Open if batch.spec.job_type.is_empty() => {
                let detail = "the request that creates it has not ended";
                reasons.add(Code::Uploading, counts.total, detail);
            }
            BatchState::Open => {
                let detail = "it takes more items, and starts when it is sealed: POST …/seal";
                reasons.add(Code::NotSealed, counts.total, detail);
            }
            BatchState::Cancelling => {
                let detail = match &batch.error {
                    Some(error) => format!("it fails, and what is left of it is being stopped: {error}"),
                    None => "it was cancelled, and what is left of it is being stopped".to_owned(),
                };
                reasons.add(Code::Cancelling, left, detail);
            }
            BatchState::Paused => reasons.add(Code::Paused, waiting, self.pause()),
            _ => match self.supply.start {
                Start::Manual => {
                    let detail = "it starts when somebody says so: POST …/run";
                    reasons.add(Code::NotStarted, waiting, detail);
                }
                Start::At(time) if time > self.now => {
                    let detail = format!("it starts at {time}; POST …/run starts it now");
                    reasons.until(Code::NotStarted, waiting, detail, Some(time));
                }
                Start::Auto | Start::At(_) => return false,
            },
        }
        true
    }

    fn pause(&self) -> String {
        let Some(paused) = &self.batch.paused else {
            return "it is paused; POST …/resume goes on".into();
        };
        let why = match paused.reason {
            PauseReason::Requested => format!("paused by {}", paused.by),
            PauseReason::Canary => "its first items are done, and somebody is to look at them".to_owned(),
            PauseReason::FailureThreshold => "too many of its items failed".to_owned(),
        };
        format!("{why}, since {}; POST …/resume goes on", paused.at)
    }

    /// What stands between the items that are ready and the fleet.
    fn dispatch(&self, reasons: &mut Reasons) {
        let (supply, now) = (&self.supply, self.now);
        let mut ready = self.ready();
        if let Some(left) = supply.canary_left
            && supply.fresh > left
        {
            let detail = "only the first items run until somebody has looked at them: the batch pauses when they are done";
            reasons.add(Code::Canary, supply.fresh - left, detail);
            ready -= supply.fresh - left;
        }
        if ready == 0 {
            return;
        }
        let before = reasons.0.len();
        if let Some(most) = supply.concurrency.filter(|most| supply.in_flight >= *most) {
            let detail = format!("{} of at most {most} items are in flight", supply.in_flight);
            reasons.add(Code::ConcurrencyLimit, ready, detail);
        }
        if let Some(rate) = supply.rate_per_s {
            let bucket = supply.bucket.at(rate, now);
            if bucket.room() == 0 {
                let detail = format!("at most {rate} items are dispatched per second");
                reasons.until(Code::RateLimit, ready, detail, bucket.next(rate));
            }
        }
        for used in self.scopes.iter().filter(|used| used.room(now) == 0) {
            let (code, what) = match &used.scope {
                Scope::Space(space) => (Code::SpaceLimit, format!("all batches of the space {space}")),
                Scope::JobType(name) => (Code::JobTypeLimit, format!("all batches of the job type {name}")),
            };
            reasons.until(code, ready, ceiling(used, &what), used.next_at(now));
        }
        if reasons.0.len() == before {
            self.fleet(ready, reasons);
        }
    }

    /// Nothing limits the batch itself: it is a matter of the fleet.
    fn fleet(&self, ready: u32, reasons: &mut Reasons) {
        let Some(fleet) = self.fleet else {
            let detail = "they go as workers have room; which workers there are is not known: the live view does not answer";
            return reasons.add(Code::Ready, ready, detail);
        };
        if fleet.workers == 0 {
            // Said of the queued ones, too.
            return reasons.add(Code::NoWorker, ready + self.batch.counts.queued, self.no_worker());
        }
        let own = self.supply.in_flight;
        let all = self.others_in_flight.saturating_add(own);
        if all < fleet.slots {
            return reasons.add(Code::Ready, ready, "they are about to be dispatched");
        }
        if self.others_in_flight > all / NOTICED {
            let detail = format!(
                "{} items of other batches and {own} of this one are in flight, and the workers run {} at once; spaces and batches take turns",
                self.others_in_flight, fleet.slots
            );
            reasons.add(Code::TenantShare, ready, detail);
        } else {
            let detail = format!(
                "{own} of its items are in flight, and the workers run {} at once; more workers would help",
                fleet.slots
            );
            reasons.add(Code::FleetBusy, ready, detail);
        }
    }

    fn no_worker(&self) -> String {
        if self.fleet.is_some_and(|fleet| fleet.draining > 0) {
            return format!(
                "every worker of the pool {} drains; have one work again: flotilla workers resume ID",
                self.batch.spec.pool
            );
        }
        format!(
            "no worker of the pool {} is there; start one: flotilla worker --pools {}",
            self.batch.spec.pool, self.batch.spec.pool
        )
    }

    fn on_their_way(&self) -> &'static str {
        match self.fleet {
            Some(_) => "they are on their way to a worker, or wait there until it has room",
            None => "they are on their way to a worker, or run: the live view does not answer",
        }
    }

    /// Items that go when it is time.
    fn rest(&self, reasons: &mut Reasons) {
        let resting = self.resting();
        if resting > 0 {
            let detail = "they failed an attempt, and rest until the next one";
            reasons.until(Code::Backoff, resting, detail, self.supply.next_due);
        }
    }

    /// Items that are not the publisher's to move.
    fn elsewhere(&self, reasons: &mut Reasons) {
        let counts = &self.batch.counts;
        if counts.waiting > 0 {
            let detail = "their handlers wait for something else to call back";
            reasons.add(Code::WaitingForCallbacks, counts.waiting, detail);
        }
        let unserved = self.fleet.is_some_and(|fleet| fleet.workers == 0);
        if counts.queued > 0 {
            if !unserved {
                reasons.add(Code::Queued, counts.queued, self.on_their_way());
            } else if !reasons.0.iter().any(|reason| reason.code == Code::NoWorker) {
                reasons.add(Code::NoWorker, counts.queued, self.no_worker());
            }
        }
        if counts.processing > 0 {
            reasons.add(Code::Running, counts.processing, "workers run them");
        }
    }
}

fn ceiling(used: &ScopeUse, what: &str) -> String {
    match used.ceiling.concurrency {
        Some(most) if used.in_flight >= most => {
            format!(
                "{} of at most {most} items of {what} are in flight",
                used.in_flight
            )
        }
        _ => {
            let rate = used.ceiling.rate_per_s.unwrap_or_default();
            format!("at most {rate} items of {what} are dispatched per second")
        }
    }
}

#[cfg(test)]
mod tests;
