//! The latest of each batch, in the order in which it came. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use flotilla_core::BatchId;

use super::update::Update;

/// Batches that have ended or are gone and are still on the board, at most. Those before them went first.
const MAX_ENDED: usize = 1_000;
/// Batches on the board, at most.
const MAX: usize = 5_000;

/// The latest update of each batch. An update has a number, higher than every one before it.
#[derive(Debug, Default)]
pub(super) struct Board {
    last: u64,
    updates: BTreeMap<u64, Arc<Update>>,
    numbers: HashMap<BatchId, u64>,
    /// Numbers of those after which nothing is to come.
    ended: BTreeSet<u64>,
}

impl Board {
    /// The number of the latest update; 0 before the first.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Puts an update in the place of what was there of its batch, unless that is later or says the same. True where it
    /// is new.
    pub(super) fn put(&mut self, update: Update) -> bool {
        if let Some(known) = self.of(update.batch)
            && (update.is_older_than(known) || update.says_the_same_as(known))
        {
            return false;
        }
        if let Some(number) = self.numbers.get(&update.batch).copied() {
            self.remove(number);
        }
        self.last += 1;
        self.numbers.insert(update.batch, self.last);
        if update.is_last() {
            self.ended.insert(self.last);
        }
        self.updates.insert(self.last, Arc::new(update));
        while self.ended.len() > MAX_ENDED {
            if let Some(number) = self.ended.first().copied() {
                self.remove(number);
            }
        }
        while self.updates.len() > MAX {
            if let Some((number, _)) = self.updates.first_key_value() {
                self.remove(*number);
            }
        }
        true
    }

    fn remove(&mut self, number: u64) {
        self.ended.remove(&number);
        if let Some(update) = self.updates.remove(&number) {
            self.numbers.remove(&update.batch);
        }
    }

    /// What is known of a batch.
    pub(super) fn of(&self, batch: BatchId) -> Option<&Arc<Update>> {
        self.numbers
            .get(&batch)
            .and_then(|number| self.updates.get(number))
    }

    /// What came after `seen`, in order, with its number: at most `limit`, or of one batch alone.
    pub(super) fn since(&self, seen: u64, only: Option<BatchId>, limit: usize) -> Vec<(u64, Arc<Update>)> {
        let Some(batch) = only else {
            let newer = self.updates.range(seen + 1..).take(limit);
            return newer
                .map(|(number, update)| (*number, Arc::clone(update)))
                .collect();
        };
        let number = self.numbers.get(&batch).filter(|number| **number > seen);
        number
            .and_then(|number| Some((*number, Arc::clone(self.updates.get(number)?))))
            .into_iter()
            .collect()
    }

    /// Batches that have ended, from number `after` on and then from the first, `limit` at most, and the last number of those.
    pub(super) fn ended(&self, after: u64, limit: usize) -> (Vec<BatchId>, u64) {
        let (later, earlier) = (self.ended.range(after + 1..), self.ended.range(..=after));
        let numbers: Vec<u64> = later.chain(earlier).take(limit).copied().collect();
        let ended = numbers.iter().filter_map(|number| self.updates.get(number));
        let there = ended.filter(|update| !update.is_deletion());
        (
            there.map(|update| update.batch).collect(),
            numbers.last().copied().unwrap_or(0),
        )
    }

    /// Batches of which more is to come.
    pub(super) fn moving(&self) -> Vec<BatchId> {
        let moving = self.updates.values().filter(|update| !update.is_last());
        moving.map(|update| update.batch).collect()
    }
}

#[cfg(test)]
mod tests {
    use flotilla_core::batch::BatchState;
    use flotilla_core::snapshot::Snapshot;
    use flotilla_core::{Counts, Space};
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn update(batch: u16, version: u64, ended: bool, ms: i64) -> Update {
        let snapshot = Snapshot {
            batch: format!("00000000-0000-7000-8000-00000000{batch:04x}")
                .parse()
                .unwrap(),
            space: Space::default(),
            name: None,
            job_type: "echo".into(),
            state: if ended {
                BatchState::Completed
            } else {
                BatchState::Processing
            },
            counts: Counts::default(),
            percent: 0.0,
            rate_per_s: 0.0,
            eta: None,
            epoch: 0,
            version,
            created_at: Timestamp::UNIX_EPOCH,
            started_at: None,
            completed_at: None,
            updated_at: Timestamp::from_millisecond(ms).unwrap(),
        };
        if ended {
            Update::complete(snapshot, None)
        } else {
            Update::progress(snapshot)
        }
    }

    #[test]
    fn what_says_the_same_or_is_older_is_not_news() {
        let mut board = Board::default();
        assert!(board.put(update(1, 5, false, 10)));
        assert!(!board.put(update(1, 5, false, 20)), "only the time differs");
        assert!(!board.put(update(1, 4, true, 30)), "an earlier version");
        assert!(board.put(update(1, 6, true, 40)));
        assert!(board.put(update(1, 7, false, 50)), "it runs again");
        assert_eq!(board.last(), 3);
    }

    #[test]
    fn what_a_listener_is_sent_is_whole() {
        let update = update(1, 5, false, 10);
        let sse = String::from_utf8(update.sse().to_vec()).unwrap();
        let json: serde_json::Value = serde_json::from_str(&update.json()).unwrap();
        let expected = format!(
            "event: batch_progress\nid: 10\ndata: {}\n\n",
            update.json().as_str()
        );
        assert_eq!(sse, expected);
        assert_eq!(json["type"], "batch_progress");
        assert_eq!(json["batch"]["state"], "processing");
        assert_eq!(json["batch"]["version"], 5);
    }

    #[test]
    fn a_board_stays_small() {
        let mut board = Board::default();
        for batch in 0..8_000 {
            board.put(update(batch, 1, batch % 4 == 0, 1));
        }
        assert!(board.updates.len() <= MAX && board.ended.len() <= MAX_ENDED);
        assert_eq!(board.numbers.len(), board.updates.len());
        assert!(board.of(update(7_999, 1, false, 1).batch).is_some());
    }

    proptest! {
        /// However rarely a listener looks: it learns the latest of every batch, once, and never goes back.
        #[test]
        fn a_slow_listener_learns_the_latest(
            steps in prop::collection::vec((0_u16..5, any::<bool>(), any::<bool>()), 1..200),
            limit in 1_usize..4,
        ) {
            let mut board = Board::default();
            let (mut seen, mut known) = (0, HashMap::new());
            for (version, (batch, ended, look)) in (1_u64..).zip(steps) {
                board.put(update(batch, version, ended, 1));
                if look {
                    for (number, update) in board.since(seen, None, limit) {
                        prop_assert!(number > seen);
                        seen = number;
                        known.insert(update.batch, update);
                    }
                }
            }
            loop {
                let rest = board.since(seen, None, limit);
                let Some((last, _)) = rest.last() else { break };
                seen = *last;
                known.extend(rest.into_iter().map(|(_, update)| (update.batch, update)));
            }
            prop_assert_eq!(seen, board.last());
            for update in board.updates.values() {
                prop_assert!(Arc::ptr_eq(&known[&update.batch], update));
                prop_assert_eq!(board.since(0, Some(update.batch), 1).len(), 1);
            }
        }
    }
}
