//! What is known of the batches in hand: pure, it is told the time.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use flotilla_core::snapshot::Steering;
use flotilla_core::{BatchId, BatchState};
use tokio::sync::watch;
use tokio::time::Instant;

/// What was heard within this time needs no question. A little longer than the time between two refreshes, so that a
/// batch in hand never needs one.
const FRESH: Duration = Duration::from_millis(1_250);
/// The same, for news that an item must not start: what is given back on old news comes again at once, so it is worth a
/// question.
const FRESH_REFUSAL: Duration = Duration::from_millis(250);
/// What was heard longer ago is forgotten: with nobody to ask, items run.
const TRUST: Duration = Duration::from_secs(5);
/// Batches of which nothing is in hand any more are remembered for so long, and not more of them than that.
const REMEMBER: Duration = Duration::from_secs(10);
const MAX_REMEMBERED: usize = 4_096;

/// What is to become of an item that has not started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Course {
    /// It runs.
    Run,
    /// It is given back: its batch is paused, or was given tighter limits since it was dispatched.
    Release,
    /// Nobody needs it any more.
    Cancel,
    /// That is not known well enough: ask.
    Ask,
}

impl Course {
    /// That of an item of `epoch`, in a batch that is steered so.
    fn of(steering: Steering, epoch: u32) -> Self {
        if epoch > steering.epoch {
            // The item knows more than we do.
            Self::Run
        } else if steering.state.is_halted() {
            Self::Cancel
        } else if steering.state == BatchState::Paused || epoch < steering.epoch {
            Self::Release
        } else {
            Self::Run
        }
    }
}

/// True where an item of `epoch` that runs is to be stopped. Not in a completed batch: that it is still known as
/// completed is what a retried one looks like for a moment.
pub(crate) fn stops(steering: Steering, epoch: u32) -> bool {
    let ended = matches!(
        steering.state,
        BatchState::Cancelling | BatchState::Cancelled | BatchState::Failed
    );
    ended && epoch <= steering.epoch
}

/// What is known of one batch.
#[derive(Debug)]
struct Known {
    /// What was said last; those that run listen to it.
    steering: watch::Sender<Option<Steering>>,
    /// The version of the last event.
    version: u64,
    /// When something was said about it.
    heard: Option<Instant>,
    /// When something was said about it, or nothing in answer to a question.
    seen: Option<Instant>,
    /// Items in hand.
    aboard: u32,
    /// When the last item left.
    left: Instant,
}

impl Known {
    fn new(now: Instant) -> Self {
        Self {
            steering: watch::Sender::new(None),
            version: 0,
            heard: None,
            seen: None,
            aboard: 0,
            left: now,
        }
    }

    fn course(&self, epoch: u32, now: Instant) -> Course {
        let within = |at: Option<Instant>, time| at.is_some_and(|at| now.duration_since(at) < time);
        let trusted = (*self.steering.borrow()).filter(|_| within(self.heard, TRUST));
        let course = trusted.map_or(Course::Run, |steering| Course::of(steering, epoch));
        let fresh = match course {
            Course::Run => FRESH,
            _ => FRESH_REFUSAL,
        };
        if within(self.seen, fresh) {
            course
        } else {
            Course::Ask
        }
    }

    /// Takes what was said. True where that is new.
    fn hear(&mut self, steering: Option<Steering>, now: Instant) -> bool {
        self.heard = Some(now);
        self.seen = Some(now);
        self.steering.send_if_modified(|known| {
            let new = *known != steering;
            *known = steering;
            new
        })
    }
}

/// What is known of the batches in hand, and of those that were until a moment ago.
#[derive(Debug, Default)]
pub(crate) struct Table {
    batches: HashMap<BatchId, Known>,
    /// Those that something new was said about.
    changed: HashSet<BatchId>,
}

