use super::*;

fn every_command() -> Vec<Command> {
    vec![
        Command::Seal,
        Command::Run { concurrency: Some(3) },
        Command::Pause,
        Command::Resume,
        Command::Cancel,
        Command::Fail { error: "no".into() },
        Command::Change(Change {
            priority: Some(7),
            ..Change::default()
        }),
        Command::Delete { force: false },
        Command::Delete { force: true },
    ]
}

#[test]
fn each_state_has_its_commands() {
    use BatchState as S;
    // seal, run, pause, resume, cancel, fail, change, delete, delete with force: done, unchanged or forbidden.
    let expected = [
        (S::Open, "d f f f d d d f d"),
        (S::Pending, "u d d u d d d f d"),
        (S::Processing, "u d d u d d d f d"),
        (S::Paused, "u f u d d d d f d"),
        (S::Cancelling, "f f f f u u f f d"),
        (S::Completed, "u f f f f u f d d"),
        (S::Failed, "f f f f f u f d d"),
        (S::Cancelled, "f f f f u u f d d"),
    ];
    for (state, answers) in expected {
        for (command, answer) in every_command().iter().zip(answers.split(' ')) {
            let mut record = in_state(state);
            let before = record.clone();
            let answered = match record.command(command, &ann(), NOW) {
                Ok(done) if done.changed => "d",
                Ok(_) => "u",
                Err(forbidden) => {
                    assert_eq!(forbidden.state, state);
                    "f"
                }
            };
            assert_eq!(answered, answer, "{} where it is {state}", command.name());
            assert_eq!(
                record == before,
                answer != "d",
                "{} where it is {state}",
                command.name()
            );
        }
    }
}

#[test]
fn a_command_is_done_once() {
    for state in BatchState::ALL {
        for command in every_command() {
            let mut record = in_state(state);
            if !record
                .command(&command, &ann(), NOW)
                .is_ok_and(|done| done.changed)
            {
                continue;
            }
            let after = record.clone();
            if let Ok(again) = record.command(&command, &ann(), NOW) {
                assert_eq!(again, Commanded::default(), "{}", command.name());
            }
            assert_eq!(record, after, "{} where it is {state}", command.name());
        }
    }
}

#[test]
fn what_is_done_is_told_and_grows_the_version() {
    let mut record = in_state(BatchState::Processing);
    let version = record.tally.version;
    let command = Command::Fail {
        error: "on fire".into(),
    };
    let told = record.command(&command, &ann(), later(5)).unwrap();
    let event = BatchEvent {
        at: later(5),
        by: ann(),
        action: "fail".into(),
        detail: Some("on fire".into()),
    };
    assert_eq!((told.events, record.tally.version), (vec![event], version + 1));
    assert_eq!(
        (record.halted_at, record.error.as_deref()),
        (Some(later(5)), Some("on fire"))
    );
}

#[test]
fn what_is_changed_is_told_in_words() {
    let mut record = in_state(BatchState::Processing);
    let change = Change {
        name: Some(Some("night".into())),
        priority: Some(-3),
        concurrency: Some(Some(5)),
        rate_per_s: Some(None),
    };
    record.spec.rate_per_s = Some(2.5);
    let told = act(&mut record, &Command::Change(change));
    assert_eq!(
        told.events[0].detail.as_deref(),
        Some("name night, priority -3, concurrency 5, rate_per_s none")
    );
    let spec = &record.spec;
    assert_eq!(
        (
            spec.name.as_deref(),
            spec.priority,
            spec.concurrency,
            spec.rate_per_s
        ),
        (Some("night"), -3, Some(5), None)
    );
}

#[test]
fn only_tighter_limits_call_items_back() {
    let mut record = in_state(BatchState::Processing);
    let mut epoch_with = |concurrency, rate_per_s| {
        let change = Change {
            concurrency,
            rate_per_s,
            ..Change::default()
        };
        act(&mut record, &Command::Change(change));
        record.epoch
    };
    assert_eq!(epoch_with(Some(Some(10)), None), 1, "one where there was none");
    assert_eq!(epoch_with(Some(Some(10)), None), 1, "the same");
    assert_eq!(epoch_with(Some(Some(20)), None), 1, "a wider one");
    assert_eq!(epoch_with(Some(Some(19)), None), 2, "a tighter one");
    assert_eq!(epoch_with(Some(None), None), 2, "none");
    assert_eq!(epoch_with(None, Some(Some(2.5))), 3);
    assert_eq!(epoch_with(Some(Some(1)), Some(Some(2.0))), 4, "both at once");
    assert_eq!(epoch_with(None, None), 4);
    act(&mut record, &Command::Run { concurrency: Some(9) });
    assert_eq!(record.epoch, 4);
    act(&mut record, &Command::Pause);
    act(&mut record, &Command::Resume);
    assert_eq!(record.epoch, 4, "workers know of a pause by the state");
}

#[test]
fn running_starts_what_waits_for_it_and_keeps_what_is_not_said() {
    for start in [Start::Manual, Start::At(later(9_999))] {
        let mut record = sealed(|spec| (spec.start, spec.concurrency) = (start, Some(4)));
        assert!(act(&mut record, &Command::Run { concurrency: None }).changed);
        assert_eq!(
            (record.spec.start, record.spec.concurrency),
            (Start::Auto, Some(4))
        );
        assert!(!act(&mut record, &Command::Run { concurrency: None }).changed);
    }
}

