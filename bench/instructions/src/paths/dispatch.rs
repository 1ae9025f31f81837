//! The choice of what goes next.

use std::collections::BTreeMap;
use std::time::Duration;

use flotilla_core::batch::Start;
use flotilla_core::fair::{Candidate, Planner};
use flotilla_core::limits::{Bucket, Ceiling, Ceilings, Scope, ScopeUse, Supply, take_within};
use flotilla_core::window::Window;
use flotilla_core::{BatchId, BatchState, Space};
use jiff::Timestamp;
use uuid::Uuid;

use super::Path;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;
const JOB_TYPE: &str = "thumbnail";
/// Batches that compete, and their tenants.
const BATCHES: u32 = 100;
const SPACES: u32 = 10;
/// Items that a turn shares out among them.
const BUDGET: u32 = 1_000;

/// What a turn of the publisher does for a pool: the window, what each batch has ready, whose turn it is, under ceilings.
pub(super) const PLAN: Path = Path {
    name: "plan-turn",
    items: BUDGET,
    turns: 20,
    prepare: || {
        let spaces: Vec<Space> = (0..SPACES).map(space).collect();
        let batch = |index: u32| {
            let space = spaces[(index % SPACES) as usize].clone();
            (BatchId(Uuid::from_u128(index.into())), space, supply(index))
        };
        let batches: Vec<_> = (0..BATCHES).map(batch).collect();
        let (ceilings, scopes) = ceilings();
        let (mut planner, mut window) = (Planner::default(), Window::default());
        Box::new(move || {
            window.observe(BUDGET / 2, Duration::from_millis(20));
            let budget = window.size(64).min(BUDGET);
            let candidate = |(batch, space, supply): &(BatchId, Space, Supply)| Candidate {
                batch: *batch,
                space: space.clone(),
                priority: 0,
                ready: supply.ready(NOW),
            };
            let candidates: Vec<_> = batches.iter().map(candidate).collect();
            let mut scopes = scopes.clone();
            let grants = planner.plan_within(
                &candidates,
                budget,
                |_| 1,
                |batch, wanted| {
                    let space = &spaces[batch.0.as_u128() as usize % spaces.len()];
                    let over: Vec<&Scope> = ceilings.over(space, JOB_TYPE).map(|(scope, _)| scope).collect();
                    take_within(wanted, &over, &mut scopes, NOW)
                },
            );
            let granted: u32 = grants.iter().map(|grant| grant.items).sum();
            assert_eq!(granted, BUDGET);
        })
    },
};

fn space(index: u32) -> Space {
    format!("tenant-{index}").parse().expect("it is a name")
}

/// Some have little left, some a limit of their own.
fn supply(index: u32) -> Supply {
    Supply {
        state: BatchState::Processing,
        start: Start::Auto,
        fresh: if index % 10 == 3 { 5 } else { 50_000 },
        due: index % 3,
        suspects: 0,
        next_due: None,
        in_flight: 100,
        suspects_in_flight: 0,
        concurrency: index.is_multiple_of(4).then_some(500),
        canary_left: None,
        rate_per_s: index.is_multiple_of(5).then_some(1_000.0),
        bucket: Bucket::default(),
    }
}

/// One over the job type, and one over a tenant.
fn ceilings() -> (Ceilings, BTreeMap<Scope, ScopeUse>) {
    let ceiling = Ceiling {
        concurrency: Some(20_000),
        rate_per_s: Some(50_000.0),
    };
    let mut ceilings = Ceilings::default();
    ceilings.insert(Scope::JobType(JOB_TYPE.into()), ceiling);
    ceilings.insert(Scope::Space(space(3)), ceiling);
    let used = |(scope, ceiling): (&Scope, Ceiling)| {
        let used = ScopeUse {
            scope: scope.clone(),
            ceiling,
            in_flight: 100,
            bucket: Bucket::default(),
        };
        (scope.clone(), used)
    };
    let scopes = ceilings.iter().map(used).collect();
    (ceilings, scopes)
}
