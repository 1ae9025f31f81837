//! A store in memory, of one batch: what both databases do around [`BatchRecord`] and [`Place`], with nothing but maps.
//!
//! The conformance suite of the stores walks beside it, too.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use flotilla_core::attempt::{Attempt, Tried};
use flotilla_core::batch::{BatchSpec, BatchState, Forbidden};
use flotilla_core::command::{Actor, BatchEvent, Command};
use flotilla_core::ids::{BatchId, ItemIndex, Space};
use flotilla_core::item::ItemState;
use flotilla_core::limits::{Bucket, Supply};
use flotilla_core::outcome::{Ending, Outcome};
use flotilla_core::place::{Lease, Place, Whereabouts};
use flotilla_core::record::{BatchRecord, Control, Writes};
use flotilla_core::result::BatchResult;
use flotilla_core::tally::{Ended, ErrorTally, Tally};
use jiff::Timestamp;

/// One batch, as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) record: BatchRecord,
    /// Of every item that was dispatched; the others are pending.
    pub(crate) places: HashMap<ItemIndex, Place>,
    pub(crate) due: BTreeMap<ItemIndex, Timestamp>,
    pub(crate) leases: BTreeMap<ItemIndex, Lease>,
    pub(crate) outcomes: BTreeMap<ItemIndex, Outcome>,
    /// Items that were given up on and have not run again since.
    pub(crate) dead: BTreeSet<ItemIndex>,
    pub(crate) tried: BTreeMap<(ItemIndex, u16), Tried>,
    pub(crate) results: Vec<BatchResult>,
    pub(crate) history: Vec<BatchEvent>,
    pub(crate) bucket: Bucket,
    /// How many items went out, those that went out again counted again.
    pub(crate) sent: u64,
}

/// An item that goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sent {
    /// No two have the same.
    pub(crate) number: u64,
    pub(crate) index: ItemIndex,
    pub(crate) attempt: u16,
    pub(crate) isolated: bool,
    pub(crate) epoch: u32,
}

impl Model {
    /// A sealed batch.
    pub(crate) fn sealed(id: BatchId, space: Space, spec: BatchSpec, total: u32, now: Timestamp) -> Self {
        Self {
            record: BatchRecord {
                id,
                space,
                spec,
                state: BatchState::Pending,
                control: Control::default(),
                epoch: 0,
                revision: 0,
                total,
                skipped: 0,
                next_index: 0,
                tally: Tally::default(),
                max_input_bytes: 8,
                created_at: now,
                started_at: None,
                halted_at: None,
                completed_at: None,
                deleted_at: None,
                error: None,
            },
            places: HashMap::new(),
            due: BTreeMap::new(),
            leases: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            dead: BTreeSet::new(),
            tried: BTreeMap::new(),
            results: Vec::new(),
            history: Vec::new(),
            bucket: Bucket::default(),
            sent: 0,
        }
    }

    /// Where an item is.
    pub(crate) fn place(&self, index: ItemIndex) -> Place {
        let pending = Place {
            at: Whereabouts::Pending,
            ..Place::dispatched(&self.record.spec)
        };
        self.places.get(&index).copied().unwrap_or(pending)
    }

    /// Every item that is at `at`.
    pub(crate) fn all_at(&self, at: Whereabouts) -> Vec<ItemIndex> {
        (0..self.record.total)
            .filter(|index| self.place(*index).at == at)
            .collect()
    }

    /// What may go out.
    pub(crate) fn supply(&self, now: Timestamp) -> Supply {
        let record = &self.record;
        let ready = |alone: bool| self.ready(alone, now).len();
        let count = |items: usize| u32::try_from(items).unwrap_or(u32::MAX);
        let alone = self
            .places
            .values()
            .filter(|place| place.at.is_in_flight() && place.losses > 0);
        Supply {
            state: record.state,
            start: record.spec.start,
            fresh: record.total - record.next_index,
            due: count(ready(false)),
            suspects: count(ready(true)),
            next_due: self.due.values().copied().filter(|at| *at > now).min(),
            in_flight: record.tally.in_flight(record.next_index),
            suspects_in_flight: count(alone.count()),
            concurrency: record.spec.concurrency,
            canary_left: record.canary_left(),
            rate_per_s: record.spec.rate_per_s,
            bucket: self.bucket,
        }
    }

    /// Items that are due, and have to run alone or need not.
    pub(crate) fn ready(&self, alone: bool, now: Timestamp) -> Vec<ItemIndex> {
        self.due
            .iter()
            .filter(|(index, at)| **at <= now && (self.place(**index).losses > 0) == alone)
            .map(|(index, _)| *index)
            .collect()
    }

