//! A batch in a store, and the same in memory.

use std::collections::BTreeSet;
use std::time::Duration;

use flotilla_core::batch::{Batch, BatchState, Counts};
use flotilla_core::command::{Command, Selection};
use flotilla_core::ids::{BatchId, ItemIndex};
use flotilla_core::item::{Item, ItemState};
use flotilla_core::outcome::{Ending, Outcome};
use flotilla_core::place::Whereabouts;
use flotilla_core::ports::store::{Claim, Known, Reopened, Sent, Steered};

use super::model::Model;
use super::steps::{Step, spec};
use crate::conformance::store::fixture::{Fixture, LEASE, somebody};
use crate::conformance::store::in_flight::known;
use crate::conformance::store::samples::{error, indexes, items_of, nth};

const ITEMS: u32 = 14;

/// Both of them.
pub(super) struct Walker<'a> {
    t: &'a Fixture,
    id: BatchId,
    model: Model,
    /// Claims that nobody ended.
    claims: Vec<Claim>,
    /// Messages that were ever with the broker: item and attempt.
    messages: Vec<(ItemIndex, u16)>,
    /// What the last look at what is in flight left to the next.
    looked: Vec<Known>,
    /// Versions when they were last compared.
    version: u64,
    shown: Shown,
}

impl<'a> Walker<'a> {
    pub(super) async fn new(t: &'a Fixture) -> Self {
        let id = t.sealed_as(ITEMS, |what| *what = spec()).await;
        let batch = t.batch(id).await;
        let model = Model::sealed(id, t.space.clone(), spec(), ITEMS, batch.created_at);
        Self {
            t,
            id,
            version: batch.version,
            shown: shown(&batch),
            model,
            claims: Vec::new(),
            messages: Vec::new(),
            looked: Vec::new(),
        }
    }

    pub(super) async fn take(&mut self, step: &Step) {
        let (t, id, now) = (self.t, self.id, self.t.now());
        match step {
            Step::Claim { items, suspects } => self.claim(*items, *suspects).await,
            Step::Publish(nth) => self.publish(*nth).await,
            Step::TakeOver => self.take_over().await,
            Step::Tell { from, verdicts } => {
                let told = verdicts.iter().enumerate().filter_map(|(n, does)| {
                    let message = from.wrapping_add(n).checked_rem(self.messages.len())?;
                    let (index, attempt) = self.messages[message];
                    Some(nth(attempt, does.told(id, index)))
                });
                let told: Vec<_> = told.collect();
                t.record(told.clone()).await;
                self.model.record(told, now);
            }
            Step::Redispatch => {
                let held: BTreeSet<_> = indexes(&self.claims).into_iter().collect();
                let lost = t.redispatch(id).await;
                assert_eq!(lost, self.model.redispatch(&held, now), "redispatched");
            }
            Step::Resend => self.resend().await,
            Step::ExpireLeases => self.expire_leases().await,
            Step::Pass(time) => t.advance(*time),
            Step::Do(command) => self.command(command).await,
            Step::Sweep { by_force } => self.sweep(*by_force).await,
            Step::Reopen {
                states,
                one_in,
                same_error,
            } => self.reopen(states, *one_in, *same_error).await,
        }
    }

