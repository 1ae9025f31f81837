//! Steering batches.

use std::time::Duration;

use flotilla_core::batch::{Batch, BatchState, FailureAction, FailureThreshold};
use flotilla_core::command::{Change, Command, PauseReason};
use flotilla_core::ids::BatchId;
use flotilla_core::ports::store::Steered;

use super::fixture::{Fixture, somebody};
use super::samples::{at_once, failure, inputs, spec, success};

fn every_command() -> Vec<Command> {
    let change = Change {
        priority: Some(7),
        ..Change::default()
    };
    vec![
        Command::Run { concurrency: Some(3) },
        Command::Pause,
        Command::Resume,
        Command::Cancel,
        Command::Fail { error: "no".into() },
        Command::Change(change),
        Command::Delete { force: false },
        Command::Delete { force: true },
    ]
}

/// A batch in each state that one can be in for long.
async fn in_every_state(t: &Fixture) -> Vec<BatchId> {
    let open = t.uploaded(inputs(0..2)).await;
    t.store
        .keep_open(open, spec(), t.now())
        .await
        .expect("stays open");
    let pending = t.sealed(2).await;
    let processing = t.dispatched(2).await;
    let paused = t.sealed(2).await;
    t.done(paused, &Command::Pause).await;
    let cancelling = t.sealed(2).await;
    t.done(cancelling, &Command::Cancel).await;
    let completed = t.sealed(0).await;
    let cancelled = t.sealed(2).await;
    t.done(cancelled, &Command::Cancel).await;
    t.finish(cancelled).await;
    vec![
        open, pending, processing, paused, cancelling, completed, cancelled,
    ]
}

/// The answer is the batch as it is read, and its version has grown; what is done twice changes nothing.
pub async fn a_command_is_done_once_or_not_at_all(t: Fixture) {
    for command in every_command() {
        for id in in_every_state(&t).await {
            let before = t.batch(id).await;
            match t.command(id, &command).await {
                Steered::Done(_) if matches!(command, Command::Delete { .. }) => {
                    assert_eq!(t.store.batch(&t.space, id).await.expect("reads"), None);
                }
                Steered::Done(done) => {
                    assert_eq!(*done, t.batch(id).await);
                    assert_eq!(
                        done.version,
                        before.version + 1,
                        "{} {}",
                        command.name(),
                        before.state
                    );
                    let again = t.command(id, &command).await;
                    assert!(!matches!(again, Steered::Done(_)), "{again:?}");
                    assert_eq!(*done, t.batch(id).await);
                }
                Steered::Unchanged(same) => assert_eq!((&*same, &t.batch(id).await), (&before, &before)),
                Steered::Forbidden(why) => {
                    assert_eq!((why.state, &t.batch(id).await), (before.state, &before));
                }
                Steered::Unknown => panic!("{} {}", command.name(), before.state),
            }
        }
    }
}

/// Whoever asks knows that nothing is there: in another space, or nowhere.
pub async fn only_the_batches_of_a_space_are_steered(t: Fixture) {
    let theirs = t.in_space("other").dispatched(2).await;
    let before = t.in_space("other").batch(theirs).await;
    for id in [theirs, t.new_batch().id] {
        for command in every_command() {
            assert_eq!(t.command(id, &command).await, Steered::Unknown, "{command:?}");
        }
        let history = t.store.history(&t.space, id).await.expect("reads");
        assert_eq!(history, []);
    }
    assert_eq!(t.in_space("other").batch(theirs).await, before);
}

/// In order, with who and when; what changed nothing is not in it.
pub async fn history_says_who_did_what_and_when(t: Fixture) {
    let id = t.sealed_as(1, |spec| spec.concurrency = Some(1)).await;
    let mut expected = Vec::new();
    let change = Change {
        concurrency: Some(Some(5)),
        ..Change::default()
    };
    let commands = [
        (Command::Pause, None),
        (Command::Resume, None),
        (Command::Change(change), Some("concurrency 5")),
        (
            Command::Fail {
                error: "on 'fire' é".into(),
            },
            Some("on 'fire' é"),
        ),
    ];
    for (command, detail) in commands {
        t.advance(Duration::from_secs(1));
        t.done(id, &command).await;
        assert!(!matches!(t.command(id, &command).await, Steered::Done(_)));
        expected.push((
            t.now(),
            somebody(),
            command.name().to_owned(),
            detail.map(str::to_owned),
        ));
    }
    t.finish(id).await;
    let history = t.store.history(&t.space, id).await.expect("reads");
    let told: Vec<_> = history
        .into_iter()
        .map(|event| (event.at, event.by, event.action, event.detail))
        .collect();
    assert_eq!(told[..4], expected);
    assert_eq!(told.len(), 5);
    assert_eq!(
        (told[4].1.as_str(), told[4].2.as_str(), told[4].3.as_deref()),
        ("flotilla", "end", Some("failed: on 'fire' é"))
    );
}

