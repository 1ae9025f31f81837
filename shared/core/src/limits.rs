//! Everything that bounds how much of a batch may be dispatched at this moment. Pure: used by the publisher to plan and
//! by both stores, under their locks, to decide.

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::batch::{BatchState, Start};
use crate::ids::Space;

/// A rate may be exceeded for a moment by what it allows in this time: dispatch comes in turns.
const BURST_S: f64 = 0.25;

/// A token bucket: starts full.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Bucket {
    /// Items that could be dispatched when it was last looked at; negative where it owes.
    pub tokens: f64,
    /// When that was; never, where it is full.
    pub at: Option<Timestamp>,
}

impl Bucket {
    /// The bucket of `rate` items per second at `now`.
    #[must_use]
    pub fn at(self, rate: f64, now: Timestamp) -> Self {
        let capacity = (rate * BURST_S).max(1.0);
        let tokens = match self.at {
            None => capacity,
            Some(at) => {
                let passed = now.duration_since(at).as_secs_f64().max(0.0);
                (self.tokens + passed * rate).min(capacity)
            }
        };
        Self {
            tokens,
            // A clock that is behind does not make time pass twice.
            at: Some(self.at.map_or(now, |at| at.max(now))),
        }
    }

    /// Whole items that may be dispatched.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates"
    )]
    pub fn room(self) -> u32 {
        self.tokens.max(0.0) as u32
    }

    /// Takes `items` out.
    #[must_use]
    pub fn minus(self, items: u32) -> Self {
        Self {
            tokens: self.tokens - f64::from(items),
            at: self.at,
        }
    }

    /// When there will be room for one item.
    #[must_use]
    pub fn next(self, rate: f64) -> Option<Timestamp> {
        let missing = (1.0 - self.tokens).max(0.0) / rate;
        let wait = SignedDuration::try_from_secs_f64(missing).ok()?;
        self.at?.checked_add(wait).ok()
    }
}

/// What decides how much of one batch may be dispatched.
#[derive(Debug, Clone, PartialEq)]
pub struct Supply {
    /// Where it stands.
    pub state: BatchState,
    /// When it may start.
    pub start: Start,
    /// Items that were never dispatched.
    pub fresh: u32,
    /// Items that go out again and are due. Stores need not count further than what one turn can take.
    pub due: u32,
    /// Items that go out again, are due, and have to run alone.
    pub suspects: u32,
    /// When the next item that is not due yet will be.
    pub next_due: Option<Timestamp>,
    /// Items dispatched and not accounted for.
    pub in_flight: u32,
    /// Those of them that have to run alone.
    pub suspects_in_flight: u32,
    /// The most that may be.
    pub concurrency: Option<u32>,
    /// How many may be dispatched for the first time before somebody has looked.
    pub canary_left: Option<u32>,
    /// The most per second.
    pub rate_per_s: Option<f64>,
    /// What was dispatched of late.
    pub bucket: Bucket,
}

impl Supply {
    /// How many items may be dispatched now, by the limits of the batch itself: suspects not among them.
    #[must_use]
    pub fn ready(&self, now: Timestamp) -> u32 {
        let fresh = self.fresh.min(self.canary_left.unwrap_or(u32::MAX));
        self.room(now).min(self.due.saturating_add(fresh))
    }

    /// How many suspects may be dispatched now, by the limits of the batch itself.
    #[must_use]
    pub fn ready_suspects(&self, now: Timestamp) -> u32 {
        self.room(now).min(self.suspects)
    }

    fn room(&self, now: Timestamp) -> u32 {
        if !self.may_dispatch(now) {
            return 0;
        }
        let slots = self
            .concurrency
            .map_or(u32::MAX, |most| most.saturating_sub(self.in_flight));
        let rate = self
            .rate_per_s
            .map_or(u32::MAX, |rate| self.bucket.at(rate, now).room());
        slots.min(rate)
    }

    /// True in a state and at a time that dispatches.
    #[must_use]
    pub fn may_dispatch(&self, now: Timestamp) -> bool {
        self.state.dispatch().is_ok() && self.start.has_come(now)
    }

