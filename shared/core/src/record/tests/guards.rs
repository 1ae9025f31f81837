use super::*;

fn threshold(count: u32, action: FailureAction) -> FailureThreshold {
    FailureThreshold {
        count: Some(count),
        percent: None,
        min_sample: 100,
        action,
    }
}

fn reason(record: &BatchRecord) -> Option<PauseReason> {
    record.control.paused.as_ref().map(|paused| paused.reason)
}

#[test]
fn too_many_failures_pause_a_batch() {
    let (mut record, mut places) = running(6, |spec| {
        spec.failure_threshold = Some(threshold(1, FailureAction::Pause));
    });
    let writes = record.take([failed(0)], &mut places, NOW);
    assert_eq!((record.state, writes.events), (BatchState::Processing, vec![]));
    let writes = record.take([failed(1), done(2)], &mut places, NOW);
    assert_eq!(record.state, BatchState::Paused);
    assert_eq!(reason(&record), Some(PauseReason::FailureThreshold));
    assert_eq!(actions(&writes.events), ["pause"]);
    assert_eq!(
        (writes.events[0].by.as_str(), writes.events[0].detail.as_deref()),
        (Actor::SYSTEM, Some("failure_threshold: 2 of 3 items failed"))
    );
    assert_eq!(
        record.take([failed(3)], &mut places, NOW).events,
        [],
        "it is paused already"
    );
}

#[test]
fn whoever_goes_on_after_failures_sets_a_new_baseline() {
    let (mut record, mut places) = running(8, |spec| {
        spec.failure_threshold = Some(FailureThreshold {
            percent: Some(50.0),
            min_sample: 2,
            ..threshold(1, FailureAction::Pause)
        });
    });
    record.take([failed(0), failed(1)], &mut places, NOW);
    act(&mut record, &Command::Resume);
    record.take([done(2), failed(3)], &mut places, NOW);
    assert_eq!(record.state, BatchState::Processing, "one of two since");
    record.take([failed(4)], &mut places, NOW);
    assert_eq!(record.state, BatchState::Paused, "two of three since");
}

#[test]
fn too_many_failures_fail_a_batch() {
    let (mut record, mut places) = running(4, |spec| {
        spec.failure_threshold = Some(threshold(1, FailureAction::Fail));
    });
    let writes = record.take([failed(0), failed(1)], &mut places, NOW);
    assert_eq!(
        (record.state, record.halted_at),
        (BatchState::Cancelling, Some(NOW))
    );
    assert_eq!(actions(&writes.events), ["fail"]);
    let error = "the failure threshold was crossed: 2 of 2 items failed";
    assert_eq!(record.error.as_deref(), Some(error));
    let stopped = told(2, Verdict::Cancelled);
    assert_eq!(record.take([stopped], &mut places, NOW).outcomes.len(), 1);
    record.sweep([(Whereabouts::Dispatched, 1)], NOW);
    let end = record.sweep([(Whereabouts::Pending, 0); 6], NOW);
    assert_eq!(record.state, BatchState::Failed);
    assert_eq!(end.events[0].detail.clone().unwrap(), format!("failed: {error}"));
}

#[test]
fn a_batch_whose_last_items_are_too_many_failures_fails_with_its_result() {
    let (mut record, mut places) = running(10, |spec| {
        spec.failure_threshold = Some(threshold(9, FailureAction::Fail));
    });
    let writes = record.take((0..10).map(failed), &mut places, NOW);
    assert_eq!(record.state, BatchState::Failed);
    assert_eq!(
        (actions(&writes.events), writes.result.is_some()),
        (vec!["fail", "end"], true)
    );
}

#[test]
fn a_batch_that_ends_is_not_paused_for_its_failures() {
    let (mut record, mut places) = running(10, |spec| {
        spec.failure_threshold = Some(threshold(0, FailureAction::Pause));
    });
    let writes = record.take((0..10).map(failed), &mut places, NOW);
    assert_eq!(
        (record.state, actions(&writes.events)),
        (BatchState::Completed, vec!["end"])
    );
}

