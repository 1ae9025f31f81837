//! The outbox of follow-ups.

use std::time::Duration;

use flotilla_core::batch::BatchSpec;
use flotilla_core::command::{Command, Selection};
use flotilla_core::follow_up::{On, OnComplete, follow_up_id};
use flotilla_core::ids::BatchId;
use flotilla_core::ports::store::{Created, FollowUp, NewBatch};
use flotilla_core::retry::Backoff;

use super::fixture::Fixture;
use super::samples::{at_once, failure, inputs, nth, spec, success};

fn then(on: On) -> impl FnOnce(&mut BatchSpec) {
    move |spec| {
        spec.on_complete = Some(Box::new(OnComplete {
            on,
            job_type: "sum".into(),
            pool: flotilla_core::Pool::default(),
            priority: 3,
            max_attempts: 2,
            timeout: Duration::from_secs(5),
            backoff: Backoff::default(),
            callback_timeout: None,
            retention: flotilla_core::retention::Retention::default(),
            metadata: None,
            input: None,
        }));
    }
}

/// Two items, of which the first `failed` fail.
async fn ended(t: &Fixture, on: On, failed: u32) -> BatchId {
    let id = t.dispatched_as(2, then(on)).await;
    end(t, id, failed).await;
    id
}

async fn end(t: &Fixture, id: BatchId, failed: u32) {
    let attempts = (0..2).map(|index| {
        if index < failed {
            failure(id, index, "no")
        } else {
            success(id, index)
        }
    });
    t.record(attempts.collect()).await;
}

async fn pending(t: &Fixture) -> Vec<(BatchId, u32)> {
    let pending = t.store.pending_follow_ups(100).await.expect("lists");
    assert!(pending.iter().all(|follow_up| follow_up.space == t.space));
    assert!(pending.iter().all(|follow_up| follow_up.follow_up.is_none()));
    pending
        .into_iter()
        .map(|follow_up| (follow_up.batch, follow_up.revision))
        .collect()
}

async fn created(t: &Fixture, batch: BatchId, revision: u32, follow_up: BatchId) {
    let noted = t.store.follow_up_created(batch, revision, follow_up).await;
    noted.expect("notes");
}

/// With its result, and as it ended.
pub async fn a_batch_calls_for_its_follow_up_when_it_ends(t: Fixture) {
    let silent = t.dispatched(2).await;
    end(&t, silent, 1).await;
    let running = t.dispatched_as(2, then(On::Complete)).await;
    assert_eq!(pending(&t).await, []);
    end(&t, running, 0).await;
    let mut expected = vec![(running, 1)];
    assert_eq!(pending(&t).await, expected);
    ended(&t, On::Success, 1).await;
    ended(&t, On::Failed, 0).await;
    assert_eq!(pending(&t).await, expected);
    expected.push((ended(&t, On::Success, 0).await, 1));
    expected.push((ended(&t, On::Failed, 1).await, 1));
    expected.push((ended(&t, On::Complete, 2).await, 1));
    assert_eq!(pending(&t).await, expected, "the oldest first");
    let empty = t.sealed_as(0, then(On::Complete)).await;
    expected.push((empty, 1));
    assert_eq!(pending(&t).await, expected);
    let some = t.store.pending_follow_ups(2).await.expect("lists");
    assert_eq!(some.len(), 2, "no more than was asked for");
}

/// A person wants it to end.
pub async fn a_cancelled_batch_calls_for_none(t: Fixture) {
    for on in [On::Success, On::Complete, On::Failed] {
        let id = t.dispatched_as(2, then(on)).await;
        t.record(vec![failure(id, 0, "no")]).await;
        t.done(id, &Command::Cancel).await;
        t.sweep(id, 9).await;
        assert!(t.state(id).await.is_final());
    }
    let overdue = t.dispatched_as(2, then(On::Failed)).await;
    let error = "too late".to_owned();
    t.done(overdue, &Command::Fail { error }).await;
    t.sweep(overdue, 9).await;
    assert_eq!(pending(&t).await, [(overdue, 1)], "that failed by itself");
}

/// Whoever is not sure says it again.
pub async fn what_was_created_is_not_pending(t: Fixture) {
    let id = ended(&t, On::Complete, 0).await;
    let (first, second) = (t.new_batch().id, t.new_batch().id);
    let read = |t: Fixture| async move { t.store.follow_up(&t.space, id, 1).await.expect("reads") };
    let mut expected = FollowUp {
        batch: id,
        space: t.space.clone(),
        revision: 1,
        follow_up: None,
    };
    assert_eq!(read(t.clone()).await, Some(expected.clone()));
    for _ in 0..2 {
        created(&t, id, 1, first).await;
    }
    created(&t, id, 1, second).await;
    assert_eq!(pending(&t).await, []);
    expected.follow_up = Some(first);
    assert_eq!(read(t.clone()).await, Some(expected), "the first one stays");
    assert_eq!(read(t.in_space("other")).await, None);
    let other = t.store.follow_up(&t.space, id, 2).await;
    assert_eq!(other.expect("reads"), None);
    created(&t, second, 1, first).await;
}

/// Each time that it ends, and not while it runs again.
pub async fn each_result_calls_for_one(t: Fixture) {
    let id = ended(&t, On::Complete, 1).await;
    t.reopen(id, &Selection::default()).await;
    assert_eq!(pending(&t).await, [], "it runs again");
    t.sent(id, 9).await;
    t.record(vec![nth(2, success(id, 0))]).await;
    assert_eq!(pending(&t).await, [(id, 1), (id, 2)]);
    created(&t, id, 1, t.new_batch().id).await;
    assert_eq!(pending(&t).await, [(id, 2)]);
    t.assert_consistent(id).await;
}

/// Nobody wants to know any more.
pub async fn a_deleted_batch_has_no_follow_up(t: Fixture) {
    let id = ended(&t, On::Complete, 0).await;
    t.done(id, &Command::Delete { force: false }).await;
    assert_eq!(pending(&t).await, []);
    assert_eq!(t.store.follow_up(&t.space, id, 1).await.expect("reads"), None);
    while !t.store.purge(id, 9).await.expect("purges") {}
    created(&t, id, 1, t.new_batch().id).await;
    let by_force = t.dispatched_as(2, then(On::Complete)).await;
    t.done(by_force, &Command::Delete { force: true }).await;
    end(&t, by_force, 0).await;
    assert_eq!(pending(&t).await, []);
}

/// However often that is attempted, at once or after a crash.
pub async fn a_follow_up_is_created_once(t: Fixture) {
    let id = ended(&t, On::Complete, 0).await;
    let at = t.result(id).await.expect("has ended").created_at;
    let all = at_once(4, |_| {
        let t = t.clone();
        async move {
            let follow_up = follow_up_id(id, 1, at);
            let new = NewBatch {
                id: follow_up,
                space: t.space.clone(),
                idempotency_key: None,
                created_at: t.now(),
            };
            let created = t.store.create_batch(new, inputs(0..1), spec(), t.now()).await;
            // The last of them may be the only one that lives to note it.
            t.store.follow_up_created(id, 1, follow_up).await.expect("notes");
            matches!(created.expect("creates"), Created::New(_))
        }
    });
    let new: Vec<bool> = all.await.into_iter().filter(|new| *new).collect();
    assert_eq!(new, [true]);
    let follow_up = follow_up_id(id, 1, at);
    assert_eq!(t.items(follow_up).await.len(), 1);
    assert_eq!(pending(&t).await, []);
    t.finish(follow_up).await;
}
