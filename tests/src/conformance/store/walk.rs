//! Random interleavings of everything that happens to a batch, compared step by step with a model of it.

use std::collections::{BTreeMap, BTreeSet};

use flotilla_core::ids::{BatchId, ItemIndex};
use flotilla_core::ports::store::Claim;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use super::fixture::{Fixture, LEASE};
use super::samples::{failure, indexes, success};

const ITEMS: u32 = 30;
const CONCURRENCY: u32 = 11;

/// What can happen. Numbers choose among what is there.
#[derive(Debug, Clone)]
enum Step {
    /// A publisher claims so many items.
    Claim(u32),
    /// A publisher's items are safe with the broker.
    Publish(usize),
    /// Workers report: the nth message of the broker, so many from there, whether they succeeded, and whether the
    /// messages stay to be delivered again.
    Record {
        from: usize,
        many: usize,
        fails: bool,
        again: bool,
    },
    /// Leases run out, and a publisher takes over what it finds.
    TakeOver,
    /// The broker loses everything, and somebody notices.
    LoseBroker,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1_u32..9).prop_map(Step::Claim),
        4 => any::<usize>().prop_map(Step::Publish),
        5 => (any::<usize>(), 1_usize..6, any::<bool>(), any::<bool>())
            .prop_map(|(from, many, fails, again)| Step::Record { from, many, fails, again }),
        1 => Just(Step::TakeOver),
        1 => Just(Step::LoseBroker),
    ]
}

/// Promises P1, P3 and P4: whatever the order, every item ends once, and counts, rows and result agree.
pub async fn counts_rows_and_result_agree_after_any_interleaving(t: Fixture) {
    let config = Config {
        cases: 25,
        failure_persistence: None,
        ..Config::default()
    };
    let steps = prop::collection::vec(step(), 1..70);
    let walked = block_in_place(|| {
        TestRunner::new(config).run(&steps, |steps| {
            Handle::current().block_on(walk(&t, steps));
            Ok(())
        })
    });
    walked.unwrap_or_else(|error| panic!("{error}"));
}

async fn walk(t: &Fixture, steps: Vec<Step>) {
    let id = t
        .sealed_as(ITEMS, |spec| spec.concurrency = Some(CONCURRENCY))
        .await;
    let mut model = Model::of(id);
    for step in steps {
        model.take(t, step).await;
        model.compare(t).await;
    }
    t.finish(id).await;
    for (index, fails) in model.settled {
        let item = &t.items(id).await[index as usize];
        assert_eq!(item.error.is_some(), fails, "the first outcome stays: {item:?}");
    }
}

/// What must be true of the batch.
struct Model {
    id: BatchId,
    /// So many were dispatched at least once.
    dispatched: u32,
    /// Claims that nobody ended.
    claims: Vec<Claim>,
    /// Messages at the broker, with duplicates.
    broker: Vec<ItemIndex>,
    /// Items that wait for a second dispatch.
    due: BTreeSet<ItemIndex>,
    /// Outcomes: whether they are failures.
    settled: BTreeMap<ItemIndex, bool>,
}

impl Model {
    fn of(id: BatchId) -> Self {
        Self {
            id,
            dispatched: 0,
            claims: Vec::new(),
            broker: Vec::new(),
            due: BTreeSet::new(),
            settled: BTreeMap::new(),
        }
    }

    async fn take(&mut self, t: &Fixture, step: Step) {
        match step {
            Step::Claim(items) => self.claim(t, items).await,
            Step::Publish(nth) if !self.claims.is_empty() => {
                let claim = self.claims.remove(nth % self.claims.len());
                t.publish(std::slice::from_ref(&claim)).await;
                self.broker.extend(indexes(&[claim]));
            }
            Step::Publish(_) => {}
            Step::Record {
                from,
                many,
                fails,
                again,
            } => self.record(t, from, many, fails, again).await,
            Step::TakeOver => self.take_over(t).await,
            Step::LoseBroker => self.lose_broker(t).await,
        }
    }

    /// Due ones first, in any order, then the next ones, as many as the concurrency has room for.
    async fn claim(&mut self, t: &Fixture, items: u32) {
        let room = (CONCURRENCY - self.in_flight()).min(items) as usize;
        let claims = t.claim(self.id, items).await;
        let claimed = indexes(&claims);
        let (again, fresh) = claimed.split_at(self.due.len().min(room));
        assert!(
            again.iter().all(|index| self.due.remove(index)),
            "{again:?} were due"
        );
        let next: Vec<_> = (self.dispatched..ITEMS).take(room - again.len()).collect();
        assert_eq!(fresh, next, "the next ones");
        self.dispatched += u32::try_from(next.len()).expect("few");
        self.claims.extend(claims);
    }

    async fn record(&mut self, t: &Fixture, from: usize, many: usize, fails: bool, again: bool) {
        if self.broker.is_empty() {
            return;
        }
        let from = from % self.broker.len();
        let to = (from + many).min(self.broker.len());
        let delivered = self.broker[from..to].to_vec();
        if !again {
            self.broker.drain(from..to);
        }
        let outcome = |&index: &ItemIndex| match fails {
            true => failure(self.id, index, "no"),
            false => success(self.id, index),
        };
        let before = t.batch(self.id).await.version;
        let answer = t.record(delivered.iter().map(outcome).collect()).await;
        let new = delivered.iter().any(|index| !self.settled.contains_key(index));
        assert_eq!(
            answer[0].version,
            before + u64::from(new),
            "changed when something was new"
        );
        for index in delivered {
            self.due.remove(&index);
            self.settled.entry(index).or_insert(fails);
        }
    }

    async fn take_over(&mut self, t: &Fixture) {
        t.advance(LEASE * 2);
        let mut taken = t.take_over().await;
        taken.retain(|claim| claim.batch == self.id);
        let unsettled = |mut all: Vec<ItemIndex>| {
            all.retain(|index| !self.settled.contains_key(index));
            all.sort_unstable();
            all
        };
        let found = indexes(&taken);
        assert_eq!(
            unsettled(found.clone()).len(),
            found.len(),
            "only items without an outcome"
        );
        assert_eq!(unsettled(found), unsettled(indexes(&self.claims)), "taken over");
        self.claims = taken;
    }

    async fn lose_broker(&mut self, t: &Fixture) {
        self.broker.clear();
        let held: BTreeSet<_> = indexes(&self.claims).into_iter().collect();
        let lost: Vec<_> = (0..self.dispatched)
            .filter(|index| {
                !self.settled.contains_key(index) && !held.contains(index) && !self.due.contains(index)
            })
            .collect();
        assert_eq!(t.redispatch(self.id).await as usize, lost.len(), "redispatched");
        self.due.extend(lost);
    }

    fn in_flight(&self) -> u32 {
        self.dispatched - u32::try_from(self.settled.len() + self.due.len()).expect("few")
    }

    async fn compare(&self, t: &Fixture) {
        let counts = t.counts(self.id).await;
        let failed = u32::try_from(self.settled.values().filter(|fails| **fails).count()).expect("few");
        let settled = u32::try_from(self.settled.len()).expect("few");
        let due = u32::try_from(self.due.len()).expect("few");
        assert_eq!((counts.failed, counts.succeeded), (failed, settled - failed));
        assert_eq!((counts.pending, counts.retrying), (ITEMS - self.dispatched, due));
        assert_eq!(counts.queued, self.in_flight());
    }
}
