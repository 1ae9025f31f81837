//! Counting what a report says, and what is sent to PostgreSQL because of it.

use std::collections::HashMap;

use flotilla_core::attempt::Attempt;
use flotilla_core::message::ItemReport;
use flotilla_core::outcome::Outcome;
use flotilla_core::place::Place;
use flotilla_core::record::{BatchRecord, Control};
use flotilla_core::tally::Tally;
use flotilla_core::{BatchId, BatchSpec, BatchState, ItemIndex, Space};
use flotilla_postgres::hot_paths::Settled;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::Path;
use super::messages::{REPORT_ITEMS, report};

const START: Timestamp = Timestamp::UNIX_EPOCH;

/// What both stores do with the attempts of a transaction: the rules of retries, counts, guard rails.
pub(super) const TAKE: Path = Path {
    name: "take-report",
    items: REPORT_ITEMS,
    turns: 20,
    prepare: || {
        let (record, attempts) = (record(), attempts());
        let place = |index: ItemIndex| (index, Place::dispatched(&record.spec));
        let places: HashMap<_, _> = (0..REPORT_ITEMS).map(place).collect();
        Box::new(move || {
            let (mut record, mut places) = (record.clone(), places.clone());
            let writes = record.take(attempts.iter().cloned(), &mut places, START);
            assert_eq!(writes.outcomes.len(), attempts.len());
        })
    },
};

pub(super) const TALLY: Path = Path {
    name: "tally",
    items: REPORT_ITEMS,
    turns: 100,
    prepare: || {
        let outcomes = outcomes();
        let (mut tally, mut now) = (Tally::default(), START);
        Box::new(move || {
            now += SignedDuration::from_millis(20);
            assert_eq!(tally.settle(&outcomes, now, START), REPORT_ITEMS);
        })
    },
};

pub(super) const COPY: Path = Path {
    name: "copy-outcomes",
    items: REPORT_ITEMS,
    turns: 50,
    prepare: || {
        let settled = Settled::of(record(), outcomes());
        Box::new(move || assert!(settled.copy(START)))
    },
};

fn outcomes() -> Vec<Outcome> {
    let places = (0..REPORT_ITEMS).map(|index| (index, Place::dispatched(&record().spec)));
    record().take(attempts(), &mut places.collect(), START).outcomes
}

fn attempts() -> Vec<Attempt> {
    let report = report();
    let attempt = |item: ItemReport| item.into_attempt(report.worker.clone());
    report.items.into_iter().map(attempt).collect()
}

/// A batch of which many items are under way.
fn record() -> BatchRecord {
    BatchRecord {
        id: BatchId(Uuid::from_u128(7)),
        space: Space::default(),
        spec: BatchSpec::default(),
        state: BatchState::Processing,
        control: Control::default(),
        epoch: 0,
        revision: 0,
        total: 1_000_000,
        skipped: 0,
        next_index: 20_000,
        tally: Tally::default(),
        max_input_bytes: 100,
        created_at: START,
        started_at: Some(START),
        halted_at: None,
        completed_at: None,
        deleted_at: None,
        error: None,
    }
}
