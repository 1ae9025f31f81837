use std::time::Duration;

use super::*;
use crate::batch::FailureThreshold;
use crate::ids::WorkerId;
use crate::item::ItemState;
use crate::json::Json;
use crate::message::{Verdict, Waiting};
use crate::outcome::{ItemError, ItemErrorKind, Output};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn later(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn ann() -> Actor {
    "ann".parse().unwrap()
}

/// A batch of ten items, as `change` has it, sealed.
fn sealed(change: impl FnOnce(&mut BatchSpec)) -> BatchRecord {
    let mut spec = BatchSpec {
        max_attempts: 2,
        callback_timeout: Some(Duration::from_secs(60)),
        ..BatchSpec::default()
    };
    change(&mut spec);
    BatchRecord {
        id: BatchId(uuid::Uuid::nil()),
        space: Space::default(),
        spec,
        state: BatchState::Pending,
        control: Control::default(),
        epoch: 0,
        revision: 0,
        total: 10,
        skipped: 0,
        next_index: 0,
        tally: Tally::default(),
        max_input_bytes: 1,
        created_at: NOW,
        started_at: None,
        halted_at: None,
        completed_at: None,
        deleted_at: None,
        error: None,
    }
}

/// The same with its first `items` dispatched.
fn running(items: u32, change: impl FnOnce(&mut BatchSpec)) -> (BatchRecord, HashMap<ItemIndex, Place>) {
    let mut record = sealed(change);
    (record.state, record.next_index, record.started_at) = (BatchState::Processing, items, Some(NOW));
    let places = (0..items)
        .map(|index| (index, Place::dispatched(&record.spec)))
        .collect();
    (record, places)
}

fn told(index: ItemIndex, verdict: Verdict) -> Attempt {
    Attempt {
        batch: BatchId(uuid::Uuid::nil()),
        index,
        attempt: 1,
        verdict,
        started_at: NOW,
        duration_us: 1_000,
        worker: Some(WorkerId("w".into())),
        artifacts: Vec::new(),
    }
}

fn done(index: ItemIndex) -> Attempt {
    told(index, Verdict::Done(Output::Inline(Json::null())))
}

fn failed(index: ItemIndex) -> Attempt {
    told(index, Verdict::Fail(ItemError::new(ItemErrorKind::Handler, "no")))
}

fn retry(index: ItemIndex) -> Attempt {
    let error = ItemError::new(ItemErrorKind::Handler, "busy");
    told(
        index,
        Verdict::Retry {
            error,
            after_ms: None,
        },
    )
}

fn waiting(index: ItemIndex) -> Attempt {
    told(index, Verdict::Waiting(Waiting::default()))
}

#[track_caller]
fn act(record: &mut BatchRecord, command: &Command) -> Commanded {
    record.command(command, &ann(), NOW).unwrap()
}

fn actions(events: &[BatchEvent]) -> Vec<&str> {
    events.iter().map(|event| event.action.as_str()).collect()
}

/// A batch in `state`, as it comes to be in it.
fn in_state(state: BatchState) -> BatchRecord {
    let mut record = sealed(|_| ());
    match state {
        BatchState::Open => record.state = state,
        BatchState::Pending => {}
        BatchState::Processing => record.state = state,
        BatchState::Paused => drop(act(&mut record, &Command::Pause)),
        BatchState::Cancelling => drop(act(&mut record, &Command::Cancel)),
        BatchState::Completed => {
            (record.state, record.next_index) = (BatchState::Processing, 10);
            let mut places = (0..10)
                .map(|index| (index, Place::dispatched(&record.spec)))
                .collect();
            record.take((0..10).map(done), &mut places, NOW);
        }
        BatchState::Failed | BatchState::Cancelled => {
            let error = "no".to_owned();
            let command = match state {
                BatchState::Failed => Command::Fail { error },
                _ => Command::Cancel,
            };
            act(&mut record, &command);
            record.sweep([(Whereabouts::Pending, 0); 10], NOW);
        }
    }
    assert_eq!(record.state, state);
    record
}

mod commands;
mod guards;
mod reopening;
mod taking;
