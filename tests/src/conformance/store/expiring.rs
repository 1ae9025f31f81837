//! Removing what batches leave, as their retention says.

use std::time::Duration;

use flotilla_core::batch::{BatchSpec, BatchState};
use flotilla_core::command::{Command, Selection};
use flotilla_core::dead_letter::DeadFilter;
use flotilla_core::ids::BatchId;
use flotilla_core::outcome::Output;
use flotilla_core::ports::store::{Removed, Reopened};
use flotilla_core::retention::{Part, Retention};
use flotilla_core::skipped::{SkipReason, SkippedItem};

use super::fixture::{Fixture, somebody};
use super::samples::{at_once, failure, inputs, item, nth, success};

const SECOND: Duration = Duration::from_secs(1);

/// Inputs go after 10 s, outputs after 20, dead letters after 30, all of it after a minute.
fn short(spec: &mut BatchSpec) {
    spec.retention = Retention {
        inputs: Some(10 * SECOND),
        outputs: Some(20 * SECOND),
        dead_letters: Some(30 * SECOND),
        results: Some(60 * SECOND),
        ..Retention::default()
    };
}

/// A batch of which the items before `failed` failed, and the others succeeded.
async fn ended(t: &Fixture, total: u32, failed: u32, change: impl FnOnce(&mut BatchSpec)) -> BatchId {
    let id = t.dispatched_as(total, change).await;
    let attempts = (0..total).map(|index| {
        if index < failed {
            failure(id, index, "no")
        } else {
            success(id, index)
        }
    });
    t.record(attempts.collect()).await;
    assert!(t.state(id).await.is_final());
    id
}

/// What is due now.
async fn due(t: &Fixture) -> Vec<(BatchId, Part)> {
    let due = t.store.due_expiries(100, t.now()).await.expect("lists");
    assert!(due.iter().all(|expiry| expiry.space == t.space));
    due.into_iter()
        .map(|expiry| (expiry.batch, expiry.part))
        .collect()
}

async fn begin(t: &Fixture, id: BatchId, part: Part) -> bool {
    let begun = t.store.begin_expiry(id, part, t.now()).await;
    begun.expect("begins")
}

async fn step(t: &Fixture, id: BatchId, part: Part, limit: u32) -> Removed {
    let removed = t.store.expire_some(id, part, limit).await;
    removed.expect("removes")
}

/// All of a part that is due, a few rows at a time. Answers how many steps that took.
async fn remove(t: &Fixture, id: BatchId, part: Part) -> u32 {
    assert!(begin(t, id, part).await, "{part} is due");
    let mut steps = 1;
    loop {
        match step(t, id, part, 3).await {
            Removed::Some => steps += 1,
            Removed::All => break,
            Removed::Nothing => panic!("somebody else removes {part}"),
        }
        assert!(steps < 100, "it does not end");
    }
    t.store.end_expiry(id, part).await.expect("ends");
    steps
}

async fn reopen(t: &Fixture, id: BatchId, dry_run: bool) -> Reopened {
    let (failed, by) = (Selection::default(), somebody());
    let reopened = t.store.reopen(&t.space, id, &failed, dry_run, &by, t.now());
    reopened.await.expect("answers")
}

/// From its end on, and in the order of their times; what nobody speaks of is never due.
pub async fn parts_are_due_when_their_time_is_over(t: Fixture) {
    let silent = ended(&t, 2, 0, |_| ()).await;
    let id = t.dispatched_as(2, short).await;
    t.advance(100 * SECOND);
    assert_eq!(due(&t).await, [], "it has not ended");
    t.record(vec![success(id, 0), success(id, 1)]).await;
    t.advance(9 * SECOND);
    assert_eq!(due(&t).await, []);
    t.advance(SECOND);
    assert_eq!(due(&t).await, [(id, Part::Inputs)]);
    t.advance(100 * SECOND);
    let all = [Part::Inputs, Part::Outputs, Part::DeadLetters, Part::Results];
    assert_eq!(due(&t).await, all.map(|part| (id, part)));
    let first = t.store.due_expiries(1, t.now()).await.expect("lists");
    assert_eq!(first.len(), 1, "no more than was asked for");
    assert_eq!(
        first[0].due_at,
        t.batch(id).await.completed_at.expect("ended") + 10 * SECOND
    );
    t.assert_consistent(silent).await;
}