    /// Items that a publisher takes: due ones first, then the next ones.
    pub(crate) fn claim(&mut self, items: u32, suspects: u32, now: Timestamp) -> Vec<Sent> {
        let supply = self.supply(now);
        let alone = suspects.min(supply.ready_suspects(now)) as usize;
        let room = supply.ready(now).min(items) as usize;
        let mut chosen: Vec<_> = self.ready(true, now).into_iter().take(alone).collect();
        // Both kinds need the same room.
        let left = supply.concurrency.map_or(usize::MAX, |most| {
            (most.saturating_sub(supply.in_flight) as usize).saturating_sub(alone)
        });
        let rate = supply.rate_per_s.map_or(usize::MAX, |rate| {
            (self.bucket.at(rate, now).room() as usize).saturating_sub(alone)
        });
        let room = room.min(left).min(rate);
        chosen.extend(self.ready(false, now).into_iter().take(room));
        let fresh = room.saturating_sub(chosen.len() - alone);
        let most = supply.canary_left.map_or(usize::MAX, |left| left as usize);
        chosen.extend((self.record.next_index..self.record.total).take(fresh.min(most)));
        self.dispatch(&chosen, now)
    }

    /// These items go out.
    pub(crate) fn dispatch(&mut self, items: &[ItemIndex], now: Timestamp) -> Vec<Sent> {
        if items.is_empty() {
            return Vec::new();
        }
        self.record.state = self.record.state.dispatch().expect("it dispatches");
        self.record.started_at.get_or_insert(now);
        self.record.tally.version += 1;
        if let Some(rate) = self.record.spec.rate_per_s {
            let items = u32::try_from(items.len()).expect("few");
            self.bucket = self.bucket.at(rate, now).minus(items);
        }
        items.iter().map(|index| self.send(*index)).collect()
    }

    fn send(&mut self, index: ItemIndex) -> Sent {
        let mut place = self.place(index);
        if place.at == Whereabouts::Pending {
            assert_eq!(index, self.record.next_index, "items go out in order");
            self.record.next_index += 1;
        } else {
            assert!(self.due.remove(&index).is_some(), "{index} is due");
        }
        self.record.tally.moved(place.at, Whereabouts::Dispatched);
        place.at = Whereabouts::Dispatched;
        self.places.insert(index, place);
        self.sent += 1;
        Sent {
            number: self.sent,
            index,
            attempt: place.attempt,
            isolated: place.losses > 0,
            epoch: self.record.epoch,
        }
    }

    /// Takes what became of attempts.
    pub(crate) fn record(&mut self, attempts: Vec<Attempt>, now: Timestamp) -> Writes {
        let writes = self.record.take(attempts, &mut self.places, now);
        self.write(&writes);
        writes
    }

    fn write(&mut self, writes: &Writes) {
        for due in &writes.due {
            self.due.insert(due.index, due.due_at);
        }
        for index in &writes.ended_leases {
            self.leases.remove(index);
        }
        for (index, attempt, at, lease) in &writes.leases {
            let place = self.place(*index);
            assert_eq!((place.attempt, place.at), (*attempt, *at));
            self.leases.insert(*index, lease.clone());
        }
        for tried in &writes.tried {
            let key = (tried.index, tried.attempt);
            self.tried.entry(key).or_insert_with(|| tried.clone());
        }
        for outcome in &writes.outcomes {
            self.settle(outcome.clone());
        }
        self.history.extend(writes.events.iter().cloned());
        self.results.extend(writes.result.clone());
    }

    fn settle(&mut self, outcome: Outcome) {
        let index = outcome.index;
        self.due.remove(&index);
        self.leases.remove(&index);
        if outcome.ending.state() == ItemState::Failed {
            self.dead.insert(index);
        }
        let before = self.outcomes.insert(index, outcome);
        assert_eq!(before, None, "item {index} had its outcome");
    }

    /// Returns what the broker lost; not the items of `claims`.
    pub(crate) fn redispatch(&mut self, claimed: &BTreeSet<ItemIndex>, now: Timestamp) -> u32 {
        let mut lost = self.all_at(Whereabouts::Dispatched);
        lost.retain(|index| !claimed.contains(index));
        for index in &lost {
            let place = self.places.get_mut(index).expect("it was dispatched");
            place.at = Whereabouts::Returned;
            self.due.insert(*index, now);
            self.record
                .tally
                .moved(Whereabouts::Dispatched, Whereabouts::Returned);
        }
        self.record.tally.version += u64::from(!lost.is_empty());
        u32::try_from(lost.len()).expect("few")
    }

