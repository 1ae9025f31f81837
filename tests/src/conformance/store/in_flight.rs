//! What messages stand for, and messages that are lost.

use std::time::Duration;

use flotilla_core::batch::BatchState;
use flotilla_core::command::Command;
use flotilla_core::ids::{BatchId, ItemIndex};
use flotilla_core::ports::store::{InFlight, Known, Resend, Sent};

use super::fixture::{Fixture, LEASE};
use super::samples::{attempts, indexes, leased, lost, nth, released, retry, success, waiting};

const EVERYTHING: u32 = 1_000_000;

impl Fixture {
    /// What is in flight of a batch, in order; nothing where it is not under way.
    pub async fn in_flight(&self, id: BatchId, known: &[Known]) -> InFlight {
        let mut all = self.listed(known, EVERYTHING).await;
        all.retain(|of_batch| of_batch.batch == id);
        let mut found = all.pop().unwrap_or(InFlight {
            batch: id,
            pool: "default".parse().expect("a pool"),
            seen: 0,
            items: Vec::new(),
        });
        found.items.sort_unstable();
        found
    }

    async fn listed(&self, known: &[Known], limit: u32) -> Vec<InFlight> {
        self.store
            .in_flight(known, limit)
            .await
            .expect("lists what is in flight")
    }

    /// Dispatches items again that were found lost.
    pub async fn resend(&self, id: BatchId, lost: &[Sent], rest: Duration) -> u32 {
        let due_at = self.now() + rest;
        let lost: Vec<_> = lost.iter().map(|&sent| Resend { sent, due_at }).collect();
        self.store.resend(id, &lost).await.expect("dispatches again")
    }
}

/// What a look leaves to the next one.
#[must_use]
pub fn known(look: &InFlight) -> Known {
    let first = look.items.iter().filter(|sent| sent.first);
    Known {
        batch: look.batch,
        seen: look.seen,
        items: first.map(|sent| sent.index).collect(),
    }
}

fn of(look: &InFlight) -> Vec<ItemIndex> {
    look.items.iter().map(|sent| sent.index).collect()
}

/// Dispatched, and neither settled nor due nor under a lease: those under a claim are marked.
pub async fn what_is_in_flight_is_listed(t: Fixture) {
    let id = t.sealed_as(20, |spec| spec.max_attempts = 3).await;
    assert_eq!(t.in_flight(id, &[]).await.items, []);
    t.sent(id, 8).await;
    let claimed = t.claim(id, 2).await;
    t.record(vec![
        success(id, 0),
        retry(id, 1, "busy"),
        leased(id, 2, Duration::from_secs(600)),
        waiting(id, 3),
        released(id, 4),
        lost(id, 5),
    ])
    .await;
    let look = t.in_flight(id, &[]).await;
    assert_eq!((of(&look), look.seen), (vec![6, 7, 8, 9], 10));
    assert!(look.items.iter().all(|sent| sent.first && sent.attempt == 1));
    let held: Vec<_> = look.items.iter().filter(|sent| sent.claimed).collect();
    assert_eq!(held.len(), 2, "{look:?}");
    t.publish(&claimed).await;

    t.advance(Duration::from_secs(60));
    let again = t.claim_of(id, 2, 1).await;
    t.publish(&again).await;
    let look = t.in_flight(id, &[known(&look)]).await;
    assert_eq!(of(&look), [1, 4, 5, 6, 7, 8, 9]);
    let [retried, returned, suspect] = &look.items[..3] else {
        panic!("{look:?}");
    };
    assert_eq!(
        (retried.attempt, retried.first, retried.isolated),
        (2, false, false)
    );
    assert_eq!((returned.attempt, returned.first), (1, false));
    assert_eq!((suspect.attempt, suspect.isolated), (2, true));
    assert!(look.items.iter().all(|sent| !sent.claimed && sent.resends == 0));
    t.finish(id).await;
}

