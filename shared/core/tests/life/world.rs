//! A batch, the fleet that works on it, and what must be true of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use flotilla_core::batch::{BatchState, Start};
use flotilla_core::command::{Actor, Command};
use flotilla_core::ids::{BatchId, ItemIndex, Space};
use flotilla_core::item::ItemState;
use flotilla_core::message::Verdict;
use flotilla_core::outcome::Outcome;
use flotilla_core::place::Whereabouts;
use flotilla_core::record::Writes;
use jiff::Timestamp;

use super::fleet::{Fleet, Message};
use super::model::{Model, Sent};
use super::steps::{Does, Setup, Step};

/// How long claims last.
const LEASE: Duration = Duration::from_secs(30);

/// Everything there is.
pub(crate) struct World {
    now: Timestamp,
    model: Model,
    fleet: Fleet,
    claims: Vec<(Vec<Sent>, Timestamp)>,
    /// How often each item was made to run again.
    lives: BTreeMap<ItemIndex, u32>,
    /// The most items that were ever allowed in flight; none where there was no limit for a time.
    bound: Option<u32>,
    /// What there was after the last step.
    before: Model,
}

impl World {
    pub(crate) fn new(setup: &Setup) -> Self {
        let now = Timestamp::UNIX_EPOCH;
        let id = BatchId(uuid::Uuid::from_u128(7));
        let model = Model::sealed(id, Space::default(), setup.spec.clone(), setup.total, now);
        Self {
            now,
            before: model.clone(),
            bound: model.record.spec.concurrency,
            model,
            fleet: Fleet::default(),
            claims: Vec::new(),
            lives: BTreeMap::new(),
        }
    }

    pub(crate) fn take(&mut self, step: &Step) {
        let (id, now) = (self.model.record.id, self.now);
        match *step {
            Step::Claim { items, suspects } => self.claim(items, suspects),
            Step::Publish { nth, dies } => self.publish(nth, dies),
            Step::TakeOver => self.take_over(),
            Step::Work { nth, does, lost } => self.fleet.work(&self.model, nth, does, lost, now),
            Step::LoseWorker { nth } => self.fleet.lose_worker(nth),
            Step::Renew { nth, does } => self.fleet.renew(id, nth, does, now),
            Step::CallBack { nth, does } => self.fleet.call_back(id, nth, does, now),
            Step::Report { nth, again } => self.report(nth, again),
            Step::LoseBroker => self.fleet.messages.clear(),
            Step::Redispatch => {
                let held = self.held();
                self.model.redispatch(&held, now);
            }
            Step::ExpireLeases => {
                self.model.expire_leases(now);
            }
            Step::Sweep { limit, force } => {
                self.model.sweep(limit, force, now);
            }
            Step::Pass { ms } => self.now += Duration::from_millis(ms),
            Step::Do(ref command) => self.command(command),
            Step::Reopen {
                failed,
                succeeded,
                cancelled,
                one_in,
            } => self.reopen(failed, succeeded, cancelled, one_in),
        }
    }

    fn claim(&mut self, items: u32, suspects: u32) {
        let state = self.model.record.state;
        let sent = self.model.claim(items, suspects, self.now);
        if sent.is_empty() {
            return;
        }
        assert!(
            matches!(state, BatchState::Pending | BatchState::Processing),
            "items of a batch went out that is {state}"
        );
        assert!(self.model.record.spec.start.has_come(self.now));
        for item in &sent {
            let place = self.model.place(item.index);
            assert!(item.attempt <= place.last_attempt && item.isolated == (place.losses > 0));
        }
        self.claims.push((sent, self.now + LEASE));
    }

    fn publish(&mut self, nth: usize, dies: bool) {
        let Some(nth) = nth.checked_rem(self.claims.len()) else {
            return;
        };
        let sent = self.claims[nth].0.clone();
        if !dies {
            self.claims.remove(nth);
        }
        let lives = &self.lives;
        self.fleet.messages.extend(sent.into_iter().map(|sent| Message {
            sent,
            life: lives.get(&sent.index).copied().unwrap_or(0),
            redeliveries: 0,
        }));
    }

    /// What is still dispatched goes out once more.
    fn take_over(&mut self) {
        self.now += LEASE;
        let (now, model) = (self.now, &self.model);
        for (sent, until) in &mut self.claims {
            sent.retain(|sent| {
                let place = model.place(sent.index);
                (place.at, place.attempt) == (Whereabouts::Dispatched, sent.attempt)
            });
            *until = now + LEASE;
        }
        self.claims.retain(|(sent, _)| !sent.is_empty());
    }

    fn held(&self) -> BTreeSet<ItemIndex> {
        let all = self.claims.iter().flat_map(|(sent, _)| sent);
        all.map(|sent| sent.index).collect()
    }

