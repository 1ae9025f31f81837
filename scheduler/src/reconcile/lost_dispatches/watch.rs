//! What several looks in a row say about items in flight.
//!
//! One look proves nothing: a message may have been delivered after its worker last spoke, and a report may be between
//! two queues. An item is lost if [`LOOKS`] looks in a row found it nowhere, and every worker of its pool was heard of
//! anew at each of them: what a worker says at the third it noticed after the first.
//!
//! A message has left its queue where the queue was seen empty, or where something was delivered that was dispatched
//! later: queues are first in, first out. What comes back unsettled goes into the queue again, so that is forgotten when
//! a worker goes.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::mem;

use flotilla_core::ports::store::{InFlight, Known, Sent};
use flotilla_core::worker::WorkerStatus;
use flotilla_core::{BatchId, ItemIndex, Pool, WorkerId};
use jiff::Timestamp;

/// So many looks in a row find an item nowhere before it is lost.
const LOOKS: u8 = 3;
/// What was first seen so many looks after another item was dispatched after it. At the next one both may have been on
/// their way into the queue.
const LATER: u64 = 2;

/// What there is to see, in the order in which it was looked at.
pub(super) struct Look {
    /// What is in flight.
    pub(super) in_flight: Vec<InFlight>,
    /// Then the queues of their pools.
    pub(super) queues: BTreeMap<Pool, PoolQueues>,
    /// Whether more reports or dead letters wait than are on their way at any time.
    pub(super) settling: bool,
    /// Then what the workers said last.
    pub(super) workers: Vec<WorkerStatus>,
}

/// The queues of a pool.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PoolQueues {
    /// Messages in its work queue that wait for a worker.
    pub(super) waiting: u32,
    /// The same, of its isolation queue.
    pub(super) isolated: u32,
    /// Consumers of its work queue.
    pub(super) consumers: u32,
}

/// What the looks so far have shown. Bounded by what is in flight.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// How many looks there were.
    looks: u64,
    batches: HashMap<BatchId, OfBatch>,
    /// What was dispatched before this look and is not isolated has left the queue.
    passed: HashMap<Pool, u64>,
    heard: HashMap<WorkerId, (Timestamp, Vec<Pool>)>,
}

#[derive(Debug, Default)]
struct OfBatch {
    pool: Pool,
    seen: ItemIndex,
    items: HashMap<ItemIndex, Item>,
}

/// An item in flight.
#[derive(Debug, Clone, Copy)]
struct Item {
    sent: Sent,
    /// The look since which it has been with the broker, as far as is known.
    since: u64,
    /// So many looks in a row found it nowhere.
    nowhere: u8,
}

impl Item {
    fn is_lost(&self) -> bool {
        self.nowhere >= LOOKS
    }
}

impl Watch {
    /// What the next look need not find out again.
    pub(super) fn known(&self) -> Vec<Known> {
        let known = self.batches.iter().map(|(&batch, of_batch)| Known {
            batch,
            seen: of_batch.seen,
            items: of_batch
                .items
                .values()
                .filter(|item| item.sent.first)
                .map(|item| item.sent.index)
                .collect(),
        });
        known.collect()
    }

    /// Nothing is in flight.
    pub(super) fn nothing_in_flight(&mut self, in_flight: &[InFlight]) {
        let seen = |batch: &InFlight| OfBatch {
            pool: batch.pool.clone(),
            seen: batch.seen,
            items: HashMap::new(),
        };
        self.batches = in_flight.iter().map(|batch| (batch.batch, seen(batch))).collect();
        self.forget();
    }

    /// Whatever was concluded so far: too little could be seen. What is known to be in flight stays known.
    pub(super) fn forget(&mut self) {
        self.passed.clear();
        self.heard.clear();
        let items = self
            .batches
            .values_mut()
            .flat_map(|of_batch| of_batch.items.values_mut());
        items.for_each(|item| item.nowhere = 0);
    }