impl Table {
    /// An item came into hand: what is to become of it, and what tells it to stop.
    pub(crate) fn board(
        &mut self,
        batch: BatchId,
        epoch: u32,
        now: Instant,
    ) -> (Course, watch::Receiver<Option<Steering>>) {
        let known = self.batches.entry(batch).or_insert_with(|| Known::new(now));
        known.aboard += 1;
        (known.course(epoch, now), known.steering.subscribe())
    }

    /// An item left.
    pub(crate) fn leave(&mut self, batch: BatchId, now: Instant) {
        let crowded = self.batches.len() > MAX_REMEMBERED;
        if let Some(known) = self.batches.get_mut(&batch) {
            known.aboard -= 1;
            known.left = now;
            if known.aboard == 0 && crowded {
                self.batches.remove(&batch);
            }
        }
    }

    /// What is to become of an item that is in hand.
    pub(crate) fn course(&self, batch: BatchId, epoch: u32, now: Instant) -> Course {
        let known = self.batches.get(&batch);
        known.map_or(Course::Ask, |known| known.course(epoch, now))
    }

    /// Takes the answers to a question that was asked at `asked`; `None` where there was no answer.
    pub(crate) fn answered(
        &mut self,
        batches: &[BatchId],
        answers: Option<&[Option<Steering>]>,
        asked: Instant,
        now: Instant,
    ) {
        for (at, batch) in batches.iter().enumerate() {
            let Some(known) = self.batches.get_mut(batch) else {
                continue;
            };
            known.seen = Some(now);
            // An event that came meanwhile is younger than the answer.
            let overtaken = known.heard.is_some_and(|heard| heard > asked);
            if let (Some(answer), false) = (answers.and_then(|answers| answers.get(at)), overtaken)
                && known.hear(*answer, now)
            {
                self.changed.insert(*batch);
            }
        }
    }

    /// Takes an event. True where it says something new about a batch in hand.
    pub(crate) fn pushed(&mut self, batch: BatchId, version: u64, steering: Steering, now: Instant) -> bool {
        let Some(known) = self.batches.get_mut(&batch) else {
            return false;
        };
        if version < known.version {
            return false;
        }
        known.version = version;
        let new = known.hear(Some(steering), now) && known.aboard > 0;
        if new {
            self.changed.insert(batch);
        }
        new
    }

    /// The batches that something new was said about since the last call.
    pub(crate) fn take_changed(&mut self) -> HashSet<BatchId> {
        std::mem::take(&mut self.changed)
    }