/// A batch that somebody toggles for ever has a history of bounded length.
pub async fn history_is_the_latest_thousand(t: Fixture) {
    let id = t.sealed(1).await;
    for priority in 0..1_005 {
        let change = Change {
            priority: Some(priority + 1),
            ..Change::default()
        };
        t.done(id, &Command::Change(change)).await;
    }
    let history = t.store.history(&t.space, id).await.expect("reads");
    assert_eq!(history.len(), 1_000);
    let told = |at: usize| history[at].detail.as_deref();
    assert_eq!((told(0), told(999)), (Some("priority 6"), Some("priority 1005")));
}

/// With why and by whom; and afterwards not.
pub async fn a_pause_is_told_while_it_lasts(t: Fixture) {
    let id = t.dispatched(3).await;
    let paused = t.done(id, &Command::Pause).await;
    assert_eq!(paused, t.batch(id).await);
    let pause = paused.paused.expect("it says why");
    assert_eq!(
        (pause.reason, pause.by, pause.at),
        (PauseReason::Requested, somebody(), t.now())
    );
    let resumed = t.done(id, &Command::Resume).await;
    assert_eq!((resumed.state, resumed.paused), (BatchState::Processing, None));
    t.finish(id).await;
}

/// Where nothing was dispatched, it is pending again.
pub async fn a_paused_batch_goes_on_where_it_was(t: Fixture) {
    let id = t.sealed(3).await;
    t.done(id, &Command::Pause).await;
    assert_eq!(t.done(id, &Command::Resume).await.state, BatchState::Pending);
    t.finish(id).await;
}

/// What runs finishes, also where that ends the batch.
pub async fn a_paused_batch_may_end(t: Fixture) {
    let id = t.dispatched(2).await;
    t.done(id, &Command::Pause).await;
    let ended = t.record(vec![success(id, 0), success(id, 1)]).await;
    assert_eq!((ended[0].state, &ended[0].paused), (BatchState::Completed, &None));
    t.assert_consistent(id).await;
}

/// All that may change while it runs does, and stays.
pub async fn changes_are_kept(t: Fixture) {
    let id = t.dispatched(2).await;
    let change = Change {
        name: Some(Some("Nightly 'é'".into())),
        priority: Some(-9),
        concurrency: Some(Some(17)),
        rate_per_s: Some(Some(2.5)),
    };
    let changed = t.done(id, &Command::Change(change)).await;
    let spec = &changed.spec;
    assert_eq!(
        (
            spec.name.as_deref(),
            spec.priority,
            spec.concurrency,
            spec.rate_per_s
        ),
        (Some("Nightly 'é'"), -9, Some(17), Some(2.5))
    );
    assert_eq!((changed.epoch, &changed), (1, &t.batch(id).await));
    let lifted = Change {
        name: Some(None),
        priority: None,
        concurrency: Some(None),
        rate_per_s: Some(None),
    };
    let changed = t.done(id, &Command::Change(lifted)).await;
    let spec = &changed.spec;
    assert_eq!(
        (
            spec.name.as_deref(),
            spec.priority,
            spec.concurrency,
            spec.rate_per_s
        ),
        (None, -9, None, None)
    );
    assert_eq!((changed.epoch, &changed), (1, &t.batch(id).await));
    t.finish(id).await;
}

/// Publishers see a new priority at once.
pub async fn a_new_priority_holds(t: Fixture) {
    let first = t.sealed(2).await;
    let second = t.sealed(2).await;
    assert_eq!(t.active(1).await, [first]);
    let change = Change {
        priority: Some(5),
        ..Change::default()
    };
    t.done(second, &Command::Change(change)).await;
    assert_eq!(t.active(1).await, [second]);
}