#[test]
fn the_first_items_are_looked_at_before_the_others_start() {
    let (mut record, mut places) = running(3, |spec| spec.canary = Some(3));
    assert_eq!(record.canary_left(), Some(0));
    assert!(record.clone().seen_at(NOW).awaits_approval);
    record.take([done(0), retry(1)], &mut places, NOW);
    record.take([failed(2)], &mut places, NOW);
    assert_eq!(record.state, BatchState::Processing, "one of them is tried again");
    places.get_mut(&1).unwrap().at = Whereabouts::Dispatched;
    record.tally.moved(Whereabouts::Retrying, Whereabouts::Dispatched);
    let second = Attempt {
        attempt: 2,
        ..done(1)
    };
    let writes = record.take([second], &mut places, NOW);
    assert_eq!(record.state, BatchState::Paused);
    assert_eq!(reason(&record), Some(PauseReason::Canary));
    assert_eq!(
        writes.events[0].detail.as_deref(),
        Some("canary: 3 items are done, 1 of them failed")
    );
    act(&mut record, &Command::Resume);
    assert_eq!((record.canary_left(), record.control.approved), (None, true));
    assert!(!record.seen_at(NOW).awaits_approval);
}

#[test]
fn only_what_is_left_of_the_first_items_may_start() {
    let (record, _) = running(2, |spec| spec.canary = Some(3));
    assert_eq!(record.canary_left(), Some(1));
    let (record, _) = running(2, |spec| spec.canary = Some(0));
    assert_eq!(record.canary_left(), None, "or nothing would ever start");
}

/// A pause for another reason hides that the first items are done: going on must not leave the batch without anything
/// to start and without anything to pause it.
#[test]
fn going_on_once_the_first_items_are_done_approves_of_them() {
    let (mut record, mut places) = running(2, |spec| spec.canary = Some(2));
    act(&mut record, &Command::Pause);
    record.take([done(0), done(1)], &mut places, NOW);
    assert_eq!(reason(&record), Some(PauseReason::Requested));
    act(&mut record, &Command::Resume);
    assert_eq!(record.canary_left(), None);

    let (mut record, mut places) = running(2, |spec| {
        spec.canary = Some(2);
        spec.failure_threshold = Some(threshold(0, FailureAction::Pause));
    });
    record.take([done(0), failed(1)], &mut places, NOW);
    assert_eq!(reason(&record), Some(PauseReason::FailureThreshold));
    act(&mut record, &Command::Resume);
    assert_eq!(record.canary_left(), None);
}

#[test]
fn going_on_before_the_first_items_are_done_does_not() {
    let (mut record, mut places) = running(2, |spec| spec.canary = Some(2));
    act(&mut record, &Command::Pause);
    record.take([done(0)], &mut places, NOW);
    act(&mut record, &Command::Resume);
    assert_eq!(record.canary_left(), Some(0));
    record.take([done(1)], &mut places, NOW);
    assert_eq!(record.state, BatchState::Paused);
}

#[test]
fn a_batch_that_is_all_first_items_just_ends() {
    let (mut record, mut places) = running(10, |spec| spec.canary = Some(10));
    record.take((0..10).map(done), &mut places, NOW);
    assert_eq!(record.state, BatchState::Completed);
    assert!(!record.seen_at(NOW).awaits_approval);
}

#[test]
fn a_batch_whose_last_items_end_while_it_is_paused_is_completed() {
    let (mut record, mut places) = running(10, |_| ());
    act(&mut record, &Command::Pause);
    let writes = record.take((0..10).map(done), &mut places, NOW);
    assert_eq!(
        (record.state, record.control.paused),
        (BatchState::Completed, None)
    );
    assert_eq!(writes.result.unwrap().revision, 1);
}