    fn report(&mut self, nth: usize, again: bool) {
        let Some(nth) = nth.checked_rem(self.fleet.reports.len()) else {
            return;
        };
        // Some that came after it, in one transaction.
        let to = (nth + 1 + nth % 4).min(self.fleet.reports.len());
        let told = self.fleet.reports[nth..to].to_vec();
        if !again {
            self.fleet.reports.drain(nth..to);
        }
        let stale: Vec<_> = told
            .iter()
            .map(|told| told.attempt.index)
            .filter(|index| {
                let life = self.lives.get(index).copied().unwrap_or(0);
                told.iter()
                    .filter(|told| told.attempt.index == *index)
                    .all(|told| told.life < life)
            })
            .map(|index| (index, self.model.place(index)))
            .collect();
        let attempts: Vec<_> = told.into_iter().map(|told| told.attempt).collect();
        self.model.record(attempts.clone(), self.now);
        for (index, place) in stale {
            assert_eq!(
                self.model.place(index),
                place,
                "item {index} heard of an earlier life"
            );
        }
        let renews = |verdict: &Verdict| matches!(verdict, Verdict::Waiting(_) | Verdict::Leased { .. });
        if !attempts.iter().any(|attempt| renews(&attempt.verdict)) {
            let again = self.model.clone().record(attempts, self.now);
            assert_eq!(again, Writes::default(), "told twice");
        }
    }

    fn command(&mut self, command: &Command) {
        let by: Actor = "ann".parse().expect("a name");
        let version = self.model.record.tally.version;
        let changed = self.model.command(command, &by, self.now);
        let grown = u64::from(changed == Ok(true));
        assert_eq!(self.model.record.tally.version, version + grown, "{command:?}");
        self.bound = match (self.bound, self.model.record.spec.concurrency) {
            (Some(bound), Some(now)) => Some(bound.max(now)),
            _ => None,
        };
    }

    fn reopen(&mut self, failed: bool, succeeded: bool, cancelled: bool, one_in: u32) {
        let by: Actor = "ann".parse().expect("a name");
        let chosen = |outcome: &Outcome| {
            let wanted = match outcome.ending.state() {
                ItemState::Failed => failed,
                ItemState::Succeeded => succeeded,
                _ => cancelled,
            };
            wanted && outcome.index.is_multiple_of(one_in)
        };
        let Ok(items) = self.model.reopen(chosen, &by, self.now) else {
            return;
        };
        for index in &items {
            *self.lives.entry(*index).or_default() += 1;
            // The only way to lose an outcome.
            self.before.outcomes.remove(index);
        }
    }

    /// What must be true after every step.
    pub(crate) fn check(&mut self) {
        self.model.check();
        let (record, before) = (&self.model.record, &self.before.record);
        for (index, outcome) in &self.before.outcomes {
            assert_eq!(self.model.outcomes.get(index), Some(outcome), "outcomes stay");
        }
        assert!(
            self.before
                .results
                .iter()
                .zip(&self.model.results)
                .all(|(a, b)| a == b)
        );
        assert!(record.epoch >= before.epoch && record.tally.version >= before.tally.version);
        let shown = |model: &Model| {
            let record = &model.record;
            (
                record.state,
                record.epoch,
                record.tally.counts(record.total, record.next_index),
            )
        };
        if shown(&self.model) != shown(&self.before) {
            assert!(
                record.tally.version > before.tally.version,
                "a change without a version"
            );
        }
        let in_flight = record.tally.in_flight(record.next_index);
        assert!(
            self.bound.is_none_or(|most| in_flight <= most),
            "{in_flight} in flight"
        );
        let canary = record
            .spec
            .canary
            .filter(|items| *items > 0 && !record.control.approved);
        let started = record.next_index;
        // A sweep counts what it cancels as dispatched.
        let swept = record.halted_at.is_some() || self.lives.values().any(|life| *life > 0);
        assert!(
            swept || canary.is_none_or(|items| started <= items),
            "{started} started"
        );
        for index in 0..record.total {
            let life = self.lives.get(&index).copied().unwrap_or(0);
            let told = self
                .fleet
                .losses
                .iter()
                .filter(|told| (told.0, told.1) == (index, life));
            let losses = usize::from(self.model.place(index).losses);
            assert!(losses <= told.count(), "a loss of item {index} was counted twice");
        }
        self.before = self.model.clone();
    }

    /// All faults stop, and everybody does what is theirs to do: then everything ends.
    pub(crate) fn end(mut self) {
        self.take(&Step::LoseBroker);
        for _ in 0..2_000 {
            if self.model.record.state.is_final() {
                return self.check();
            }
            self.move_on();
            self.check();
        }
        panic!("it does not end: {:?}", self.model);
    }

    fn move_on(&mut self) {
        let by: Actor = "ann".parse().expect("a name");
        match self.model.record.state {
            BatchState::Paused => {
                assert_eq!(self.model.command(&Command::Resume, &by, self.now), Ok(true));
            }
            BatchState::Cancelling => {
                self.model.sweep(3, true, self.now);
            }
            _ if self.model.record.spec.start != Start::Auto => {
                let run = Command::Run { concurrency: None };
                assert_eq!(self.model.command(&run, &by, self.now), Ok(true));
            }
            _ => self.go_round(),
        }
    }

    /// One round of every loop that runs while there is a batch.
    fn go_round(&mut self) {
        self.take_over();
        self.claim(3, 1);
        while !self.claims.is_empty() {
            self.publish(0, false);
        }
        while !self.fleet.messages.is_empty() {
            let does = if self.model.record.total.is_multiple_of(2) {
                Does::Succeed
            } else {
                Does::Retry
            };
            self.fleet.work(&self.model, 0, does, false, self.now);
        }
        let moved = !self.fleet.reports.is_empty();
        while !self.fleet.reports.is_empty() {
            self.report(0, false);
        }
        self.model.expire_leases(self.now);
        if !moved {
            let held = self.held();
            self.model.redispatch(&held, self.now);
            self.now += self.model.next(self.now).unwrap_or(Duration::from_secs(1));
        }
    }
}
