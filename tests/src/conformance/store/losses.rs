//! Items that come back without having been run.

use flotilla_core::command::Command;
use flotilla_core::item::ItemState;
use flotilla_core::outcome::ItemErrorKind;
use flotilla_core::place::{MAX_LOSSES, Whereabouts};

use super::fixture::{Fixture, LEASE};
use super::samples::{attempts, cancelled, items_of, lost, nth, released, retry, success};

/// It counts as pending, and goes out again before items that never did, as the attempt that it was.
pub async fn what_is_given_back_goes_out_first(t: Fixture) {
    let id = t.sealed(6).await;
    t.sent(id, 3).await;
    let changed = t.record(vec![released(id, 1)]).await;
    assert_eq!((changed[0].counts.pending, changed[0].counts.queued), (4, 2));
    assert_eq!(t.place(id, 1).await.at, Whereabouts::Returned);
    t.assert_consistent(id).await;
    let claims = t.claim(id, 2).await;
    assert_eq!(attempts(&claims), [(1, 1), (3, 1)]);
    assert!(items_of(&claims).all(|item| !item.isolated && item.last_attempt == 3));
    t.publish(&claims).await;
    t.finish(id).await;
}

/// As often as it is told, until it goes out again.
pub async fn given_back_twice_is_given_back_once(t: Fixture) {
    let id = t.dispatched(2).await;
    let once = t.record(vec![released(id, 0), released(id, 0)]).await;
    let twice = t.record(vec![released(id, 0)]).await;
    assert_eq!(twice[0].version, once[0].version);
    assert_eq!(attempts(&t.claim(id, 9).await), [(0, 1)]);
    assert_eq!(t.claim(id, 9).await, []);
    t.record(vec![success(id, 0), success(id, 1)]).await;
    t.assert_consistent(id).await;
}

/// It had been run after all.
pub async fn what_is_given_back_may_still_succeed(t: Fixture) {
    let id = t.dispatched(2).await;
    t.record(vec![released(id, 0)]).await;
    t.record(vec![success(id, 0)]).await;
    assert_eq!(t.claim(id, 9).await, []);
    assert_eq!(t.counts(id).await.succeeded, 1);
    t.finish(id).await;
}

/// A pause brings back what has not started, without a trace.
pub async fn a_paused_batch_takes_back_what_has_not_started(t: Fixture) {
    let id = t.sealed(5).await;
    t.sent(id, 3).await;
    t.done(id, &Command::Pause).await;
    t.record(vec![success(id, 0), released(id, 1), released(id, 2)])
        .await;
    let counts = t.counts(id).await;
    assert_eq!((counts.succeeded, counts.pending, counts.queued), (1, 4, 0));
    t.done(id, &Command::Resume).await;
    assert_eq!(attempts(&t.claim(id, 9).await), [(1, 1), (2, 1), (3, 1), (4, 1)]);
}

/// Its worker had old news: its batch goes on.
pub async fn cancelled_in_a_batch_that_goes_on_is_given_back(t: Fixture) {
    let id = t.dispatched(1).await;
    t.record(vec![cancelled(id, 0)]).await;
    assert_eq!(t.counts(id).await.pending, 1);
    t.finish(id).await;
    assert_eq!(t.item(id, 0).await.state, ItemState::Succeeded);
}

/// Somebody has to want it; then it is told that it runs alone.
pub async fn a_suspect_is_sent_to_run_alone(t: Fixture) {
    let id = t.dispatched(3).await;
    t.record(vec![lost(id, 1), released(id, 2)]).await;
    assert_eq!(t.counts(id).await.pending, 2);
    assert_eq!(attempts(&t.claim_of(id, 9, 0).await), [(2, 1)]);
    let claims = t.claim_of(id, 9, 9).await;
    assert_eq!(attempts(&claims), [(1, 2)]);
    let item = items_of(&claims).next().expect("one");
    assert_eq!(
        (item.isolated, item.last_attempt),
        (true, 4),
        "the loss cost no attempt"
    );
    assert_eq!(t.place(id, 1).await.losses, 1);
    t.publish(&claims).await;
    t.finish(id).await;
}

/// Whatever happens to it later.
pub async fn a_suspect_stays_one(t: Fixture) {
    let id = t.dispatched(1).await;
    t.record(vec![lost(id, 0)]).await;
    t.publish(&t.claim_of(id, 0, 1).await).await;
    t.record(vec![nth(2, retry(id, 0, "busy"))]).await;
    t.advance(super::samples::REST);
    assert_eq!(t.claim_of(id, 9, 0).await, []);
    let claims = t.claim_of(id, 0, 1).await;
    assert!(items_of(&claims).all(|item| item.isolated && item.attempt == 3));
    t.advance(LEASE * 2);
    let taken = t.take_over().await;
    assert!(items_of(&taken).all(|item| item.isolated && item.attempt == 3));
    t.publish(&taken).await;
    assert_eq!(t.redispatch(id).await, 1);
    assert_eq!(t.claim_of(id, 9, 0).await, []);
    assert_eq!(attempts(&t.claim_of(id, 0, 1).await), [(0, 3)]);
    assert_eq!(t.place(id, 0).await.losses, 1);
    t.finish(id).await;
}

/// Then it is given up on: nobody lived to say why.
pub async fn an_item_is_lost_so_often_and_no_more(t: Fixture) {
    let id = t.dispatched(2).await;
    for loss in 1..MAX_LOSSES {
        t.record(vec![nth(loss, lost(id, 0))]).await;
        assert_eq!(t.place(id, 0).await.losses, loss);
        assert_eq!(attempts(&t.claim_of(id, 0, 1).await), [(0, loss + 1)]);
    }
    let changed = t.record(vec![nth(MAX_LOSSES, lost(id, 0))]).await;
    assert_eq!(changed[0].counts.failed, 1);
    let item = t.item(id, 0).await;
    let kind = item.error.expect("it says why").kind;
    assert_eq!((item.state, kind), (ItemState::Failed, ItemErrorKind::WorkerLost));
    t.finish(id).await;
}

/// Told again after the item went out again: it is not another loss.
pub async fn a_loss_told_twice_is_one(t: Fixture) {
    let id = t.dispatched(1).await;
    t.record(vec![lost(id, 0), lost(id, 0)]).await;
    for _ in 0..MAX_LOSSES {
        t.publish(&t.claim_of(id, 0, 1).await).await;
        t.record(vec![lost(id, 0)]).await;
        assert_eq!(t.place(id, 0).await.losses, 1);
    }
    t.finish(id).await;
    assert_eq!(t.item(id, 0).await.state, ItemState::Succeeded);
}
