use super::*;

/// A batch that completed with its first two items failed, and they run again.
fn reopened(change: impl FnOnce(&mut BatchSpec)) -> (BatchRecord, HashMap<ItemIndex, Place>) {
    let (mut record, mut places) = running(10, change);
    record.take((0..2).map(failed).chain((2..10).map(done)), &mut places, NOW);
    assert_eq!(record.state, BatchState::Completed);
    reopen(&mut record, &mut places, &[0, 1]);
    (record, places)
}

fn reopen(record: &mut BatchRecord, places: &mut HashMap<ItemIndex, Place>, items: &[ItemIndex]) {
    for index in items {
        let ended = Ended {
            state: ItemState::Failed,
            attempt: places[index].attempts(),
            duration_us: 1_000,
            ran: true,
        };
        record.tally.reopen(&ended);
        places.insert(*index, record.place_again(&ended));
    }
    record.tally.detail.recount_errors([]);
    let count = u32::try_from(items.len()).unwrap();
    record.reopened(count, &ann(), later(100)).unwrap();
}

fn dispatch(record: &mut BatchRecord, places: &mut HashMap<ItemIndex, Place>, index: ItemIndex) {
    let place = places.get_mut(&index).unwrap();
    record.tally.moved(place.at, Whereabouts::Dispatched);
    place.at = Whereabouts::Dispatched;
}

#[test]
fn a_batch_that_ended_goes_on_for_what_runs_again() {
    let (record, places) = reopened(|_| ());
    assert_eq!(
        (record.state, record.completed_at),
        (BatchState::Processing, None)
    );
    let counts = record.tally.counts(10, 10);
    assert_eq!((counts.failed, counts.retrying, counts.succeeded), (0, 2, 8));
    let again = Place {
        attempt: 2,
        last_attempt: 3,
        losses: 0,
        at: Whereabouts::Retrying,
    };
    assert_eq!(places[&0], again, "with as many attempts as a new one");
}

#[test]
fn its_next_end_is_another_result() {
    let (mut record, mut places) = reopened(|_| ());
    for index in [0, 1] {
        dispatch(&mut record, &mut places, index);
    }
    let second = |attempt| Attempt {
        attempt: 2,
        ..attempt
    };
    let writes = record.take([second(done(0)), second(failed(1))], &mut places, later(200));
    let result = writes.result.unwrap();
    let summary = &result.result_summary;
    assert_eq!((result.revision, record.revision), (2, 2));
    assert_eq!((summary.succeeded, summary.failed, summary.attempts), (9, 1, 12));
}

#[test]
fn what_was_told_before_changes_nothing() {
    let (mut record, mut places) = reopened(|_| ());
    let before = record.clone();
    for _ in 0..2 {
        let stale = [failed(0), retry(1), done(0), told(1, Verdict::Released)];
        assert_eq!(record.take(stale, &mut places, NOW), Writes::default());
        assert_eq!(record.state, BatchState::Processing);
        dispatch(&mut record, &mut places, 0);
        dispatch(&mut record, &mut places, 1);
    }
    assert_eq!(record.tally.detail, before.tally.detail);
}

#[test]
fn nothing_that_runs_again_is_nothing() {
    let mut record = in_state(BatchState::Completed);
    let before = record.clone();
    assert_eq!(record.reopened(0, &ann(), NOW), None);
    assert_eq!(record, before);
}

#[test]
fn only_what_is_sealed_and_not_being_cancelled_is_opened_again() {
    for state in [BatchState::Open, BatchState::Cancelling] {
        let mut record = in_state(state);
        assert_eq!(record.reopened(1, &ann(), NOW), None);
    }
    let mut paused = in_state(BatchState::Paused);
    assert!(paused.reopened(1, &ann(), NOW).is_some());
    assert_eq!(paused.state, BatchState::Paused, "until it is resumed");
}

#[test]
fn what_failed_before_is_forgotten() {
    let (mut record, _) = running(10, |_| ());
    act(&mut record, &Command::Fail { error: "late".into() });
    record.sweep([(Whereabouts::Dispatched, 1); 10], NOW);
    let ended = Ended {
        state: ItemState::Cancelled,
        attempt: 1,
        duration_us: 0,
        ran: false,
    };
    record.tally.reopen(&ended);
    let event = record.reopened(1, &ann(), later(5)).unwrap();
    assert_eq!((record.error, record.halted_at), (None, None));
    assert_eq!(record.state, BatchState::Processing);
    let told = (event.by, event.action.as_str(), event.detail.as_deref());
    assert_eq!(told, (ann(), "retry", Some("1 items")));
}

#[test]
fn failures_of_before_do_not_count_against_it() {
    let (mut record, mut places) = running(10, |_| ());
    record.take((0..5).map(failed).chain((5..10).map(done)), &mut places, NOW);
    record.spec.failure_threshold = Some(FailureThreshold {
        count: Some(2),
        percent: None,
        min_sample: 100,
        action: FailureAction::Fail,
    });
    reopen(&mut record, &mut places, &[0, 1]);
    for index in [0, 1] {
        dispatch(&mut record, &mut places, index);
    }
    let second = |index| Attempt {
        attempt: 2,
        ..failed(index)
    };
    record.take([second(0), second(1)], &mut places, NOW);
    assert_eq!(
        record.state,
        BatchState::Completed,
        "two since, and three of before"
    );
}

#[test]
fn a_deadline_that_has_passed_does_not_end_it_again() {
    let (record, _) = reopened(|spec| spec.deadline = Some(later(50)));
    assert_eq!(record.spec.deadline, None);
    let (record, _) = reopened(|spec| spec.deadline = Some(later(150)));
    assert_eq!(record.spec.deadline, Some(later(150)));
}

#[test]
fn what_never_ran_has_all_of_its_attempts() {
    let record = in_state(BatchState::Cancelled);
    let ended = Ended {
        state: ItemState::Cancelled,
        attempt: 0,
        duration_us: 0,
        ran: false,
    };
    let again = record.place_again(&ended);
    assert_eq!((again.attempt, again.last_attempt), (1, 2));
}