/// However a batch ends.
pub async fn every_end_counts(t: Fixture) {
    let empty = t.sealed_as(0, short).await;
    let cancelled = t.sealed_as(3, short).await;
    t.done(cancelled, &Command::Cancel).await;
    t.sweep(cancelled, 9).await;
    assert_eq!(t.state(cancelled).await, BatchState::Cancelled);
    let late = t.dispatched_as(1, short).await;
    t.done(late, &Command::Cancel).await;
    t.record(vec![success(late, 0)]).await;
    t.advance(10 * SECOND);
    let mut inputs = due(&t).await;
    inputs.sort_unstable();
    let mut expected = [empty, cancelled, late].map(|id| (id, Part::Inputs));
    expected.sort_unstable();
    assert_eq!(inputs, expected);
}

/// What was sent and left out is an input, too.
pub async fn what_was_skipped_goes_with_the_inputs(t: Fixture) {
    let id = t.uploaded(inputs(0..1)).await;
    let skipped = (0..8).map(|position| SkippedItem {
        position,
        line: None,
        reason: SkipReason::Malformed,
        detail: "no".into(),
        pointer: None,
        input: "secret".into(),
    });
    let kept = t.store.skip_items(id, 0, skipped.collect()).await;
    kept.expect("keeps");
    let mut spec = super::samples::spec();
    short(&mut spec);
    t.store.seal_batch(id, spec, t.now()).await.expect("seals");
    t.sent(id, 1).await;
    t.record(vec![success(id, 0)]).await;
    t.advance(10 * SECOND);
    assert_eq!(remove(&t, id, Part::Inputs).await, 3);
    let left = t.store.skipped(&t.space, id, None, 9).await;
    assert_eq!(left.expect("reads"), []);
}

/// A few rows at a time. Items, their names and what became of them stay.
pub async fn inputs_are_removed_in_steps(t: Fixture) {
    let items = (0..8).map(|n| item(Some(&format!("c{n}")), "{\"secret\": 7}"));
    let id = t.uploaded(items.collect()).await;
    let mut spec = super::samples::spec();
    short(&mut spec);
    t.store.seal_batch(id, spec, t.now()).await.expect("seals");
    t.sent(id, 8).await;
    t.record((0..8).map(|index| success(id, index)).collect()).await;
    let other = ended(&t, 3, 0, short).await;
    let before = t.items(id).await;
    t.advance(10 * SECOND);
    assert!(!begin(&t, id, Part::Outputs).await, "these are not due");
    assert_eq!(
        step(&t, id, Part::Inputs, 3).await,
        Removed::Nothing,
        "nobody decided that"
    );
    assert!(begin(&t, id, Part::Inputs).await);
    let batch = t.batch(id).await;
    assert_eq!(
        (&*batch.expired, &*batch.expiring),
        (&[Part::Inputs][..], &[Part::Inputs][..])
    );
    assert_eq!(step(&t, id, Part::Inputs, 3).await, Removed::Some);
    let nulls = t
        .items(id)
        .await
        .iter()
        .filter(|item| item.input.as_str() == "null")
        .count();
    assert_eq!(nulls, 3, "no more than was asked for");
    assert!(begin(&t, id, Part::Inputs).await, "whoever goes on begins again");
    assert_eq!(step(&t, id, Part::Inputs, 3).await, Removed::Some);
    assert_eq!(step(&t, id, Part::Inputs, 3).await, Removed::All);
    assert_eq!(step(&t, id, Part::Inputs, 3).await, Removed::All, "again");
    for _ in 0..2 {
        t.store.end_expiry(id, Part::Inputs).await.expect("ends");
    }
    let batch = t.batch(id).await;
    assert_eq!(
        (&*batch.expired, &*batch.expiring),
        (&[Part::Inputs][..], &[][..])
    );
    let after = t.items(id).await;
    assert_eq!(after.len(), 8);
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(after.input.as_str(), "null");
        let same = flotilla_core::item::Item {
            input: before.input.clone(),
            ..after.clone()
        };
        assert_eq!(same, *before);
    }
    assert_eq!(due(&t).await, [(other, Part::Inputs)]);
    assert_ne!(t.items(other).await[0].input.as_str(), "null");
    t.assert_consistent(id).await;
}

/// The outcomes stay, without what was answered.
pub async fn outputs_are_removed_in_steps(t: Fixture) {
    let id = ended(&t, 7, 1, short).await;
    t.advance(20 * SECOND);
    assert_eq!(remove(&t, id, Part::Outputs).await, 3);
    for item in t.items(id).await {
        assert_eq!(item.output, None);
        assert!(item.finished_at.is_some());
        assert_eq!(item.error.is_some(), item.index == 0);
        assert_ne!(item.input.as_str(), "null");
    }
    assert_eq!(t.batch(id).await.expired, [Part::Outputs]);
    assert!(t.result(id).await.is_some());
    t.assert_consistent(id).await;
}

