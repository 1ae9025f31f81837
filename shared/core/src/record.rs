//! A batch as a store keeps it, and everything that can happen to it: pure.
//!
//! A store loads a [`BatchRecord`] under the lock of its counters, calls one of these methods, and writes back what
//! changed, all in one transaction. So both databases obey the same rules, and the rules can be tested without one.

mod expiry;

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::attempt::{Attempt, Tried};
use crate::batch::{Batch, BatchSpec, BatchState, FailureAction, Forbidden, Start};
use crate::command::{Actor, BatchEvent, Change, Command, PauseReason, Paused};
use crate::forecast::{self, Outlook};
use crate::ids::{BatchId, ItemIndex, Space};
use crate::outcome::Outcome;
use crate::place::{Effect, Lease, Place, Whereabouts};
use crate::ports::store::NewBatch;
use crate::result::BatchResult;
use crate::retention::Part;
use crate::tally::{Ended, Tally};

pub(crate) use self::expiry::needs_archive;

/// A batch as a store keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchRecord {
    /// Its id.
    pub id: BatchId,
    /// Its tenant.
    pub space: Space,
    /// What it is to do.
    pub spec: BatchSpec,
    /// Where it stands.
    pub state: BatchState,
    /// What steers it.
    pub control: Control,
    /// Grows when items that were dispatched and have not started are to come back. See
    /// [`ItemMessage::epoch`](crate::message::ItemMessage::epoch).
    pub epoch: u32,
    /// How many results were written.
    pub revision: u32,
    /// How many items it has.
    pub total: u32,
    /// How much was sent with it and skipped.
    pub skipped: u32,
    /// How many of its items were ever dispatched, or cancelled before they were: those with a lower index.
    pub next_index: u32,
    /// What became of them.
    pub tally: Tally,
    /// The longest input, in bytes.
    pub max_input_bytes: u32,
    /// When its upload began.
    pub created_at: Timestamp,
    /// When its first item was dispatched.
    pub started_at: Option<Timestamp>,
    /// Since when nothing of it starts any more, for good.
    pub halted_at: Option<Timestamp>,
    /// When its last item got a terminal state.
    pub completed_at: Option<Timestamp>,
    /// Since when it is to be removed.
    pub deleted_at: Option<Timestamp>,
    /// Why it failed as a whole.
    pub error: Option<String>,
}

/// What steers a batch; stores keep it as one JSON text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Control {
    /// Its pause, while it is paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<Paused>,
    /// A person has looked at its first items.
    pub approved: bool,
    /// What was failed and settled when a person last said to go on: the failure threshold counts from there.
    pub failed_before: u32,
    /// See [`failed_before`](Self::failed_before).
    pub settled_before: u32,
    /// What of it was removed because its time was over, or is being removed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expired: Vec<Part>,
    /// What of that is being removed at this moment: nothing of it runs again meanwhile.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expiring: Vec<Part>,
    /// Of which of its results the last archive is; 0 where it has none.
    #[serde(skip_serializing_if = "is_none")]
    pub archived: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_none(revision: &u32) -> bool {
    *revision == 0
}

/// What a store writes after attempts were taken.
#[derive(Debug, Default, PartialEq)]
pub struct Writes {
    /// Outcomes to insert.
    pub outcomes: Vec<Outcome>,
    /// Items that are due for dispatch: to insert, or to replace what is known of them.
    pub due: Vec<Due>,
    /// Leases: to insert, or to replace.
    pub leases: Vec<(ItemIndex, u16, Whereabouts, Lease)>,
    /// Leases to remove.
    pub ended_leases: Vec<ItemIndex>,
    /// Attempts that failed and are followed by another: to insert, unless they are there.
    pub tried: Vec<Tried>,
    /// What happened to the batch as a whole.
    pub events: Vec<BatchEvent>,
    /// The result, where the batch ended.
    pub result: Option<BatchResult>,
    /// True where the record differs from what was loaded.
    pub changed: bool,
}

/// An item that is due for dispatch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The item.
    pub index: ItemIndex,
    /// Which attempt is due, how many there may be, and how many workers were lost; retrying or returned.
    pub place: Place,
    /// When.
    pub due_at: Timestamp,
}