#[test]
fn a_pause_says_who_and_when_and_why_and_ends() {
    let mut record = in_state(BatchState::Pending);
    record.command(&Command::Pause, &ann(), later(3)).unwrap();
    let paused = Paused {
        reason: PauseReason::Requested,
        by: ann(),
        at: later(3),
    };
    assert_eq!(record.control.paused, Some(paused));
    act(&mut record, &Command::Resume);
    assert_eq!(
        (record.state, &record.control.paused),
        (BatchState::Pending, &None)
    );
    record.started_at = Some(NOW);
    act(&mut record, &Command::Pause);
    act(&mut record, &Command::Resume);
    assert_eq!(record.state, BatchState::Processing, "something was dispatched");
}

#[test]
fn a_paused_batch_that_is_cancelled_is_not_paused_any_more() {
    let mut record = in_state(BatchState::Paused);
    act(&mut record, &Command::Cancel);
    assert_eq!(
        (record.state, record.control.paused),
        (BatchState::Cancelling, None)
    );
}

#[test]
fn an_empty_batch_ends_with_the_command_that_seals_or_halts_it() {
    let commands = [
        (Command::Seal, BatchState::Completed),
        (Command::Cancel, BatchState::Cancelled),
        (Command::Fail { error: "no".into() }, BatchState::Failed),
        (Command::Delete { force: true }, BatchState::Cancelled),
    ];
    for (command, end) in commands {
        let mut record = in_state(BatchState::Open);
        record.total = 0;
        let told = act(&mut record, &command);
        assert_eq!(record.state, end);
        assert_eq!(actions(&told.events), [command.name(), "end"]);
        let result = told.result.unwrap();
        assert_eq!((result.revision, result.result_summary.total), (1, 0));
        assert_eq!((record.revision, record.completed_at), (1, Some(NOW)));
    }
}

#[test]
fn a_batch_with_items_ends_when_they_are_swept() {
    let mut record = in_state(BatchState::Cancelling);
    let writes = record.sweep([(Whereabouts::Pending, 0); 9], NOW);
    assert_eq!((writes.result, record.state), (None, BatchState::Cancelling));
    let counts = record.tally.counts(record.total, record.next_index);
    assert_eq!((counts.cancelled, counts.pending, counts.queued), (9, 1, 0));
    let writes = record.sweep([(Whereabouts::Pending, 0)], later(5));
    let summary = writes.result.unwrap().result_summary;
    assert_eq!(
        (summary.cancelled, summary.attempts, record.state),
        (10, 0, BatchState::Cancelled)
    );
    assert_eq!(actions(&writes.events), ["end"]);
    assert_eq!(writes.events[0].by, Actor::system());
}

#[test]
fn whatever_it_was_swept_from_counts_add_up() {
    let (mut record, mut places) = running(5, |_| ());
    let back = told(2, Verdict::Released);
    record.take([retry(1), back, waiting(3)], &mut places, NOW);
    act(&mut record, &Command::Cancel);
    let from = [
        (Whereabouts::Retrying, 1),
        (Whereabouts::Returned, 1),
        (Whereabouts::Waiting, 1),
    ];
    record.sweep(from, NOW);
    let counts = record.tally.counts(record.total, record.next_index);
    assert_eq!((counts.cancelled, counts.pending, counts.queued), (3, 5, 2));
    assert_eq!((counts.retrying, counts.waiting), (0, 0));
    record.sweep([(Whereabouts::Dispatched, 1); 2], NOW);
    let end = record.sweep([(Whereabouts::Pending, 0); 5], NOW).result.unwrap();
    assert_eq!(end.result_summary.attempts, 5);
}

#[test]
fn a_sweep_of_nothing_changes_nothing() {
    let mut record = in_state(BatchState::Cancelling);
    let before = record.clone();
    assert_eq!(record.sweep([], NOW), Writes::default());
    assert_eq!(record, before);
}

#[test]
fn the_first_of_two_halts_says_how_it_ends() {
    let mut failed = in_state(BatchState::Processing);
    act(&mut failed, &Command::Fail { error: "late".into() });
    assert!(!act(&mut failed, &Command::Cancel).changed);
    failed.sweep([(Whereabouts::Pending, 0); 10], NOW);
    assert_eq!(
        (failed.state, failed.error.as_deref()),
        (BatchState::Failed, Some("late"))
    );

    let mut cancelled = in_state(BatchState::Processing);
    act(&mut cancelled, &Command::Cancel);
    assert!(!act(&mut cancelled, &Command::Fail { error: "late".into() }).changed);
    cancelled.sweep([(Whereabouts::Pending, 0); 10], NOW);
    assert_eq!((cancelled.state, cancelled.error), (BatchState::Cancelled, None));
}

#[test]
fn deleting_by_force_cancels_first_and_keeps_how_an_ended_batch_ended() {
    let mut record = in_state(BatchState::Paused);
    act(&mut record, &Command::Delete { force: true });
    assert_eq!(
        (record.state, record.deleted_at),
        (BatchState::Cancelling, Some(NOW))
    );
    assert_eq!(record.halted_at, Some(NOW));
    for state in [BatchState::Completed, BatchState::Failed, BatchState::Cancelled] {
        let mut record = in_state(state);
        act(&mut record, &Command::Delete { force: true });
        assert_eq!((record.state, record.deleted_at), (state, Some(NOW)));
    }
}