    /// Answers what is lost, by batch.
    pub(super) fn look(&mut self, look: Look) -> BTreeMap<BatchId, Vec<Sent>> {
        self.looks += 1;
        let held = Held::of(&look.workers);
        let murky = self.murky(&look);
        let mut lost: BTreeMap<BatchId, Vec<Sent>> = BTreeMap::new();
        let mut before = mem::take(&mut self.batches);
        let now: Vec<(BatchId, OfBatch)> = look
            .in_flight
            .into_iter()
            .map(|batch| {
                let before = before.remove(&batch.batch).unwrap_or_default();
                (batch.batch, self.recognize(before, batch, &held))
            })
            .collect();
        // Once it is known of all batches what was delivered: they share their queues.
        for (batch, mut of_batch) in now {
            let pool = &of_batch.pool;
            let queues = look.queues.get(pool).copied().unwrap_or_default();
            let passed = self.passed.get(pool).copied().unwrap_or(0);
            for item in of_batch.items.values_mut() {
                let sent = item.sent;
                let has_left = if sent.isolated {
                    queues.isolated == 0
                } else {
                    queues.waiting == 0 || passed >= item.since + LATER
                };
                let somewhere = sent.claimed || !has_left || held.contains(batch, sent.index);
                if murky.contains(pool) {
                    item.since = self.looks;
                }
                if somewhere || look.settling || murky.contains(pool) {
                    item.nowhere = 0;
                } else {
                    item.nowhere = item.nowhere.saturating_add(1);
                }
            }
            // They stay known until they are in flight no more: not everything that was found may be dispatched again.
            let gone = of_batch.items.values().filter(|item| item.is_lost());
            let mut gone: Vec<Sent> = gone.map(|item| item.sent).collect();
            if !gone.is_empty() {
                gone.sort_unstable();
                lost.insert(batch, gone);
            }
            self.batches.insert(batch, of_batch);
        }
        lost
    }

    /// Tells which of a batch's items were there before, and learns from those that were delivered since.
    fn recognize(&mut self, mut before: OfBatch, batch: InFlight, held: &Held) -> OfBatch {
        let looks = self.looks;
        let mut passed = 0;
        let mut items = HashMap::with_capacity(batch.items.len());
        for sent in batch.items {
            let known = before.items.remove(&sent.index).filter(|known| {
                (known.sent.attempt, known.sent.resends, known.sent.first)
                    == (sent.attempt, sent.resends, sent.first)
            });
            let mut item = known.unwrap_or(Item {
                sent,
                since: looks,
                nowhere: 0,
            });
            item.sent = sent;
            if sent.claimed {
                item.since = looks;
            } else if !sent.isolated && item.since < looks && held.contains(batch.batch, sent.index) {
                passed = passed.max(item.since);
            }
            items.insert(sent.index, item);
        }
        // What is not in flight any more was delivered, unless it was lost.
        let delivered = before
            .items
            .values()
            .filter(|item| !item.sent.isolated && !item.sent.claimed && !item.is_lost());
        passed = delivered.map(|item| item.since).fold(passed, u64::max);
        let of_pool = self.passed.entry(batch.pool.clone()).or_default();
        *of_pool = passed.max(*of_pool);
        OfBatch {
            pool: batch.pool,
            seen: batch.seen,
            items,
        }
    }

    /// Pools of which not everything can be seen: somebody consumes who is not known, a worker went, was not heard of since
    /// the last look, or does not say what it holds.
    fn murky(&mut self, look: &Look) -> HashSet<Pool> {
        let mut murky = HashSet::new();
        let mut known: HashMap<&Pool, u32> = HashMap::new();
        let mut before = mem::take(&mut self.heard);
        for worker in &look.workers {
            let heard = before.remove(&worker.id);
            let clear = heard.is_some_and(|(heard, _)| heard != worker.seen_at) && worker.holding.is_some();
            for pool in &worker.pools {
                *known.entry(pool).or_default() += 1;
                if !clear {
                    murky.insert(pool.clone());
                }
            }
            let heard = (worker.seen_at, worker.pools.clone());
            self.heard.insert(worker.id.clone(), heard);
        }
        murky.extend(before.into_values().flat_map(|(_, pools)| pools));
        for (pool, queues) in &look.queues {
            if queues.consumers > known.get(pool).copied().unwrap_or(0) {
                murky.insert(pool.clone());
            }
        }
        murky
    }
}

/// What workers have in hand, as stretches.
struct Held(HashMap<BatchId, Vec<(ItemIndex, ItemIndex)>>);

impl Held {
    fn of(workers: &[WorkerStatus]) -> Self {
        let mut held: HashMap<_, Vec<_>> = HashMap::new();
        for holding in workers
            .iter()
            .filter_map(|worker| worker.holding.as_ref())
            .flatten()
        {
            held.entry(holding.batch).or_default().extend(&holding.items);
        }
        Self(held)
    }

    fn contains(&self, batch: BatchId, index: ItemIndex) -> bool {
        let stretches = self.0.get(&batch);
        stretches.is_some_and(|stretches| {
            let mut stretches = stretches.iter();
            stretches.any(|&(first, last)| (first..=last).contains(&index))
        })
    }
}

#[cfg(test)]
mod tests;