/// What a store writes after a command.
#[derive(Debug, Default, PartialEq)]
pub struct Commanded {
    /// False where there was nothing to do.
    pub changed: bool,
    /// What happened.
    pub events: Vec<BatchEvent>,
    /// The result, where the batch ended with it.
    pub result: Option<BatchResult>,
}

impl BatchRecord {
    /// A batch as it is before its seal: opened, and all of its items there. `max_input_bytes` is the longest of them.
    #[must_use]
    pub fn uploaded(new: NewBatch, spec: BatchSpec, total: u32, max_input_bytes: u32) -> Self {
        Self {
            id: new.id,
            space: new.space,
            spec,
            state: BatchState::Open,
            control: Control::default(),
            epoch: 0,
            revision: 0,
            total,
            skipped: 0,
            next_index: 0,
            tally: Tally::default(),
            max_input_bytes,
            created_at: new.created_at,
            started_at: None,
            halted_at: None,
            completed_at: None,
            deleted_at: None,
            error: None,
        }
    }

    /// As readers see it at `now`.
    #[must_use]
    pub fn seen_at(self, now: Timestamp) -> Batch {
        let rate_per_s = self.tally.rate_per_s(self.started_at, self.completed_at);
        let eta = forecast::eta(&self.tally.detail.pace, &self.outlook(), now);
        let awaits_approval = self.canary_left().is_some() && !self.state.is_halted();
        Batch {
            id: self.id,
            space: self.space,
            state: self.state,
            paused: self.control.paused,
            awaits_approval,
            epoch: self.epoch,
            revision: self.revision,
            version: self.tally.version,
            counts: self.tally.counts(self.total, self.next_index),
            skipped: self.skipped,
            rate_per_s,
            eta,
            max_input_bytes: self.max_input_bytes,
            created_at: self.created_at,
            started_at: self.started_at,
            completed_at: self.completed_at,
            expired: self.control.expired,
            expiring: self.control.expiring,
            archived: self.control.archived,
            deleted: self.deleted_at.is_some(),
            error: self.error,
            errors: self.tally.detail.error_groups(),
            spec: self.spec,
        }
    }

    /// What decides how long the rest takes.
    fn outlook(&self) -> Outlook {
        let (tally, spec) = (&self.tally, &self.spec);
        // Which attempt failed is not counted: one in the middle stands for all.
        let attempt = spec.max_attempts.div_ceil(2);
        Outlook {
            remaining: self.total.saturating_sub(tally.settled()),
            retrying: tally.retrying,
            waiting: tally.waiting,
            held: self.state != BatchState::Processing || self.canary_left().is_some(),
            rate_limit_per_s: spec.rate_per_s,
            concurrency: spec.concurrency,
            item_time: tally.item_time(),
            longest_rest: spec.backoff.bound(attempt),
        }
    }

    /// Takes what became of attempts at items of this batch, in order. `places` holds the place of each item that they
    /// name; an item without one does not exist.
    pub fn take(
        &mut self,
        attempts: impl IntoIterator<Item = Attempt>,
        places: &mut HashMap<ItemIndex, Place>,
        now: Timestamp,
    ) -> Writes {
        let mut writes = Writes::default();
        let mut due: HashMap<ItemIndex, Timestamp> = HashMap::new();
        let mut leases: HashMap<ItemIndex, Lease> = HashMap::new();
        // In the order in which items were first touched, with where they were.
        let mut touched: Vec<(ItemIndex, Place)> = Vec::new();
        let mut seen: HashSet<ItemIndex> = HashSet::new();
        for attempt in attempts {
            let index = attempt.index;
            let Some(place) = places.get_mut(&index) else {
                continue;
            };
            let before = *place;
            match place.take(attempt, &self.spec, self.state, now) {
                Effect::Nothing => continue,
                Effect::Settled(outcome) => writes.outcomes.push(outcome),
                Effect::Retrying { due_at, tried } => {
                    due.insert(index, due_at);
                    writes.tried.push(tried);
                }
                Effect::Returned => {
                    due.insert(index, now);
                }
                Effect::Leased(lease) => {
                    leases.insert(index, lease);
                }
            }
            self.tally.moved(before.at, place.at);
            if seen.insert(index) {
                touched.push((index, before));
            }
        }
        for (index, before) in touched {
            let Some(&place) = places.get(&index) else {
                continue;
            };
            if let (true, Some(due_at)) = (place.at.is_due(), due.remove(&index)) {
                writes.due.push(Due { index, place, due_at });
            }
            if let (true, Some(lease)) = (place.at.is_leased(), leases.remove(&index)) {
                writes.leases.push((index, place.attempt, place.at, lease));
            } else if before.at.is_leased() && !place.at.is_leased() {
                writes.ended_leases.push(index);
            }
            writes.changed = true;
        }
        if writes.changed {
            let start = self.started_at.unwrap_or(self.created_at);
            self.tally.settle(&writes.outcomes, now, start);
            (writes.events, writes.result) = self.counted(now);
            self.tally.version += 1;
        }
        writes
    }