    /// Due ones first, in any order, then the next ones, as many as the limits allow.
    async fn claim(&mut self, items: u32, suspects: u32) {
        let now = self.t.now();
        let expected = self.model.clone().claim(items, suspects, now);
        let claims = self.t.claim_of(self.id, items, suspects).await;
        let alone = |isolated: bool| {
            let claimed = items_of(&claims).filter(|item| item.isolated == isolated).count();
            let expected = expected.iter().filter(|sent| sent.isolated == isolated).count();
            (claimed, expected)
        };
        for (claimed, expected) in [alone(true), alone(false)] {
            assert_eq!(claimed, expected, "of {items} and {suspects}");
        }
        for item in indexes(&claims) {
            assert!(
                self.model.due.get(&item).is_none_or(|due| *due <= now),
                "{item} rests"
            );
        }
        let sent = self.model.dispatch(&indexes(&claims), now);
        for (item, sent) in items_of(&claims).zip(sent) {
            let last = self.model.place(item.index).last_attempt;
            assert_eq!(
                (item.attempt, item.isolated, item.last_attempt),
                (sent.attempt, sent.isolated, last)
            );
            assert_eq!(item.input.as_str(), format!(r#"{{"n": {}}}"#, item.index));
        }
        assert!(claims.iter().all(|claim| claim.epoch == self.model.record.epoch));
        self.claims.extend(claims);
    }

    async fn publish(&mut self, nth: usize) {
        if let Some(nth) = nth.checked_rem(self.claims.len()) {
            let claim = self.claims.remove(nth);
            self.t.publish(std::slice::from_ref(&claim)).await;
            let items = items_of(std::slice::from_ref(&claim));
            self.messages.extend(items.map(|item| (item.index, item.attempt)));
        }
    }

    /// Only what is still dispatched.
    async fn take_over(&mut self) {
        self.t.advance(LEASE * 2);
        let mut taken = self.t.take_over().await;
        taken.retain(|claim| claim.batch == self.id);
        for item in items_of(&taken) {
            let place = self.model.place(item.index);
            assert_eq!((place.at, place.attempt), (Whereabouts::Dispatched, item.attempt));
        }
        let found: BTreeSet<_> = indexes(&taken).into_iter().collect();
        let held: BTreeSet<_> = indexes(&self.claims)
            .into_iter()
            .filter(|index| self.model.place(*index).at == Whereabouts::Dispatched)
            .collect();
        assert!(found.is_subset(&held), "{found:?} of {held:?}");
        // What came back and went out again under another claim is with that one.
        let once =
            |index: &ItemIndex| indexes(&self.claims).iter().filter(|held| *held == index).count() == 1;
        let missing: Vec<_> = held.difference(&found).filter(|index| once(index)).collect();
        for index in missing {
            assert!(
                self.messages.iter().any(|(sent, _)| sent == index),
                "{index} is held by nobody"
            );
        }
        self.claims = taken;
    }

    /// Each look finds the same whatever is known; what is under a claim is on its way.
    async fn resend(&mut self) {
        let (t, id, now) = (self.t, self.id, self.t.now());
        let look = t.in_flight(id, &self.looked).await;
        assert_eq!(look.items, t.in_flight(id, &[]).await.items, "{:?}", self.looked);
        let under_way = matches!(
            self.model.record.state,
            BatchState::Pending | BatchState::Processing | BatchState::Paused
        );
        if !under_way {
            assert_eq!(look.items, []);
            return;
        }
        let held: BTreeSet<_> = indexes(&self.claims).into_iter().collect();
        let lost: Vec<Sent> = look.items.iter().copied().filter(|sent| !sent.claimed).collect();
        for sent in &lost {
            let place = self.model.place(sent.index);
            assert_eq!(
                (place.at, place.attempt, place.losses > 0),
                (Whereabouts::Dispatched, sent.attempt, sent.isolated)
            );
        }
        let resent = t.resend(id, &lost, Duration::ZERO).await;
        assert_eq!(resent as usize, lost.len());
        assert_eq!(resent, self.model.redispatch(&held, now), "sent again");
        self.looked = vec![known(&look)];
    }

    async fn expire_leases(&mut self) {
        self.t.expire_leases().await;
        self.model.expire_leases(self.t.now());
    }

    async fn command(&mut self, command: &Command) {
        let answer = self.t.command(self.id, command).await;
        let expected = self.model.command(command, &somebody(), self.t.now());
        match (answer, expected) {
            (Steered::Done(_), Ok(true)) | (Steered::Unchanged(_), Ok(false)) => {}
            (Steered::Forbidden(why), Err(expected)) => assert_eq!(why, expected),
            other => panic!("{command:?}: {other:?}"),
        }
    }

    /// Until there is nothing left to sweep.
    async fn sweep(&mut self, by_force: bool) {
        let (t, id, now) = (self.t, self.id, self.t.now());
        let since = match by_force {
            true => now + Duration::from_secs(1),
            false => self.model.record.halted_at.unwrap_or(now),
        };
        for _ in 0..10 {
            let swept = t.store.sweep(id, 5, since, now).await.expect("sweeps");
            if swept.is_none_or(|(_, items)| items == 0) {
                break;
            }
        }
        while self.model.sweep(usize::MAX, by_force, now) > 0 {}
    }

    async fn reopen(&mut self, states: &[ItemState], one_in: Option<u32>, same_error: bool) {
        let (t, id, now) = (self.t, self.id, self.t.now());
        let fingerprint = same_error.then(|| error("row 0").fingerprint());
        let indices = one_in.map(|one_in| (0..ITEMS).filter(|index| index.is_multiple_of(one_in)).collect());
        let selection = Selection {
            states: states.to_vec(),
            fingerprint: fingerprint.clone(),
            indices,
            dead: false,
        };
        let chosen = |outcome: &Outcome| {
            let state = outcome.ending.state();
            let in_state = states.contains(&state) || (states.is_empty() && state == ItemState::Failed);
            let has_error = match (&fingerprint, &outcome.ending) {
                (None, _) => true,
                (Some(wanted), Ending::Failed(error)) => error.fingerprint() == *wanted,
                (Some(_), _) => false,
            };
            in_state && has_error && one_in.is_none_or(|one_in| outcome.index.is_multiple_of(one_in))
        };
        let by = somebody();
        let dry = t.store.reopen(&t.space, id, &selection, true, &by, now).await;
        let answer = t.store.reopen(&t.space, id, &selection, false, &by, now).await;
        let expected = self.model.reopen(chosen, &by, now);
        match (answer.expect("answers"), expected) {
            (Reopened::Done(items, _), Ok(expected)) => {
                assert_eq!(items as usize, expected.len(), "{selection:?}");
                assert!(matches!(dry.expect("answers"), Reopened::Done(counted, _) if counted == items));
            }
            (Reopened::Forbidden(why), Err(expected)) => assert_eq!(why, expected),
            other => panic!("{other:?}"),
        }
    }

    /// Both are the same.
    pub(super) async fn compare(&mut self) {
        self.model.check();
        let batch = self.t.batch(self.id).await;
        self.compare_batch(&batch);
        let items = self.t.items(self.id).await;
        for item in &items {
            self.compare_item(item);
            let (place, lease) = self.t.place_and_lease(self.id, item.index).await;
            let expected = self.model.place(item.index);
            assert_eq!(place.at, expected.at, "{item:?}");
            assert_eq!(lease.as_ref(), self.model.leases.get(&item.index));
            if !matches!(place.at, Whereabouts::Pending | Whereabouts::Settled) {
                assert_eq!(place, expected, "{item:?}");
            }
        }
        assert_eq!(self.t.result(self.id).await.as_ref(), self.model.results.last());
        let history = self.t.store.history(&self.t.space, self.id).await.expect("reads");
        assert_eq!(history, self.model.history);
    }

    fn compare_batch(&mut self, batch: &Batch) {
        let record = &self.model.record;
        assert_eq!(
            (batch.state, batch.epoch, batch.revision),
            (record.state, record.epoch, record.revision)
        );
        assert_eq!(batch.counts, record.tally.counts(record.total, record.next_index));
        assert_eq!(batch.paused, record.control.paused);
        assert_eq!((&batch.spec, &batch.error), (&record.spec, &record.error));
        assert_eq!(
            (batch.started_at, batch.completed_at),
            (record.started_at, record.completed_at)
        );
        // Dispatching for the first time only moves items from pending to queued: a store need not say so.
        let shown = shown(batch);
        assert!(
            batch.version > self.version || (batch.version == self.version && shown == self.shown),
            "a new version where something changed: {} after {}, {shown:?} after {:?}",
            batch.version,
            self.version,
            self.shown
        );
        (self.version, self.shown) = (batch.version, shown);
    }

    fn compare_item(&self, item: &Item) {
        match self.model.outcomes.get(&item.index) {
            Some(outcome) => {
                assert_eq!(
                    (item.state, item.attempts),
                    (outcome.ending.state(), outcome.attempt)
                );
                let error = match &outcome.ending {
                    Ending::Failed(error) => Some(error),
                    _ => None,
                };
                assert_eq!(item.error.as_ref(), error);
            }
            None => assert!(!item.state.is_terminal(), "{item:?}"),
        }
    }

    /// It can always be brought to its end.
    pub(super) async fn end(self) {
        self.t.assert_consistent(self.id).await;
        self.t.finish(self.id).await;
        let items = self.t.items(self.id).await;
        for (index, outcome) in &self.model.outcomes {
            assert_eq!(
                items[*index as usize].state,
                outcome.ending.state(),
                "the first outcome stays"
            );
        }
    }
}

/// What a new version tells of.
type Shown = (BatchState, u32, u32, Counts);

fn shown(batch: &Batch) -> Shown {
    let mut counts = batch.counts;
    counts.queued += std::mem::take(&mut counts.pending);
    (batch.state, batch.epoch, batch.revision, counts)
}
