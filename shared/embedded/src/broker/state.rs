//! A queue as a state machine: no lock, no waiting, no clock.

use std::collections::{BTreeMap, VecDeque};
use std::task::Waker;

use flotilla_core::ports::broker::Depth;
use tokio::sync::OwnedSemaphorePermit;

/// What kind of queue it is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rules {
    /// Only the oldest consumer gets anything.
    pub(super) single_active: bool,
    /// How often a message may come back unsettled.
    pub(super) delivery_limit: Option<u32>,
}

/// A message in the queue or with a consumer.
#[derive(Debug)]
pub(super) struct Entry<M> {
    pub(super) message: M,
    redeliveries: u32,
    /// Its place among the ready ones, which it gets back when it comes back.
    place: u64,
    /// Its share of the capacity of the queue that it was published to.
    room: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct Consumer<M> {
    id: u64,
    prefetch: usize,
    /// By number. Those from `unseen` on are assigned and not handed out.
    unsettled: BTreeMap<u64, Entry<M>>,
    unseen: u64,
    next: u64,
    /// False once its stream was dropped.
    receiving: bool,
    waker: Option<Waker>,
}

impl<M> Consumer<M> {
    fn has_room(&self) -> bool {
        self.receiving && self.unsettled.len() < self.prefetch
    }
}

/// What becomes of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Done with.
    Ack,
    /// To be delivered again.
    Release,
    /// Never again.
    Reject,
}

/// What is to be done once the lock is released.
#[must_use]
#[derive(Debug)]
pub(super) struct After<M> {
    /// Who has something to do.
    pub(super) wake: Vec<Waker>,
    /// What was given up.
    pub(super) dead: Vec<Entry<M>>,
}

impl<M> Default for After<M> {
    fn default() -> Self {
        Self {
            wake: Vec::new(),
            dead: Vec::new(),
        }
    }
}

/// A queue and its consumers.
#[derive(Debug)]
pub(super) struct State<M> {
    rules: Rules,
    /// In order of their places.
    ready: VecDeque<Entry<M>>,
    next_place: u64,
    /// Oldest first.
    consumers: Vec<Consumer<M>>,
    /// Where the round goes on.
    turn: usize,
}