    /// When something that time alone changes will let an item go, if it does: a start, a retry, a rate.
    #[must_use]
    pub fn next_at(&self, now: Timestamp) -> Option<Timestamp> {
        if self.state.dispatch().is_err() {
            return None;
        }
        if let Start::At(time) = self.start
            && time > now
        {
            return Some(time);
        }
        let refill = self
            .rate_per_s
            .filter(|_| self.fresh > 0 || self.due > 0 || self.suspects > 0)
            .map(|rate| (rate, self.bucket.at(rate, now)))
            .filter(|(_, bucket)| bucket.room() == 0)
            .and_then(|(rate, bucket)| bucket.next(rate));
        match (refill, self.next_due) {
            (Some(refill), Some(due)) => Some(refill.min(due)),
            (one, other) => one.or(other),
        }
    }
}

/// What a deployment allows: the same everywhere, from its configuration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Ceilings(BTreeMap<Scope, Ceiling>);

/// A bound of everything in a scope together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Ceiling {
    /// The most items in flight.
    pub concurrency: Option<u32>,
    /// The most items dispatched per second.
    pub rate_per_s: Option<f64>,
}

impl Ceiling {
    /// True where it bounds anything.
    #[must_use]
    pub fn is_some(&self) -> bool {
        self.concurrency.is_some() || self.rate_per_s.is_some()
    }
}

/// What a ceiling is over.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// All batches of a space.
    Space(Space),
    /// All batches of a job type, in every space.
    JobType(String),
}

impl fmt::Display for Scope {
    /// Its key in the database, and its name for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Space(space) => write!(f, "space:{space}"),
            Self::JobType(name) => write!(f, "job_type:{name}"),
        }
    }
}

impl Ceilings {
    /// Adds one, where it bounds anything.
    pub fn insert(&mut self, scope: Scope, ceiling: Ceiling) {
        if ceiling.is_some() {
            self.0.insert(scope, ceiling);
        }
    }

    /// The ceilings that a batch of `space` and `job_type` is under.
    pub fn over(&self, space: &Space, job_type: &str) -> impl Iterator<Item = (&Scope, Ceiling)> {
        let scopes = [Scope::Space(space.clone()), Scope::JobType(job_type.to_owned())];
        scopes
            .into_iter()
            .filter_map(|scope| self.0.get_key_value(&scope))
            .map(|(scope, ceiling)| (scope, *ceiling))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&Scope, Ceiling)> {
        self.0.iter().map(|(scope, ceiling)| (scope, *ceiling))
    }

    /// True where there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// How much of a ceiling is used.
#[derive(Debug, Clone, PartialEq)]
pub struct ScopeUse {
    /// Of which one.
    pub scope: Scope,
    /// What it bounds.
    pub ceiling: Ceiling,
    /// Items in flight of all batches under it.
    pub in_flight: u32,
    /// What was dispatched of late.
    pub bucket: Bucket,
}

impl ScopeUse {
    /// How many more items may be dispatched.
    #[must_use]
    pub fn room(&self, now: Timestamp) -> u32 {
        let slots = self
            .ceiling
            .concurrency
            .map_or(u32::MAX, |most| most.saturating_sub(self.in_flight));
        let rate = self
            .ceiling
            .rate_per_s
            .map_or(u32::MAX, |rate| self.bucket.at(rate, now).room());
        slots.min(rate)
    }

    /// Counts `items` that are dispatched.
    pub fn take(&mut self, items: u32, now: Timestamp) {
        self.in_flight = self.in_flight.saturating_add(items);
        if let Some(rate) = self.ceiling.rate_per_s {
            self.bucket = self.bucket.at(rate, now).minus(items);
        }
    }

    /// When its rate will let an item go, where it does not now.
    #[must_use]
    pub fn next_at(&self, now: Timestamp) -> Option<Timestamp> {
        let rate = self.ceiling.rate_per_s?;
        let bucket = self.bucket.at(rate, now);
        (bucket.room() == 0).then(|| bucket.next(rate)).flatten()
    }
}

/// Cuts `wanted` to what the scopes `over` an item leave, and takes it from them.
pub fn take_within(
    wanted: u32,
    over: &[&Scope],
    scopes: &mut BTreeMap<Scope, ScopeUse>,
    now: Timestamp,
) -> u32 {
    let room = over
        .iter()
        .filter_map(|scope| scopes.get(scope))
        .map(|used| used.room(now))
        .min();
    let items = wanted.min(room.unwrap_or(u32::MAX));
    for scope in over {
        if let Some(used) = scopes.get_mut(scope) {
            used.take(items, now);
        }
    }
    items
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(ms).unwrap()
    }

