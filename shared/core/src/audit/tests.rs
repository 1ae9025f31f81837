use jiff::Timestamp;

use super::*;
use crate::batch::{BatchSpec, BatchState};
use crate::ids::{BatchId, Space};
use crate::record::{BatchRecord, Control};
use crate::result::ResultSummary;
use crate::tally::Tally;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn batch(state: BatchState, revision: u32, next_index: u32, tally: Tally) -> Batch {
    let record = BatchRecord {
        id: BatchId(uuid::Uuid::nil()),
        space: Space::default(),
        spec: BatchSpec::default(),
        state,
        control: Control::default(),
        epoch: 0,
        revision,
        total: 10,
        skipped: 0,
        next_index,
        tally,
        max_input_bytes: 1,
        created_at: NOW,
        started_at: None,
        halted_at: None,
        completed_at: None,
        deleted_at: None,
        error: None,
    };
    record.seen_at(NOW)
}

fn under_way() -> Audit {
    let tally = Tally {
        retrying: 1,
        returned: 1,
        waiting: 1,
        succeeded: 2,
        failed: 1,
        cancelled: 1,
        ..Tally::default()
    };
    Audit {
        batch: batch(BatchState::Processing, 0, 9, tally),
        rows: Rows {
            items: 10,
            dispatched: 9,
            retrying: 1,
            returned: 1,
            waiting: 1,
            leased: 1,
            succeeded: 2,
            failed: 1,
            cancelled: 1,
            dead_letters: 1,
            ..Rows::default()
        },
        result: None,
    }
}

fn ended() -> Audit {
    let tally = Tally {
        succeeded: 8,
        failed: 2,
        ..Tally::default()
    };
    let result = BatchResult {
        batch_id: BatchId(uuid::Uuid::nil()),
        revision: 2,
        total_time_ms: 0,
        avg_item_time_ms: 0.0,
        success_rate: 0.8,
        result_summary: ResultSummary {
            total: 10,
            succeeded: 8,
            failed: 2,
            ..ResultSummary::default()
        },
        created_at: NOW,
    };
    Audit {
        batch: batch(BatchState::Completed, 2, 10, tally),
        rows: Rows {
            items: 10,
            dispatched: 10,
            succeeded: 8,
            failed: 2,
            dead_letters: 2,
            results: 2,
            ..Rows::default()
        },
        result: Some(result),
    }
}

#[test]
fn a_batch_that_is_well_has_no_findings() {
    assert_eq!(under_way().findings(), []);
    assert_eq!(ended().findings(), []);
}

#[test]
fn whatever_is_wrong_is_found() {
    type Plant = fn(&mut Audit);
    let planted: [(&str, Plant); 16] = [
        ("items", |audit| audit.rows.items -= 1),
        ("pending items", |audit| audit.rows.dispatched -= 1),
        ("items in flight", |audit| audit.batch.counts.queued += 1),
        ("items that are retried", |audit| audit.rows.retrying += 1),
        ("items that wait", |audit| audit.rows.waiting = 5),
        ("succeeded items", |audit| audit.batch.counts.succeeded += 1),
        ("failed items", |audit| audit.rows.failed += 1),
        ("cancelled items", |audit| audit.rows.cancelled += 1),
        ("outcomes of no item", |audit| audit.rows.strays = 1),
        ("items with an outcome and something else", |audit| {
            audit.rows.torn = 1;
        }),
        ("dead letters of items that did not fail", |audit| {
            audit.rows.stray_dead_letters = 1;
        }),
        ("items accounted for twice", |audit| audit.rows.succeeded = 90),
        ("items with an outcome, at the end", |audit| {
            audit.rows.succeeded -= 1;
        }),
        ("results of an ended batch", |audit| audit.rows.results = 1),
        ("items of the result", |audit| audit.result = None),
        ("failed items of the result", |audit| {
            if let Some(result) = &mut audit.result {
                result.result_summary.failed -= 1;
            }
        }),
    ];
    for (what, plant) in planted {
        let found = [under_way(), ended()].map(|mut audit| {
            plant(&mut audit);
            audit.findings()
        });
        let found: Vec<_> = found.into_iter().flatten().map(|finding| finding.what).collect();
        assert!(found.contains(&what), "{what}: {found:?}");
    }
}

#[test]
fn an_ended_batch_has_nothing_left_to_do() {
    let mut audit = ended();
    audit.batch = batch(BatchState::Completed, 2, 10, Tally::default());
    audit.rows = Rows {
        items: 10,
        dispatched: 10,
        results: 2,
        ..Rows::default()
    };
    let found: Vec<_> = audit.findings().iter().map(|finding| finding.what).collect();
    assert!(found.contains(&"items with an outcome, at the end"), "{found:?}");
}