    /// True where there are any.
    pub(crate) fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// The batches in hand of which nothing was heard for `age`. Forgets those that are not in hand any more.
    pub(crate) fn stale(&mut self, age: Duration, now: Instant) -> Vec<BatchId> {
        self.batches
            .retain(|_, known| known.aboard > 0 || now.duration_since(known.left) < REMEMBER);
        let stale = |known: &Known| known.seen.is_none_or(|seen| now.duration_since(seen) >= age);
        self.batches
            .iter()
            .filter(|(_, known)| known.aboard > 0 && stale(known))
            .map(|(batch, _)| *batch)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BATCH: BatchId = BatchId(uuid::Uuid::from_u128(1));

    fn steering(state: BatchState, epoch: u32) -> Steering {
        Steering { state, epoch }
    }

    fn answer(table: &mut Table, state: BatchState, epoch: u32, now: Instant) {
        table.answered(&[BATCH], Some(&[Some(steering(state, epoch))]), now, now);
    }

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn a_state_means_one_thing_to_an_item() {
        let course = |state, epoch| Course::of(steering(state, 3), epoch);
        for state in BatchState::ALL {
            let expected = match state {
                BatchState::Paused => Course::Release,
                state if state.is_halted() => Course::Cancel,
                _ => Course::Run,
            };
            assert_eq!(course(state, 3), expected, "{state}");
            assert_eq!(course(state, 4), Course::Run, "{state}: the item is newer");
            assert!(!stops(steering(state, 3), 4));
        }
        assert_eq!(course(BatchState::Processing, 2), Course::Release);
        assert_eq!(course(BatchState::Cancelling, 2), Course::Cancel);
        assert!(stops(steering(BatchState::Cancelling, 3), 3));
        assert!(!stops(steering(BatchState::Completed, 3), 3));
        assert!(!stops(steering(BatchState::Paused, 3), 3));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_heard_a_moment_ago_needs_no_question() {
        let (mut table, now) = (Table::default(), Instant::now());
        assert_eq!(table.board(BATCH, 0, now).0, Course::Ask);
        answer(&mut table, BatchState::Processing, 0, now);
        assert_eq!(table.course(BATCH, 0, now + ms(1_200)), Course::Run);
        assert_eq!(table.course(BATCH, 0, now + ms(1_300)), Course::Ask);
        assert!(table.pushed(BATCH, 7, steering(BatchState::Paused, 0), now));
        assert_eq!(table.course(BATCH, 0, now + ms(200)), Course::Release);
        assert_eq!(
            table.course(BATCH, 0, now + ms(300)),
            Course::Ask,
            "a refusal is worth a question"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn with_nobody_to_ask_items_run() {
        let (mut table, now) = (Table::default(), Instant::now());
        table.board(BATCH, 0, now);
        table.answered(&[BATCH], None, now, now);
        assert_eq!(table.course(BATCH, 0, now), Course::Run);
        answer(&mut table, BatchState::Paused, 0, now);
        let later = now + ms(4_900);
        table.answered(&[BATCH], None, later, later);
        assert_eq!(table.course(BATCH, 0, later), Course::Release, "still believed");
        let later = now + TRUST;
        table.answered(&[BATCH], None, later, later);
        assert_eq!(table.course(BATCH, 0, later), Course::Run);
        table.answered(&[BATCH], Some(&[None]), later, later);
        assert_eq!(table.course(BATCH, 0, later), Course::Run);
    }

    #[tokio::test(start_paused = true)]
    async fn the_youngest_news_count() {
        let (mut table, now) = (Table::default(), Instant::now());
        table.board(BATCH, 0, now);
        assert!(table.pushed(BATCH, 9, steering(BatchState::Cancelling, 0), now + ms(5)));
        assert!(!table.pushed(BATCH, 8, steering(BatchState::Processing, 0), now + ms(6)));
        let answers = [Some(steering(BatchState::Processing, 0))];
        table.answered(&[BATCH], Some(&answers), now, now + ms(7));
        assert_eq!(table.course(BATCH, 0, now + ms(7)), Course::Cancel);
        table.answered(&[BATCH], Some(&answers), now + ms(6), now + ms(7));
        assert_eq!(table.course(BATCH, 0, now + ms(7)), Course::Run);
    }

    #[tokio::test(start_paused = true)]
    async fn only_batches_in_hand_are_refreshed_and_few_others_remembered() {
        let (mut table, now) = (Table::default(), Instant::now());
        let batch = |n| BatchId(uuid::Uuid::from_u128(n));
        assert!(!table.pushed(BATCH, 1, steering(BatchState::Paused, 0), now));
        for n in 0..MAX_REMEMBERED as u128 + 500 {
            table.board(batch(n), 0, now);
            table.leave(batch(n), now);
        }
        assert!(table.batches.len() <= MAX_REMEMBERED + 1);
        table.board(BATCH, 0, now);
        assert_eq!(table.stale(ms(900), now), [BATCH]);
        answer(&mut table, BatchState::Processing, 0, now);
        assert_eq!(table.stale(ms(900), now + ms(800)), []);
        assert_eq!(table.stale(ms(900), now + REMEMBER), [BATCH]);
        assert_eq!(table.batches.len(), 1);
        assert_eq!(table.take_changed(), HashSet::from([BATCH]));
        assert!(!table.has_changed());
    }
}