    /// Fails the attempts whose lease is over.
    pub(crate) fn expire_leases(&mut self, now: Timestamp) -> Writes {
        let over: Vec<_> = self
            .leases
            .iter()
            .filter(|(_, lease)| lease.until <= now)
            .map(|(index, _)| self.place(*index).lease_over(self.record.id, *index, now))
            .collect();
        self.record(over, now)
    }

    /// Cancels items of a batch that is being cancelled: so many that are not in flight, or else, by force, that are.
    pub(crate) fn sweep(&mut self, limit: usize, force: bool, now: Timestamp) -> usize {
        if self.record.state != BatchState::Cancelling {
            return 0;
        }
        let rests = |index: &ItemIndex| {
            let at = self.place(*index).at;
            at != Whereabouts::Settled && !at.is_in_flight()
        };
        let mut swept: Vec<_> = (0..self.record.total).filter(rests).collect();
        if swept.is_empty() && force {
            let moving = |index: &ItemIndex| self.place(*index).at.is_in_flight();
            swept = (0..self.record.total).filter(moving).collect();
        }
        swept.truncate(limit);
        let from: Vec<_> = swept
            .iter()
            .map(|index| (self.place(*index).at, self.place(*index).attempts()))
            .collect();
        for index in &swept {
            self.cancel(*index, now);
        }
        let writes = self.record.sweep(from, now);
        self.write(&writes);
        swept.len()
    }

    fn cancel(&mut self, index: ItemIndex, now: Timestamp) {
        let mut place = self.place(index);
        self.settle(Outcome {
            batch: self.record.id,
            index,
            attempt: place.attempts(),
            ending: Ending::Cancelled,
            started_at: now,
            duration_us: 0,
            worker: None,
            artifacts: Vec::new(),
        });
        place.at = Whereabouts::Settled;
        self.places.insert(index, place);
    }

    /// Does what somebody asks for.
    pub(crate) fn command(
        &mut self,
        command: &Command,
        by: &Actor,
        now: Timestamp,
    ) -> Result<bool, Forbidden> {
        let done = self.record.command(command, by, now)?;
        self.history.extend(done.events);
        self.results.extend(done.result);
        Ok(done.changed)
    }

    /// Lets ended items run again. Answers which.
    pub(crate) fn reopen(
        &mut self,
        chosen: impl Fn(&Outcome) -> bool,
        by: &Actor,
        now: Timestamp,
    ) -> Result<Vec<ItemIndex>, Forbidden> {
        self.record.may_reopen()?;
        let all = self.outcomes.values().filter(|outcome| chosen(outcome));
        let items: Vec<_> = all.map(|outcome| outcome.index).collect();
        for index in &items {
            self.run_again(*index, now);
        }
        if !items.is_empty() {
            let left = self.error_groups();
            self.record.tally.detail.recount_errors(left);
        }
        let count = u32::try_from(items.len()).expect("few");
        self.history.extend(self.record.reopened(count, by, now));
        Ok(items)
    }

    fn run_again(&mut self, index: ItemIndex, now: Timestamp) {
        let outcome = self.outcomes.remove(&index).expect("it ended");
        let ended = Ended {
            state: outcome.ending.state(),
            attempt: outcome.attempt,
            duration_us: outcome.duration_us,
            ran: outcome.worker.is_some(),
        };
        self.dead.remove(&index);
        self.record.tally.reopen(&ended);
        self.places.insert(index, self.record.place_again(&ended));
        self.due.insert(index, now);
    }

    /// The error groups of the items that failed, in the order of their first item.
    pub(crate) fn error_groups(&self) -> Vec<(String, ErrorTally)> {
        let mut groups: Vec<(String, ErrorTally)> = Vec::new();
        for outcome in self.outcomes.values() {
            let Ending::Failed(error) = &outcome.ending else {
                continue;
            };
            let fingerprint = error.fingerprint();
            match groups.iter_mut().find(|(key, _)| *key == fingerprint) {
                Some((_, group)) => group.count += 1,
                None => {
                    let group = ErrorTally {
                        count: 1,
                        sample: error.message.clone(),
                        first: outcome.index,
                    };
                    groups.push((fingerprint, group));
                }
            }
        }
        groups
    }

    /// When something that is not due or over yet will be, in so much time at most.
    pub(crate) fn next(&self, now: Timestamp) -> Option<Duration> {
        let leases = self.leases.values().map(|lease| lease.until);
        let next = self
            .due
            .values()
            .copied()
            .chain(leases)
            .filter(|at| *at > now)
            .min()?;
        Duration::try_from(next.duration_since(now)).ok()
    }
}