/// A look costs what is in flight: what is known is named, and the rest was dispatched since.
pub async fn a_look_goes_on_where_the_last_one_ended(t: Fixture) {
    let id = t.sealed(30).await;
    t.sent(id, 10).await;
    t.record((0..8).map(|index| success(id, index)).collect()).await;
    let look = t.in_flight(id, &[]).await;
    assert_eq!((of(&look), look.seen), (vec![8, 9], 10));
    t.sent(id, 5).await;
    t.record(vec![success(id, 8), success(id, 12)]).await;
    let next = t.in_flight(id, &[known(&look)]).await;
    assert_eq!((of(&next), next.seen), (vec![9, 10, 11, 13, 14], 15));
    assert_eq!(t.in_flight(id, &[]).await, next, "as if nothing was known");

    let limited = t.listed(&[], 4).await;
    let limited = limited.iter().find(|look| look.batch == id).expect("is there");
    assert_eq!((of(limited), limited.seen), (vec![], 4), "no more than it may");
    let limited = t.listed(&[known(&look)], 3).await;
    let limited = limited.iter().find(|look| look.batch == id).expect("is there");
    assert_eq!(limited.seen, 13);
}

/// Batches of every space that are under way, and no others.
pub async fn only_batches_under_way_are_looked_at(t: Fixture) {
    let (idle, ended) = (t.sealed(3).await, t.dispatched(1).await);
    t.record(vec![success(ended, 0)]).await;
    let (here, paused) = (t.dispatched(2).await, t.dispatched(2).await);
    t.done(paused, &Command::Pause).await;
    let there = t.in_space("elsewhere").dispatched(1).await;
    let halted = t.dispatched(2).await;
    t.done(halted, &Command::Cancel).await;
    let found: Vec<_> = t
        .listed(&[], EVERYTHING)
        .await
        .into_iter()
        .map(|look| (look.batch, look.items.len()))
        .collect();
    for (id, items) in [(here, 2), (paused, 2), (there, 1)] {
        assert!(found.contains(&(id, items)), "{found:?}");
    }
    for id in [idle, ended, halted] {
        assert!(found.iter().all(|(found, _)| *found != id), "{found:?}");
    }
}

/// It is due when that was said, goes out as the attempt that it was, and is counted once.
pub async fn what_is_lost_goes_out_again(t: Fixture) {
    let id = t.dispatched_as(4, |spec| spec.max_attempts = 3).await;
    t.record(vec![success(id, 0), retry(id, 1, "busy")]).await;
    t.advance(Duration::from_secs(60));
    t.sent(id, 4).await;
    let before = t.batch(id).await.version;
    let look = t.in_flight(id, &[]).await;
    assert_eq!(of(&look), [1, 2, 3]);
    assert_eq!(t.resend(id, &look.items[..2], Duration::from_secs(10)).await, 2);
    assert!(t.batch(id).await.version > before);
    let counts = t.counts(id).await;
    assert_eq!((counts.pending, counts.queued, counts.succeeded), (2, 1, 1));
    t.assert_consistent(id).await;
    assert_eq!(of(&t.in_flight(id, &[known(&look)]).await), [3]);
    assert_eq!(indexes(&t.claim(id, 9).await), NONE, "not before it is due");
    t.advance(Duration::from_secs(10));
    let again = t.claim(id, 9).await;
    assert_eq!(attempts(&again), [(1, 2), (2, 1)]);
    t.publish(&again).await;
    let look = t.in_flight(id, &[known(&look)]).await;
    let resends: Vec<_> = look
        .items
        .iter()
        .map(|sent| (sent.index, sent.attempt, sent.resends))
        .collect();
    assert_eq!(resends, [(1, 2, 1), (2, 1, 1), (3, 1, 0)]);
    let audit = t.store.audit(&t.space, id).await.expect("audits");
    assert_eq!(audit.expect("is there").rows.resent, 2);
    t.record(vec![success(id, 2), success(id, 3), nth(2, success(id, 1))])
        .await;
    assert_eq!(t.state(id).await, BatchState::Completed);
    t.assert_consistent(id).await;
}