    proptest! {
        /// Over any stretch of time a rate is exceeded by its burst at most, and what it allows is not withheld.
        #[test]
        fn a_rate_is_kept(rate in 0.1_f64..5_000.0, steps in prop::collection::vec((0_i64..500, 0_u32..2_000), 1..100)) {
            let (mut bucket, mut now, mut taken) = (Bucket::default(), 0, 0.0);
            for (step, wanted) in steps {
                now += step;
                bucket = bucket.at(rate, at(now));
                let items = wanted.min(bucket.room());
                bucket = bucket.minus(items);
                taken += f64::from(items);
                let allowed = rate * now as f64 / 1000.0 + (rate * BURST_S).max(1.0);
                prop_assert!(taken <= allowed + 1e-6, "{taken} of {allowed}");
                if bucket.room() == 0 {
                    let next = bucket.next(rate).unwrap();
                    let room = bucket.at(rate, next.checked_add(SignedDuration::from_millis(1)).unwrap()).room();
                    prop_assert!(room >= 1 || rate < 1.0, "nothing at the time that was told");
                }
            }
        }

        /// However wants come, no scope is exceeded.
        #[test]
        fn ceilings_hold(wants in prop::collection::vec((0_u8..3, 0_u8..3, 0_u32..100), 0..40), most in 0_u32..200) {
            let mut ceilings = Ceilings::default();
            let ceiling = Ceiling { concurrency: Some(most), rate_per_s: None };
            ceilings.insert(Scope::Space("s0".parse().unwrap()), ceiling);
            ceilings.insert(Scope::JobType("j1".into()), ceiling);
            let mut scopes: BTreeMap<_, _> = ceilings
                .iter()
                .map(|(scope, ceiling)| (scope.clone(), ScopeUse { scope: scope.clone(), ceiling, in_flight: 0, bucket: Bucket::default() }))
                .collect();
            let (mut in_space, mut of_type) = (0, 0);
            for (space, job_type, wanted) in wants {
                let name: Space = format!("s{space}").parse().unwrap();
                let over: Vec<_> = ceilings.over(&name, &format!("j{job_type}")).map(|(scope, _)| scope).collect();
                let items = take_within(wanted, &over, &mut scopes, at(0));
                if over.is_empty() { prop_assert_eq!(items, wanted); }
                in_space += if space == 0 { items } else { 0 };
                of_type += if job_type == 1 { items } else { 0 };
                prop_assert!(in_space <= most && of_type <= most);
            }
        }
    }

    #[test]
    fn a_batch_is_ready_for_what_all_of_its_limits_allow() {
        let supply = Supply {
            state: BatchState::Processing,
            start: Start::Auto,
            fresh: 100,
            due: 5,
            suspects: 2,
            next_due: Some(at(9_000)),
            in_flight: 3,
            suspects_in_flight: 0,
            concurrency: None,
            canary_left: None,
            rate_per_s: None,
            bucket: Bucket::default(),
        };
        assert_eq!((supply.ready(at(0)), supply.ready_suspects(at(0))), (105, 2));
        assert_eq!(supply.next_at(at(0)), Some(at(9_000)));
        let with = |change: fn(&mut Supply)| {
            let mut other = supply.clone();
            change(&mut other);
            other
        };
        assert_eq!(with(|s| s.concurrency = Some(10)).ready(at(0)), 7);
        assert_eq!(with(|s| s.canary_left = Some(0)).ready(at(0)), 5);
        assert_eq!(with(|s| s.rate_per_s = Some(40.0)).ready(at(0)), 10);
        assert_eq!(with(|s| s.state = BatchState::Paused).ready(at(0)), 0);
        assert_eq!(with(|s| s.start = Start::Manual).ready(at(0)), 0);
        let later = with(|s| s.start = Start::At(at(500)));
        assert_eq!((later.ready(at(0)), later.next_at(at(0))), (0, Some(at(500))));
        assert_eq!(later.ready(at(500)), 105);
    }
}