    /// Counts items that were cancelled because the batch is halted: where each was, and the
    /// [`attempts`](Place::attempts) that it had, which are also those of its outcome. Those that were never dispatched
    /// are the next ones: they count as dispatched from then on.
    pub fn sweep(&mut self, swept: impl IntoIterator<Item = (Whereabouts, u16)>, now: Timestamp) -> Writes {
        let (mut items, mut attempts) = (0, 0);
        for (at, attempt) in swept {
            self.tally.moved(at, Whereabouts::Settled);
            self.next_index += u32::from(at == Whereabouts::Pending);
            items += 1;
            attempts += u64::from(attempt);
        }
        let start = self.started_at.unwrap_or(self.created_at);
        self.tally.cancel(items, attempts, now, start);
        let (events, result) = self.counted(now);
        let changed = items > 0 || result.is_some();
        self.tally.version += u64::from(changed);
        Writes {
            events,
            result,
            changed,
            ..Writes::default()
        }
    }

    /// What follows from new counts: the end of the batch, or a guard rail.
    fn counted(&mut self, now: Timestamp) -> (Vec<BatchEvent>, Option<BatchResult>) {
        let mut events = self.guard(now);
        let result = self.finish(now);
        events.extend(result.is_some().then(|| self.ended(now)));
        (events, result)
    }

    /// Ends it where every item is settled.
    fn finish(&mut self, now: Timestamp) -> Option<BatchResult> {
        if self.tally.settled() < self.total {
            return None;
        }
        self.state = self.state.finish(self.error.is_some()).ok()?;
        self.control.paused = None;
        self.completed_at = Some(now);
        self.revision += 1;
        Some(
            self.tally
                .result(self.id, self.revision, self.total, self.created_at, now),
        )
    }

    /// True where its end calls for a follow-up.
    #[must_use]
    pub fn calls_for_follow_up(&self) -> bool {
        let on = self.spec.on_complete.as_ref().map(|follow_up| follow_up.on);
        self.deleted_at.is_none() && on.is_some_and(|on| on.is_met(self.state, self.tally.failed))
    }

    fn ended(&self, now: Timestamp) -> BatchEvent {
        BatchEvent {
            at: now,
            by: Actor::system(),
            action: "end".into(),
            detail: Some(match &self.error {
                Some(error) => format!("{}: {error}", self.state),
                None => self.state.to_string(),
            }),
        }
    }

    /// Pauses or fails it where a guard rail says so.
    fn guard(&mut self, now: Timestamp) -> Vec<BatchEvent> {
        if !matches!(self.state, BatchState::Pending | BatchState::Processing) {
            return Vec::new();
        }
        let failed = self.tally.failed.saturating_sub(self.control.failed_before);
        let settled = self.tally.settled();
        let sample = settled.saturating_sub(self.control.settled_before);
        let crossed = self
            .spec
            .failure_threshold
            .filter(|threshold| threshold.is_crossed(failed, sample));
        let system = Actor::system();
        let command = match crossed.map(|threshold| threshold.action) {
            Some(FailureAction::Fail) => Command::Fail {
                error: format!("the failure threshold was crossed: {failed} of {sample} items failed"),
            },
            Some(FailureAction::Pause) if settled < self.total => {
                let detail = format!("{failed} of {sample} items failed");
                return self.guard_pause(PauseReason::FailureThreshold, &detail, now);
            }
            _ if self.canary_is_done() && settled < self.total => {
                let detail = format!("{settled} items are done, {} of them failed", self.tally.failed);
                return self.guard_pause(PauseReason::Canary, &detail, now);
            }
            _ => return Vec::new(),
        };
        self.act(&command, &system, now).map_or_else(
            |_| Vec::new(),
            |changed| {
                changed
                    .then(|| event(&command, &system, now))
                    .into_iter()
                    .collect()
            },
        )
    }

