//! Attempts that fail and are followed by another.

use std::time::Duration;

use flotilla_core::attempt::Attempt;
use flotilla_core::dead_letter::DeadFilter;
use flotilla_core::item::ItemState;
use flotilla_core::message::Verdict;
use flotilla_core::outcome::{Ending, ItemErrorKind};
use flotilla_core::place::{Place, Whereabouts};

use super::fixture::{Fixture, LEASE};
use super::samples::{REST, attempts, error, failure, items_of, nth, retry, success, told};

/// It rests as long as the backoff of its batch says, and goes out as its second attempt.
pub async fn a_failed_attempt_is_repeated_when_it_is_due(t: Fixture) {
    let id = t.dispatched(3).await;
    let changed = t.record(vec![retry(id, 1, "busy")]).await;
    assert_eq!((changed[0].counts.retrying, changed[0].counts.queued), (1, 2));
    let due = t.supply(id).await.next_due.expect("it is due at some time");
    assert!(t.now() < due && due <= t.now() + REST, "{due}");
    assert_eq!(t.claim(id, 9).await, []);
    t.advance(REST);
    let claims = t.claim(id, 9).await;
    assert_eq!(attempts(&claims), [(1, 2)]);
    let item = items_of(&claims).next().expect("one");
    assert_eq!((item.last_attempt, item.isolated), (3, false));
    assert_eq!(item.input.as_str(), r#"{"n": 1}"#);
    t.assert_consistent(id).await;
    t.publish(&claims).await;
    t.finish(id).await;
}

/// A handler that says when is listened to.
pub async fn a_handler_may_put_a_retry_off(t: Fixture) {
    let id = t.dispatched(1).await;
    let verdict = Verdict::Retry {
        error: error("HTTP 503"),
        after_ms: Some(120_000),
    };
    t.record(vec![told(id, 0, verdict)]).await;
    t.advance(Duration::from_secs(119));
    assert_eq!(t.claim(id, 9).await, []);
    t.advance(Duration::from_secs(1) + REST);
    assert_eq!(attempts(&t.claim(id, 9).await), [(0, 2)]);
}

/// Whatever became due first, and all of it before items that were never sent.
pub async fn due_items_go_before_new_ones(t: Fixture) {
    let id = t.sealed(10).await;
    t.sent(id, 4).await;
    t.record(vec![retry(id, 2, "busy"), retry(id, 0, "busy")]).await;
    t.advance(REST);
    let mut first = attempts(&t.claim(id, 3).await);
    first[..2].sort_unstable();
    assert_eq!(first, [(0, 2), (2, 2), (4, 1)]);
}

/// Told again in a later call, or after it went out again.
pub async fn a_retry_told_twice_is_one(t: Fixture) {
    let id = t.dispatched(2).await;
    let once = t.record(vec![retry(id, 0, "busy")]).await;
    let due = t.supply(id).await.next_due;
    t.advance(Duration::from_millis(1));
    let twice = t.record(vec![retry(id, 0, "busy"), retry(id, 0, "busy")]).await;
    assert_eq!(twice[0].version, once[0].version);
    assert_eq!(t.supply(id).await.next_due, due);
    t.advance(REST);
    t.sent(id, 9).await;
    let late = t.record(vec![retry(id, 0, "busy")]).await;
    assert_eq!(late[0].counts.queued, 2, "the second attempt is under way");
    assert_eq!(t.place(id, 0).await.attempt, 2);
    t.assert_consistent(id).await;
    t.finish(id).await;
}

/// After its last attempt it is given up on, with what that attempt said.
pub async fn an_item_has_so_many_attempts(t: Fixture) {
    let id = t.dispatched(1).await;
    for attempt in 1..=2 {
        t.record(vec![nth(attempt, retry(id, 0, "busy"))]).await;
        t.advance(REST);
        assert_eq!(t.sent(id, 9).await, [0]);
    }
    let ended = t.record(vec![nth(3, retry(id, 0, "still busy"))]).await;
    assert_eq!((ended[0].counts.failed, ended[0].state.is_final()), (1, true));
    let item = t.item(id, 0).await;
    assert_eq!((item.state, item.attempts), (ItemState::Failed, 3));
    assert_eq!(item.error, Some(error("still busy")));
    let dead = t.store.dead_letters(&t.space, &DeadFilter::default(), 9).await;
    let dead = dead.expect("lists dead letters");
    assert_eq!((dead.len(), dead[0].attempts), (1, 3));
    t.assert_consistent(id).await;
}

/// A permanent failure is not repeated.
pub async fn a_permanent_failure_ends_an_item_at_once(t: Fixture) {
    let id = t.dispatched(2).await;
    t.record(vec![failure(id, 0, "no")]).await;
    t.advance(REST);
    assert_eq!(t.claim(id, 9).await, []);
    assert_eq!(t.item(id, 0).await.state, ItemState::Failed);
}

/// The work is done: nobody does it again.
pub async fn success_of_an_earlier_attempt_counts(t: Fixture) {
    let id = t.dispatched(3).await;
    t.record((0..3).map(|index| retry(id, index, "busy")).collect())
        .await;
    let changed = t.record(vec![success(id, 0)]).await;
    assert_eq!((changed[0].counts.retrying, changed[0].counts.succeeded), (2, 1));
    t.advance(REST);
    assert_eq!(attempts(&t.claim(id, 1).await).len(), 1);
    let rest = t.record(vec![success(id, 1), success(id, 2)]).await;
    assert!(rest[0].state.is_final(), "one was due and one was under way");
    t.assert_consistent(id).await;
    assert!(t.claim(id, 9).await.is_empty());
}

/// Failure of an earlier attempt is known; another verdict on one that was never made is a lie.
pub async fn only_the_attempt_under_way_can_fail(t: Fixture) {
    let id = t.dispatched(2).await;
    t.record(vec![retry(id, 0, "busy")]).await;
    t.advance(REST);
    t.sent(id, 9).await;
    let before = t.batch(id).await;
    let after = t
        .record(vec![
            failure(id, 0, "late"),
            nth(3, success(id, 0)),
            nth(2, success(id, 1)),
            nth(2, retry(id, 1, "early")),
        ])
        .await;
    assert_eq!(
        (after[0].version, after[0].counts),
        (before.version, before.counts)
    );
}

/// What an item went through can be read, in its order; the last attempt is its outcome.
pub async fn failed_attempts_are_remembered(t: Fixture) {
    let id = t.dispatched(2).await;
    let first = retry(id, 1, "busy 'a'\n漢");
    t.record(vec![first.clone()]).await;
    t.advance(REST);
    t.sent(id, 9).await;
    let second = Attempt {
        duration_us: 77,
        worker: None,
        ..nth(2, retry(id, 1, "gone"))
    };
    t.record(vec![second.clone(), first.clone()]).await;
    let tried = t.store.tried(&t.space, id, 1).await.expect("reads");
    for (tried, attempt) in tried.iter().zip([&first, &second]) {
        assert_eq!(
            (tried.index, tried.attempt, tried.started_at, tried.duration_us),
            (1, attempt.attempt, attempt.started_at, attempt.duration_us)
        );
        assert_eq!(tried.worker, attempt.worker);
    }
    let said: Vec<_> = tried.iter().map(|tried| tried.error.message.as_str()).collect();
    assert_eq!(said, ["busy 'a'\n漢", "gone"]);
    assert_eq!(tried[0].error.kind, ItemErrorKind::Handler);
    for (space, index) in [(&t.space, 0), (&t.space, 9), (&t.in_space("other").space, 1)] {
        assert_eq!(t.store.tried(space, id, index).await.expect("reads"), []);
    }
    t.finish(id).await;
    assert_eq!(t.store.tried(&t.space, id, 1).await.expect("reads").len(), 2);
}

/// While it rests, an item says what its last attempt said.
pub async fn a_resting_item_says_why(t: Fixture) {
    let id = t.dispatched(1).await;
    t.record(vec![retry(id, 0, "busy")]).await;
    let item = t.item(id, 0).await;
    assert_eq!((item.state, item.attempts), (ItemState::Retrying, 1));
    assert_eq!((item.error, item.finished_at), (Some(error("busy")), None));
    t.advance(REST);
    t.sent(id, 9).await;
    let item = t.item(id, 0).await;
    assert_eq!((item.state, item.attempts), (ItemState::Queued, 2));
}

/// Where an item is: an attempt that is due, under way, lost, due again.
pub async fn a_second_attempt_survives_the_loss_of_a_broker(t: Fixture) {
    let id = t.dispatched(1).await;
    let place = |attempt, at| Place {
        attempt,
        last_attempt: 3,
        losses: 0,
        at,
    };
    assert_eq!(t.place(id, 0).await, place(1, Whereabouts::Dispatched));
    t.record(vec![retry(id, 0, "busy")]).await;
    assert_eq!(t.place(id, 0).await, place(2, Whereabouts::Retrying));
    t.advance(REST);
    t.sent(id, 9).await;
    assert_eq!(t.place(id, 0).await, place(2, Whereabouts::Dispatched));
    assert_eq!(t.redispatch(id).await, 1);
    assert_eq!(t.place(id, 0).await, place(2, Whereabouts::Returned));
    assert_eq!(attempts(&t.claim(id, 9).await), [(0, 2)]);
    t.record(vec![nth(2, success(id, 0))]).await;
    assert_eq!(t.place(id, 0).await, place(2, Whereabouts::Settled));
    t.assert_consistent(id).await;
}

/// What rests is not lost.
pub async fn items_that_rest_are_not_redispatched(t: Fixture) {
    let id = t.dispatched(3).await;
    t.record(vec![retry(id, 1, "busy")]).await;
    assert_eq!(t.redispatch(id).await, 2);
    assert_eq!(t.counts(id).await.retrying, 1);
    assert_eq!(attempts(&t.claim(id, 9).await), [(0, 1), (2, 1)]);
}

/// Their publisher died; they had been published before that, and came back.
pub async fn items_that_came_back_are_not_taken_over(t: Fixture) {
    let id = t.sealed(6).await;
    t.claim(id, 6).await;
    t.record(vec![
        retry(id, 0, "busy"),
        success(id, 1),
        super::samples::released(id, 2),
        super::samples::waiting(id, 3),
        super::samples::leased(id, 4, LEASE * 10),
    ])
    .await;
    t.advance(LEASE * 2);
    assert_eq!(attempts(&t.take_over().await), [(5, 1)]);
}

/// A second attempt whose publisher died is published as the second attempt.
pub async fn a_second_attempt_is_taken_over_as_one(t: Fixture) {
    let id = t.dispatched(2).await;
    t.record(vec![retry(id, 0, "busy")]).await;
    t.advance(REST);
    let claimed = t.claim(id, 9).await;
    t.advance(LEASE * 2);
    let taken = t.take_over().await;
    assert_eq!(attempts(&taken), [(0, 2)]);
    assert_eq!(taken[0].items, claimed[0].items);
}

/// A dead letter does not outlive what it says: the outcome is that of the rows.
pub async fn the_outcome_is_that_of_the_attempt_that_ended_it(t: Fixture) {
    let id = t.dispatched(1).await;
    t.record(vec![retry(id, 0, "busy"), success(id, 0)]).await;
    let item = t.item(id, 0).await;
    assert_eq!(
        (item.state, item.error, item.attempts),
        (ItemState::Succeeded, None, 1)
    );
    let done = Ending::Succeeded(item.output.expect("it has one"));
    assert_eq!(done.state(), ItemState::Succeeded);
    t.assert_consistent(id).await;
}