/// With the outcome that crosses it.
pub async fn a_failure_threshold_pauses_its_batch(t: Fixture) {
    let id = t.dispatched_as(6, |spec| {
        spec.failure_threshold = Some(more_than(1, FailureAction::Pause));
    });
    let id = id.await;
    t.record(vec![failure(id, 0, "no")]).await;
    let paused = t.record(vec![failure(id, 1, "no"), success(id, 2)]).await;
    assert_eq!(paused[0].state, BatchState::Paused);
    let pause = paused[0].paused.clone().expect("it says why");
    assert_eq!(
        (pause.reason, pause.by.as_str()),
        (PauseReason::FailureThreshold, "flotilla")
    );
    let history = t.store.history(&t.space, id).await.expect("reads");
    assert_eq!(
        history[0].detail.as_deref(),
        Some("failure_threshold: 2 of 3 items failed")
    );
    t.done(id, &Command::Resume).await;
    let on = t.record(vec![failure(id, 3, "no")]).await;
    assert_eq!(on[0].state, BatchState::Processing, "counted anew");
    let again = t.record(vec![failure(id, 4, "no")]).await;
    assert_eq!(again[0].state, BatchState::Paused);
    t.finish(id).await;
}

/// And halts it, with the reason.
pub async fn a_failure_threshold_fails_its_batch(t: Fixture) {
    let id = t.dispatched_as(6, |spec| {
        spec.failure_threshold = Some(more_than(1, FailureAction::Fail));
    });
    let id = id.await;
    let halted = t.record(vec![failure(id, 0, "no"), failure(id, 1, "no")]).await;
    assert_eq!(halted[0].state, BatchState::Cancelling);
    let error = halted[0].error.clone().expect("it says why");
    assert!(error.contains("2 of 2 items failed"), "{error}");
    t.finish(id).await;
    let ended = t.batch(id).await;
    assert_eq!((ended.state, ended.error), (BatchState::Failed, Some(error)));
}

fn more_than(count: u32, action: FailureAction) -> FailureThreshold {
    FailureThreshold {
        count: Some(count),
        percent: None,
        min_sample: 100,
        action,
    }
}

/// Nothing is left to wait for.
pub async fn an_empty_batch_is_cancelled_at_once(t: Fixture) {
    let id = t.uploaded(vec![]).await;
    t.store.keep_open(id, spec(), t.now()).await.expect("stays open");
    let ended = t.done(id, &Command::Cancel).await;
    assert_eq!((ended.state, ended.revision), (BatchState::Cancelled, 1));
    t.assert_consistent(id).await;
}

/// Of many who do the same at the same moment, one did it.
pub async fn of_many_at_once_one_did_it(t: Fixture) {
    let id = t.dispatched(2).await;
    let answers = at_once(12, |number| {
        let t = t.clone();
        async move {
            let command = match number % 2 {
                0 => Command::Cancel,
                _ => Command::Fail {
                    error: number.to_string(),
                },
            };
            t.command(id, &command).await
        }
    })
    .await;
    let done: Vec<Batch> = answers
        .into_iter()
        .filter_map(|answer| match answer {
            Steered::Done(batch) => Some(*batch),
            Steered::Unchanged(_) => None,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(done.len(), 1);
    assert_eq!(t.store.history(&t.space, id).await.expect("reads").len(), 1);
    assert_eq!(t.batch(id).await.error, done[0].error);
    t.finish(id).await;
}

/// However busy the batch is meanwhile.
pub async fn commands_and_reports_do_not_lose_each_other(t: Fixture) {
    const ITEMS: u32 = 80;
    let id = t.dispatched(ITEMS).await;
    at_once(4, |number| {
        let t = t.clone();
        async move {
            for index in (0..ITEMS).filter(|index| index % 4 == number) {
                let command = if index.is_multiple_of(3) {
                    Command::Pause
                } else {
                    Command::Resume
                };
                t.command(id, &command).await;
                t.record(vec![success(id, index)]).await;
            }
        }
    })
    .await;
    assert_eq!(t.counts(id).await.succeeded, ITEMS);
    t.assert_consistent(id).await;
}