/// Failed items stay failed.
pub async fn dead_letters_are_removed_in_steps(t: Fixture) {
    let (id, other) = (ended(&t, 7, 5, short).await, ended(&t, 2, 2, |_| ()).await);
    t.advance(30 * SECOND);
    assert!(remove(&t, id, Part::DeadLetters).await >= 2);
    let left = t.store.dead_batches(&t.space, &DeadFilter::default(), 9).await;
    assert_eq!(left.expect("lists"), [(other, 2)]);
    assert_eq!(t.counts(id).await.failed, 5);
    t.assert_consistent(id).await;
    let (again, _) = t.reopen(id, &Selection::default()).await;
    assert_eq!(again, 5, "they may run again all the same");
    t.finish(id).await;
}

/// What it would run with is gone.
pub async fn without_inputs_nothing_runs_again(t: Fixture) {
    let id = ended(&t, 3, 2, short).await;
    t.advance(10 * SECOND);
    assert!(matches!(reopen(&t, id, true).await, Reopened::Done(2, _)));
    remove(&t, id, Part::Inputs).await;
    for dry_run in [true, false] {
        match reopen(&t, id, dry_run).await {
            Reopened::Forbidden(why) => assert!(why.to_string().contains("inputs"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(t.state(id).await, BatchState::Completed);
    t.assert_consistent(id).await;
}

/// What they answer then is kept as long as it would be otherwise.
pub async fn without_outputs_items_run_again(t: Fixture) {
    let only_outputs = |spec: &mut BatchSpec| {
        spec.retention.outputs = Some(20 * SECOND);
    };
    let id = ended(&t, 4, 1, only_outputs).await;
    t.advance(20 * SECOND);
    remove(&t, id, Part::Outputs).await;
    assert_eq!(due(&t).await, []);
    assert_eq!(t.reopen(id, &Selection::default()).await.0, 1);
    assert_eq!(t.sent(id, 9).await, [0]);
    t.record(vec![nth(2, success(id, 0))]).await;
    let outputs: Vec<bool> = t
        .items(id)
        .await
        .iter()
        .map(|item| item.output.is_some())
        .collect();
    assert_eq!(outputs, [true, false, false, false]);
    t.advance(20 * SECOND);
    assert_eq!(due(&t).await, [(id, Part::Outputs)]);
    remove(&t, id, Part::Outputs).await;
    assert!(t.items(id).await.iter().all(|item| item.output.is_none()));
    t.assert_consistent(id).await;
}

/// Else what is answered anew could be removed with the rest.
pub async fn while_a_part_is_removed_nothing_runs_again(t: Fixture) {
    let id = ended(&t, 3, 1, short).await;
    t.advance(30 * SECOND);
    assert!(begin(&t, id, Part::DeadLetters).await);
    match reopen(&t, id, false).await {
        Reopened::Forbidden(why) => assert!(why.to_string().contains("being removed"), "{why}"),
        other => panic!("{other:?}"),
    }
    step(&t, id, Part::DeadLetters, 9).await;
    t.store.end_expiry(id, Part::DeadLetters).await.expect("ends");
    assert_eq!(t.reopen(id, &Selection::default()).await.0, 1);
    t.finish(id).await;
}

/// Its times count from its next end.
pub async fn what_runs_again_is_kept(t: Fixture) {
    let id = ended(&t, 3, 1, short).await;
    t.advance(10 * SECOND);
    assert_eq!(due(&t).await, [(id, Part::Inputs)]);
    t.reopen(id, &Selection::default()).await;
    t.advance(100 * SECOND);
    assert_eq!(due(&t).await, []);
    for part in Part::ALL {
        assert!(!begin(&t, id, part).await, "{part}");
    }
    t.sent(id, 9).await;
    t.record(vec![nth(2, success(id, 0))]).await;
    assert_eq!(due(&t).await, []);
    t.advance(10 * SECOND);
    assert_eq!(due(&t).await, [(id, Part::Inputs)]);
    remove(&t, id, Part::Inputs).await;
}

/// It is removed as a whole.
pub async fn a_deleted_batch_has_nothing_due(t: Fixture) {
    let id = ended(&t, 3, 1, short).await;
    t.advance(100 * SECOND);
    assert!(begin(&t, id, Part::Inputs).await);
    assert_eq!(step(&t, id, Part::Inputs, 1).await, Removed::Some);
    t.done(id, &Command::Delete { force: false }).await;
    assert_eq!(due(&t).await, []);
    assert_eq!(step(&t, id, Part::Inputs, 1).await, Removed::Nothing);
    assert!(!begin(&t, id, Part::Outputs).await);
    t.store.end_expiry(id, Part::Inputs).await.expect("ends");
    while !t.store.purge(id, 2).await.expect("purges") {}
    assert!(!begin(&t, id, Part::Inputs).await);
    assert_eq!(step(&t, id, Part::Inputs, 1).await, Removed::Nothing);
    assert!(!t.store.archived(id, 1).await.expect("answers"));
}

/// Several schedulers may find the same.
pub async fn several_may_remove_a_part(t: Fixture) {
    let id = ended(&t, 200, 0, short).await;
    t.advance(20 * SECOND);
    let all = at_once(4, |_| {
        let t = t.clone();
        async move {
            let mut steps = 0;
            begin(&t, id, Part::Outputs).await;
            loop {
                match step(&t, id, Part::Outputs, 5).await {
                    Removed::Some => steps += 1,
                    Removed::All => break,
                    // Whoever is at it may be done by now.
                    Removed::Nothing if t.batch(id).await.expiring.is_empty() => return steps,
                    Removed::Nothing => {}
                }
            }
            t.store.end_expiry(id, Part::Outputs).await.expect("ends");
            steps
        }
    });
    let steps: u32 = all.await.iter().sum();
    assert_eq!(steps, 39, "no row twice; the last step is the one that ends it");
    assert!(t.items(id).await.iter().all(|item| item.output.is_none()));
    assert_eq!(t.batch(id).await.expiring, []);
    t.assert_consistent(id).await;
}

/// Nothing is lost that was to be kept.
pub async fn nothing_goes_before_its_archive(t: Fixture) {
    let archive = |spec: &mut BatchSpec| {
        short(spec);
        spec.retention.archive = Some(true);
    };
    let id = ended(&t, 3, 1, archive).await;
    t.advance(100 * SECOND);
    assert!(!begin(&t, id, Part::Inputs).await);
    assert!(!begin(&t, id, Part::Outputs).await);
    assert!(begin(&t, id, Part::DeadLetters).await, "no archive has these");
    step(&t, id, Part::DeadLetters, 9).await;
    t.store.end_expiry(id, Part::DeadLetters).await.expect("ends");
    assert!(t.batch(id).await.needs_archive(Part::Results));
    assert!(
        !t.store.archived(id, 2).await.expect("answers"),
        "it did not end twice"
    );
    assert!(t.store.archived(id, 1).await.expect("notes"));
    assert!(!t.batch(id).await.needs_archive(Part::Inputs));
    remove(&t, id, Part::Outputs).await;
    // What ran again is in no archive yet.
    t.reopen(id, &Selection::default()).await;
    assert!(!t.store.archived(id, 1).await.expect("answers"), "it runs");
    t.finish(id).await;
    t.advance(100 * SECOND);
    assert!(!begin(&t, id, Part::Inputs).await);
    assert!(t.store.archived(id, 2).await.expect("notes"));
    remove(&t, id, Part::Inputs).await;
}

/// Those that say how long they stay are not kept as others are.
pub async fn a_batch_with_an_end_of_its_own_is_kept_to_it(t: Fixture) {
    let own = ended(&t, 1, 1, short).await;
    let silent = ended(&t, 1, 0, |spec| spec.retention.inputs = Some(SECOND)).await;
    t.advance(SECOND);
    let found = |t: Fixture| async move {
        let found = t.store.ended_batches(t.now(), 9).await.expect("lists");
        found.into_iter().map(|(_, id)| id).collect::<Vec<_>>()
    };
    assert_eq!(found(t.clone()).await, [silent]);
    t.reopen(own, &Selection::default()).await;
    t.finish(own).await;
    t.advance(SECOND);
    assert_eq!(found(t.clone()).await, [silent]);
}

/// Rows that were not there when the batch ended have nothing of it.
pub async fn outputs_of_items_that_never_ran_are_no_trouble(t: Fixture) {
    let id = t.uploaded(inputs(0..9)).await;
    let mut spec = super::samples::spec();
    short(&mut spec);
    t.store.seal_batch(id, spec, t.now()).await.expect("seals");
    t.sent(id, 2).await;
    t.record(vec![success(id, 1)]).await;
    t.done(id, &Command::Cancel).await;
    t.sweep(id, 99).await;
    assert!(matches!(t.items(id).await[1].output, Some(Output::Inline(_))));
    t.advance(20 * SECOND);
    remove(&t, id, Part::Inputs).await;
    remove(&t, id, Part::Outputs).await;
    assert_eq!(t.items(id).await[1].output, None);
    t.assert_consistent(id).await;
}