    fn guard_pause(&mut self, reason: PauseReason, detail: &str, now: Timestamp) -> Vec<BatchEvent> {
        let by = Actor::system();
        let Ok(paused) = self.state.pause() else {
            return Vec::new();
        };
        self.state = paused;
        self.control.paused = Some(Paused {
            reason,
            by: by.clone(),
            at: now,
        });
        vec![BatchEvent {
            at: now,
            by,
            action: "pause".into(),
            detail: Some(format!("{}: {detail}", reason.as_str())),
        }]
    }

    /// How many items may still be dispatched for the first time before somebody has looked. `None`: all of them.
    #[must_use]
    pub fn canary_left(&self) -> Option<u32> {
        // Without first items nothing would ever come to be looked at.
        let canary = self
            .spec
            .canary
            .filter(|&items| items > 0 && !self.control.approved)?;
        Some(canary.saturating_sub(self.next_index))
    }

    fn canary_is_done(&self) -> bool {
        self.canary_left() == Some(0) && self.tally.settled() >= self.next_index
    }

    /// Does what somebody asks for.
    ///
    /// # Errors
    /// Where the state does not allow it: nothing changed then.
    pub fn command(&mut self, command: &Command, by: &Actor, now: Timestamp) -> Result<Commanded, Forbidden> {
        let changed = self.act(command, by, now)?;
        if !changed {
            return Ok(Commanded::default());
        }
        let mut events = vec![event(command, by, now)];
        let result = self.finish_if_halted_or_sealed_empty(now);
        events.extend(result.is_some().then(|| self.ended(now)));
        self.tally.version += 1;
        Ok(Commanded {
            changed,
            events,
            result,
        })
    }

    /// A batch without items ends with the command that seals or halts it; so does one whose items are all settled.
    fn finish_if_halted_or_sealed_empty(&mut self, now: Timestamp) -> Option<BatchResult> {
        let sealed_empty = self.state == BatchState::Pending && self.total == 0;
        (sealed_empty || self.state == BatchState::Cancelling)
            .then(|| self.finish(now))
            .flatten()
    }

    /// False where there is nothing to do.
    fn act(&mut self, command: &Command, by: &Actor, now: Timestamp) -> Result<bool, Forbidden> {
        use BatchState as S;
        match command {
            // What was completed was sealed; what was cancelled may not have been.
            Command::Seal if matches!(self.state, S::Pending | S::Processing | S::Paused | S::Completed) => {
                Ok(false)
            }
            Command::Seal => {
                self.state.seal(self.total)?;
                // An empty one goes through `Pending` too, to its result.
                self.state = S::Pending;
                Ok(true)
            }
            Command::Run { concurrency } => self.run(*concurrency),
            Command::Pause if self.state == S::Paused => Ok(false),
            Command::Pause => {
                self.state = self.state.pause()?;
                self.control.paused = Some(Paused {
                    reason: PauseReason::Requested,
                    by: by.clone(),
                    at: now,
                });
                Ok(true)
            }
            Command::Resume if matches!(self.state, S::Pending | S::Processing) => Ok(false),
            Command::Resume => {
                self.state = self.state.resume(self.started_at.is_some())?;
                let paused = self.control.paused.take();
                // Whatever else it was paused for: whoever goes on with it once its first items are done has looked at
                // them, and nothing would be left to pause it for that.
                self.control.approved |= self.canary_is_done()
                    || paused.is_some_and(|paused| paused.reason == PauseReason::Canary);
                self.control.failed_before = self.tally.failed;
                self.control.settled_before = self.tally.settled();
                Ok(true)
            }
            Command::Cancel if matches!(self.state, S::Cancelling | S::Cancelled) => Ok(false),
            Command::Cancel => self.halt(None, now),
            Command::Fail { .. } if self.state.is_halted() => Ok(false),
            Command::Fail { error } => self.halt(Some(error.clone()), now),
            Command::Change(change) => self.change(change),
            Command::Delete { .. } if self.deleted_at.is_some() => Ok(false),
            Command::Delete { force } => {
                if !self.state.is_final() {
                    if !force {
                        return Err(self.state.forbids("be deleted without force"));
                    }
                    if self.state != S::Cancelling {
                        self.halt(None, now)?;
                    }
                }
                self.deleted_at = Some(now);
                Ok(true)
            }
        }
    }