const NONE: [ItemIndex; 0] = [];

/// Whoever comes second finds nothing to do: of several schedulers that found the same, one sends.
pub async fn what_is_lost_is_sent_once(t: Fixture) {
    let id = t.dispatched(3).await;
    let look = t.in_flight(id, &[]).await;
    assert_eq!(t.resend(id, &look.items, Duration::ZERO).await, 3);
    assert_eq!(t.resend(id, &look.items, Duration::ZERO).await, 0, "they wait");
    t.sent(id, 9).await;
    assert_eq!(
        t.resend(id, &look.items, Duration::ZERO).await,
        0,
        "they went out"
    );
    let next = t.in_flight(id, &[]).await;
    assert_eq!(
        t.resend(id, &next.items, Duration::ZERO).await,
        3,
        "lost once more"
    );
    assert_eq!(t.resend(id, &next.items, Duration::ZERO).await, 0);
    t.finish(id).await;
    assert_eq!(t.resend(id, &next.items, Duration::ZERO).await, 0, "it has ended");
    assert_eq!(t.resend(id, &look.items, Duration::ZERO).await, 0);
    assert_eq!(t.resend(id, &[], Duration::ZERO).await, 0);
}

/// Something was heard of it after all.
pub async fn what_moved_since_is_not_sent_again(t: Fixture) {
    let id = t.dispatched_as(8, |spec| spec.max_attempts = 3).await;
    let look = t.in_flight(id, &[]).await;
    t.record(vec![
        success(id, 0),
        retry(id, 1, "busy"),
        leased(id, 2, Duration::from_secs(600)),
        waiting(id, 3),
        released(id, 4),
    ])
    .await;
    assert_eq!(t.resend(id, &look.items[..5], Duration::ZERO).await, 0);
    t.advance(Duration::from_secs(60));
    t.claim(id, 1).await;
    assert_eq!(
        t.resend(id, &look.items[..5], Duration::ZERO).await,
        0,
        "under a claim"
    );
    t.assert_consistent(id).await;
    assert_eq!(t.resend(id, &look.items, Duration::ZERO).await, 3);
    t.advance(LEASE * 2);
    t.finish(id).await;
}

/// Its outcome comes late, and it is not dispatched again.
pub async fn a_late_outcome_ends_a_resend(t: Fixture) {
    let id = t.dispatched(2).await;
    let look = t.in_flight(id, &[]).await;
    assert_eq!(t.resend(id, &look.items, Duration::ZERO).await, 2);
    t.record(vec![success(id, 0), success(id, 1)]).await;
    assert_eq!(t.state(id).await, BatchState::Completed);
    t.assert_consistent(id).await;
}

/// Oldest first, of every space; not those that are being removed.
pub async fn batches_that_ended_long_ago_are_found(t: Fixture) {
    let ended = |t: Fixture| async move {
        let id = t.dispatched(1).await;
        t.record(vec![success(id, 0)]).await;
        t.advance(Duration::from_secs(60));
        id
    };
    let first = ended(t.clone()).await;
    let removed = ended(t.clone()).await;
    t.done(removed, &Command::Delete { force: false }).await;
    let second = ended(t.in_space("elsewhere")).await;
    t.dispatched(1).await;
    let before = t.now() - Duration::from_secs(30);
    let third = ended(t.clone()).await;
    let found = t.store.ended_batches(before, 10).await.expect("lists");
    let found: Vec<_> = found.into_iter().map(|(_, id)| id).collect();
    assert_eq!(found, [first, second]);
    let found = t.store.ended_batches(t.now(), 1).await.expect("lists");
    assert_eq!(found, [(t.space.clone(), first)]);
    let found = t.store.ended_batches(t.now(), 10).await.expect("lists");
    assert!(found.iter().any(|(_, id)| *id == third));
}
