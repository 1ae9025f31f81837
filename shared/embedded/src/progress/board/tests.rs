use flotilla_core::batch::{BatchState, Counts};
use flotilla_core::ids::Pool;
use uuid::Uuid;

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

fn snapshot(number: usize, state: BatchState, version: u64) -> Snapshot {
    Snapshot {
        batch: BatchId(Uuid::from_u128(number as u128)),
        space: Space::default(),
        name: None,
        job_type: "noop".into(),
        state,
        counts: Counts::default(),
        percent: 0.0,
        rate_per_s: 0.0,
        eta: None,
        epoch: 2,
        version,
        created_at: at(0),
        started_at: None,
        completed_at: None,
        updated_at: at(0),
    }
}

#[test]
fn ended_batches_are_bounded_and_the_oldest_go_first() {
    let mut board = Board::default();
    let running = snapshot(MAX_FINAL + 5, BatchState::Processing, 1);
    board.write(&running, at(0));
    for number in 0..MAX_FINAL + 3 {
        board.write(&snapshot(number, BatchState::Completed, 1), at(number as i64));
    }
    assert_eq!(
        (board.ended.len(), board.snapshots.len()),
        (MAX_FINAL, MAX_FINAL + 1)
    );
    for (number, kept) in [
        (0, false),
        (2, false),
        (3, true),
        (MAX_FINAL + 2, true),
        (MAX_FINAL + 5, true),
    ] {
        let batch = BatchId(Uuid::from_u128(number as u128));
        assert_eq!(board.read(batch).is_some(), kept, "{number}");
    }
}

#[test]
fn an_ended_batch_is_kept_for_its_time() {
    let mut board = Board::default();
    let keep = i64::try_from(KEEP_FINAL.as_secs()).unwrap();
    let (ended, other) = (
        snapshot(1, BatchState::Cancelled, 3),
        snapshot(2, BatchState::Pending, 1),
    );
    board.write(&ended, at(0));
    board.write(&other, at(keep - 1));
    assert_eq!(board.read(ended.batch), Some(&ended));
    board.write(&other, at(keep));
    assert_eq!(
        (board.read(ended.batch), board.read(other.batch)),
        (None, Some(&other))
    );
}

#[test]
fn a_batch_that_runs_again_is_not_forgotten() {
    let mut board = Board::default();
    let again = snapshot(1, BatchState::Processing, 4);
    board.write(&snapshot(1, BatchState::Completed, 3), at(0));
    board.write(&again, at(1));
    assert!(board.ended.is_empty());
    assert_eq!(board.active(&Space::default()), [again.batch]);
    board.write(&snapshot(1, BatchState::Completed, 5), at(2));
    assert!(
        board.active.is_empty(),
        "an empty set of active batches takes no room"
    );
}

#[test]
fn what_is_gone_stays_gone_for_its_time() {
    let mut board = Board::default();
    let keep = i64::try_from(KEEP_FINAL.as_secs()).unwrap();
    let late = snapshot(1, BatchState::Processing, 9);
    board.write(&late, at(0));
    board.forget(late.batch, at(1));
    assert!(board.snapshots.is_empty() && board.active.is_empty());
    assert!(!board.write(&late, at(keep)));
    assert_eq!(board.steering(late.batch, at(keep)), Some(Steering::GONE));
    assert_eq!(board.steering(late.batch, at(keep + 1)), None);
    // Said again, it counts from then on.
    board.forget(late.batch, at(5));
    assert_eq!(board.steering(late.batch, at(keep + 4)), Some(Steering::GONE));
    assert!(board.write(&late, at(keep + 5)));
    assert_eq!(board.steering(late.batch, at(keep + 5)), Some(late.steering()));
    assert!(board.gone.is_empty() && board.gone_since.is_empty());
}

#[test]
fn notes_of_what_is_gone_are_bounded() {
    let mut board = Board::default();
    for number in 0..MAX_FINAL + 3 {
        board.forget(BatchId(Uuid::from_u128(number as u128)), at(number as i64));
    }
    assert_eq!((board.gone.len(), board.gone_since.len()), (MAX_FINAL, MAX_FINAL));
    let now = at(MAX_FINAL as i64 + 3);
    for (number, kept) in [(2, false), (3, true)] {
        let steering = board.steering(BatchId(Uuid::from_u128(number)), now);
        assert_eq!(steering.is_some(), kept, "{number}");
    }
}

#[test]
fn a_worker_is_forgotten_when_its_time_is_over() {
    let mut board = Board::default();
    let worker = |id: &str| WorkerStatus {
        id: WorkerId(id.into()),
        pools: vec![Pool::default()],
        concurrency: 1,
        running: Vec::new(),
        held: 0,
        holding: None,
        doing: Vec::new(),
        draining: false,
        started_at: at(0),
        seen_at: at(0),
        version: "1".into(),
    };
    let ttl = Duration::from_secs(15);
    board.note(&worker("b"), ttl, at(0));
    board.note(&worker("a"), ttl, at(10));
    let ids = |board: &Board, now| {
        board
            .workers(now)
            .iter()
            .map(|worker| worker.id.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&board, at(14)), ["a", "b"]);
    assert_eq!(ids(&board, at(15)), ["a"]);
    board.note(&worker("c"), ttl, at(30));
    assert_eq!(board.workers.len(), 1, "those whose time is over take no room");
}