    fn run(&mut self, concurrency: Option<u32>) -> Result<bool, Forbidden> {
        if !matches!(self.state, BatchState::Pending | BatchState::Processing) {
            return Err(self.state.forbids("be started"));
        }
        let started = self.spec.start != Start::Auto;
        self.spec.start = Start::Auto;
        let limited = self.change(&Change {
            concurrency: concurrency.map(Some),
            ..Change::default()
        })?;
        Ok(started || limited)
    }

    fn halt(&mut self, error: Option<String>, now: Timestamp) -> Result<bool, Forbidden> {
        self.state = self.state.halt()?;
        self.error = error;
        self.control.paused = None;
        self.halted_at = Some(now);
        Ok(true)
    }

    fn change(&mut self, change: &Change) -> Result<bool, Forbidden> {
        if self.state.is_halted() {
            return Err(self.state.forbids("be changed"));
        }
        let before = self.spec.clone();
        let spec = &mut self.spec;
        if let Some(name) = &change.name {
            spec.name.clone_from(name);
        }
        spec.priority = change.priority.unwrap_or(spec.priority);
        spec.concurrency = change.concurrency.unwrap_or(spec.concurrency);
        spec.rate_per_s = change.rate_per_s.unwrap_or(spec.rate_per_s);
        let tighter =
            tightened(before.concurrency, spec.concurrency) || tightened(before.rate_per_s, spec.rate_per_s);
        // What is dispatched beyond a tighter limit and has not started comes back.
        self.epoch += u32::from(tighter);
        Ok(before != *spec)
    }

    /// Opens it again for `items` that ended, after [`Tally::reopen`] was told of each of them and
    /// [`TallyDetail::recount_errors`](crate::tally::TallyDetail::recount_errors) of what is left of their error groups.
    /// A deadline that has passed is lifted: it would end the batch again at once. The caller has checked with
    /// [`may_reopen`](Self::may_reopen) that it may.
    pub fn reopened(&mut self, items: u32, by: &Actor, now: Timestamp) -> Option<BatchEvent> {
        let state = self.state.reopen().ok()?;
        if items == 0 {
            return None;
        }
        self.state = state;
        self.completed_at = None;
        self.halted_at = None;
        self.error = None;
        self.spec.deadline = self.spec.deadline.filter(|deadline| *deadline > now);
        self.control.failed_before = self.tally.failed;
        self.control.settled_before = self.tally.settled();
        self.tally.version += 1;
        Some(BatchEvent {
            at: now,
            by: by.clone(),
            action: "retry".into(),
            detail: Some(format!("{items} items")),
        })
    }

    /// The place of an item that ended and runs again: with as many attempts as a new one.
    #[must_use]
    pub fn place_again(&self, ended: &Ended) -> Place {
        Place {
            attempt: ended.attempt.saturating_add(1),
            last_attempt: ended.attempt.saturating_add(self.spec.max_attempts),
            losses: 0,
            at: Whereabouts::Retrying,
        }
    }
}

fn tightened<T: PartialOrd + Copy>(before: Option<T>, after: Option<T>) -> bool {
    match (before, after) {
        (Some(before), Some(after)) => after < before,
        (None, Some(_)) => true,
        (_, None) => false,
    }
}

fn event(command: &Command, by: &Actor, now: Timestamp) -> BatchEvent {
    BatchEvent {
        at: now,
        by: by.clone(),
        action: command.name().into(),
        detail: match command {
            Command::Fail { error } => Some(error.clone()),
            Command::Change(change) => Some(describe(change)),
            Command::Run {
                concurrency: Some(most),
            } => Some(format!("concurrency {most}")),
            Command::Delete { force: true } => Some("forced".into()),
            _ => None,
        },
    }
}

fn describe(change: &Change) -> String {
    fn limit<T: ToString>(name: &str, value: Option<&Option<T>>) -> Option<String> {
        let value = value?.as_ref().map_or_else(|| "none".to_owned(), T::to_string);
        Some(format!("{name} {value}"))
    }
    [
        limit("name", change.name.as_ref()),
        change.priority.map(|priority| format!("priority {priority}")),
        limit("concurrency", change.concurrency.as_ref()),
        limit("rate_per_s", change.rate_per_s.as_ref()),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>()
    .join(", ")
}

#[cfg(test)]
mod tests;