impl<M: Clone> State<M> {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            ready: VecDeque::new(),
            next_place: 0,
            consumers: Vec::new(),
            turn: 0,
        }
    }

    /// Appends messages. `room` holds one permit for each.
    pub(super) fn publish(
        &mut self,
        messages: impl Iterator<Item = M>,
        mut room: OwnedSemaphorePermit,
    ) -> After<M> {
        for message in messages {
            if let Some(room) = room.split(1) {
                self.append(message, room);
            }
        }
        self.dispatch(After::default())
    }

    /// Appends what another queue gave up. It keeps its room there: dead letters that nobody takes fill the queue that
    /// they come from.
    pub(super) fn bury(&mut self, dead: Vec<Entry<M>>) -> After<M> {
        for entry in dead {
            self.append(entry.message, entry.room);
        }
        self.dispatch(After::default())
    }

    fn append(&mut self, message: M, room: OwnedSemaphorePermit) {
        let place = self.next_place;
        self.next_place += 1;
        self.ready.push_back(Entry {
            message,
            redeliveries: 0,
            place,
            room,
        });
    }

    /// Adds a consumer.
    pub(super) fn subscribe(&mut self, id: u64, prefetch: u16) -> After<M> {
        self.consumers.push(Consumer {
            id,
            prefetch: prefetch.into(),
            unsettled: BTreeMap::new(),
            unseen: 0,
            next: 0,
            receiving: true,
            waker: None,
        });
        self.dispatch(After::default())
    }

    /// The next delivery of a consumer: its number, its redeliveries and the message. Where there is none, `waker` is
    /// told when there is.
    pub(super) fn next(&mut self, id: u64, waker: &Waker) -> Option<(u64, u32, M)> {
        let consumer = self.consumer(id)?;
        let number = consumer.unseen;
        let Some(entry) = consumer.unsettled.get(&number) else {
            consumer.waker = Some(waker.clone());
            return None;
        };
        let delivery = (number, entry.redeliveries, entry.message.clone());
        consumer.unseen += 1;
        Some(delivery)
    }

    /// Settles deliveries of a consumer. Numbers that it does not have are ignored.
    pub(super) fn settle(&mut self, id: u64, fate: Fate, numbers: impl Iterator<Item = u64>) -> After<M> {
        let mut after = After::default();
        let Some(consumer) = self.consumer(id) else {
            return after;
        };
        let taken: Vec<_> = numbers
            .filter_map(|number| consumer.unsettled.remove(&number))
            .collect();
        match fate {
            Fate::Ack => drop(taken),
            Fate::Release => self.take_back(taken, true, &mut after),
            Fate::Reject => after.dead = taken,
        }
        self.dispatch(after)
    }

    /// The consumer gets nothing more. What it never saw goes back, and does not count as delivered.
    pub(super) fn cancel(&mut self, id: u64) -> After<M> {
        let mut after = After::default();
        if let Some(consumer) = self.consumer(id) {
            consumer.receiving = false;
            let unseen = consumer.unsettled.split_off(&consumer.unseen);
            self.take_back(unseen.into_values(), false, &mut after);
        }
        self.dispatch(after)
    }

    /// The consumer is gone, and all that it did not settle goes back.
    pub(super) fn remove(&mut self, id: u64) -> After<M> {
        let mut after = After::default();
        if let Some(index) = self.consumers.iter().position(|consumer| consumer.id == id) {
            let mut consumer = self.consumers.remove(index);
            let unseen = consumer.unsettled.split_off(&consumer.unseen);
            self.take_back(consumer.unsettled.into_values(), true, &mut after);
            self.take_back(unseen.into_values(), false, &mut after);
        }
        self.dispatch(after)
    }

    pub(super) fn depth(&self) -> Depth {
        let consumers = self
            .consumers
            .iter()
            .filter(|consumer| consumer.receiving)
            .count();
        Depth {
            ready: u32::try_from(self.ready.len()).unwrap_or(u32::MAX),
            consumers: u32::try_from(consumers).unwrap_or(u32::MAX),
        }
    }

    fn consumer(&mut self, id: u64) -> Option<&mut Consumer<M>> {
        self.consumers.iter_mut().find(|consumer| consumer.id == id)
    }

    fn take_back(&mut self, entries: impl IntoIterator<Item = Entry<M>>, counts: bool, after: &mut After<M>) {
        for mut entry in entries {
            entry.redeliveries += u32::from(counts);
            if self
                .rules
                .delivery_limit
                .is_some_and(|limit| entry.redeliveries > limit)
            {
                after.dead.push(entry);
            } else {
                let index = self.ready.partition_point(|ready| ready.place < entry.place);
                self.ready.insert(index, entry);
            }
        }
    }

    /// Assigns ready messages to consumers.
    fn dispatch(&mut self, mut after: After<M>) -> After<M> {
        while !self.ready.is_empty() {
            let Some(index) = self.whose_turn() else {
                break;
            };
            let consumer = &mut self.consumers[index];
            if let Some(entry) = self.ready.pop_front() {
                consumer.unsettled.insert(consumer.next, entry);
                consumer.next += 1;
                after.wake.extend(consumer.waker.take());
            }
        }
        after
    }

    fn whose_turn(&mut self) -> Option<usize> {
        if self.rules.single_active {
            let active = self.consumers.iter().position(|consumer| consumer.receiving)?;
            return self.consumers[active].has_room().then_some(active);
        }
        let count = self.consumers.len();
        let round = (0..count).map(|step| (self.turn + step) % count);
        let index = round
            .into_iter()
            .find(|&index| self.consumers[index].has_room())?;
        self.turn = (index + 1) % count;
        Some(index)
    }
}

#[cfg(test)]
mod tests;
