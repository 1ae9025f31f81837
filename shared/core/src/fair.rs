//! Whose turn it is: weighted deficit round robin over spaces, then priority, then round robin over batches.

use std::collections::{BTreeMap, HashMap};

use crate::ids::{BatchId, Space};

/// Items that a space of weight 1 may dispatch per visit.
pub const QUANTUM: u32 = 64;

/// Batches of one level that a plan is shared out among, where they have that much to give: each costs about as much as
/// its items do where it gets a few of them only, in rows that are locked, counts that are stored, progress that is shown.
const BATCHES: u32 = 16;

/// A batch that has something to dispatch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The batch.
    pub batch: BatchId,
    /// Its tenant.
    pub space: Space,
    /// Higher goes first, within its space.
    pub priority: i16,
    /// How many items it could dispatch now, all its own limits considered.
    pub ready: u32,
}

/// How many items of which batch to claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// The batch.
    pub batch: BatchId,
    /// At most so many.
    pub items: u32,
}

/// Remembers whose turn it is between two plans, so that small budgets are fair too.
///
/// Deficit round robin (Shreedhar and Varghese, 1995): each visit adds the space's quantum to its deficit and serves up
/// to it; a space that has nothing left loses its deficit, so idle time can't be saved up.
#[derive(Debug, Default)]
pub struct Planner {
    /// The space to visit next.
    next_space: Option<Space>,
    /// Unused allowance by space: of the one whose visit a budget cut short.
    deficits: HashMap<Space, u32>,
    /// The batch served last, by space.
    last_batch: HashMap<Space, BatchId>,
}

impl Planner {
    /// Shares `budget` items out among `candidates`. Grants everything that is ready, or the whole budget.
    pub fn plan(
        &mut self,
        candidates: &[Candidate],
        budget: u32,
        weight: impl Fn(&Space) -> u32,
    ) -> Vec<Grant> {
        self.plan_within(candidates, budget, weight, |_, items| items)
    }

    /// The same under limits that candidates share: `admit` answers how many of so many items of a batch may go, and
    /// counts them. What it refuses goes to others; whose turn it was goes first in the next plan, so that what is
    /// scarce is shared as fairly as the budget.
    pub fn plan_within(
        &mut self,
        candidates: &[Candidate],
        budget: u32,
        weight: impl Fn(&Space) -> u32,
        mut admit: impl FnMut(BatchId, u32) -> u32,
    ) -> Vec<Grant> {
        let mut spaces: BTreeMap<&Space, Backlog> = BTreeMap::new();
        for candidate in candidates.iter().filter(|candidate| candidate.ready > 0) {
            spaces.entry(&candidate.space).or_default().add(candidate);
        }
        for (space, backlog) in &mut spaces {
            backlog.order(self.last_batch.get(*space));
        }
        self.forget_idle(&spaces);

        let mut grants = Grants::default();
        let mut left = budget;
        let least = (budget / BATCHES).max(1);
        let mut refused: Option<Space> = None;
        let mut ring: Vec<&Space> = spaces.keys().copied().collect();
        // Start where the last plan stopped.
        let start = self
            .next_space
            .as_ref()
            .map_or(0, |next| ring.partition_point(|space| *space < next));
        let turn = start % ring.len().max(1);
        ring.rotate_left(turn);
        let mut turn = 0;
        while left > 0 && !ring.is_empty() {
            turn %= ring.len();
            let space = ring[turn];
            let backlog = spaces.entry(space).or_default();
            let deficit = match self.deficits.remove(space) {
                // A visit that a budget cut short goes on.
                Some(rest) if rest > 0 => rest,
                _ => QUANTUM.saturating_mul(weight(space).max(1)),
            };
            let allowed = deficit.min(left);
            let served = backlog.serve(
                allowed,
                least,
                &mut grants,
                self.last_batch
                    .entry(space.clone())
                    .or_insert(BatchId(uuid::Uuid::nil())),
                &mut admit,
            );
            left -= served;
            self.next_space = Some(space.clone());
            if backlog.levels.is_empty() {
                if backlog.refused && served < deficit {
                    // A limit ended the visit: it goes on in the next plan.
                    self.deficits.insert(space.clone(), deficit - served);
                    refused.get_or_insert_with(|| space.clone());
                }
                ring.remove(turn);
                self.next_space = ring.get(turn % ring.len().max(1)).map(|next| (*next).clone());
            } else if served < deficit {
                // The budget ended first.
                self.deficits.insert(space.clone(), deficit - served);
            } else {
                turn += 1;
                self.next_space = Some(ring[turn % ring.len()].clone());
            }
        }
        if refused.is_some() {
            self.next_space = refused;
        }
        grants.0
    }

    fn forget_idle(&mut self, spaces: &BTreeMap<&Space, Backlog>) {
        self.deficits.retain(|space, _| spaces.contains_key(space));
        self.last_batch.retain(|space, _| spaces.contains_key(space));
    }
}

/// What one space could dispatch.
#[derive(Default)]
struct Backlog {
    /// Some of it may not go.
    refused: bool,
    /// By priority, highest last.
    levels: BTreeMap<i16, Vec<(BatchId, u32)>>,
}

impl Backlog {
    fn add(&mut self, candidate: &Candidate) {
        self.levels
            .entry(candidate.priority)
            .or_default()
            .push((candidate.batch, candidate.ready));
    }

    /// Batches by age, starting after the one that was served last.
    fn order(&mut self, last: Option<&BatchId>) {
        for level in self.levels.values_mut() {
            level.sort_unstable_by_key(|(batch, _)| *batch);
            if let Some(last) = last {
                let start = level.partition_point(|(batch, _)| batch <= last) % level.len();
                level.rotate_left(start);
            }
        }
    }

    /// Serves up to `allowed` items: the highest priority first, batches of one level in equal slices of at least `least`.
    /// A batch of which `admit` refuses items has no more to give.
    fn serve(
        &mut self,
        allowed: u32,
        least: u32,
        grants: &mut Grants,
        last: &mut BatchId,
        admit: &mut impl FnMut(BatchId, u32) -> u32,
    ) -> u32 {
        let mut left = allowed;
        while left > 0 {
            let Some(mut level) = self.levels.last_entry() else {
                break;
            };
            let queue = level.get_mut();
            let slice = (left / queue.len() as u32).max(least);
            // No crumbs for the next one.
            let slice = if left / 2 < slice { left } else { slice };
            let (batch, ready) = queue[0];
            let wanted = ready.min(slice).min(left);
            let items = admit(batch, wanted).min(wanted);
            if items > 0 {
                grants.add(batch, items);
                *last = batch;
                left -= items;
            }
            if items < wanted || items == ready {
                self.refused |= items < wanted;
                queue.remove(0);
            } else {
                queue[0].1 -= items;
                queue.rotate_left(1);
            }
            if queue.is_empty() {
                level.remove();
            }
        }
        allowed - left
    }
}

/// One grant per batch, in the order of the first slice.
#[derive(Default)]
struct Grants(Vec<Grant>);

impl Grants {
    fn add(&mut self, batch: BatchId, items: u32) {
        match self.0.iter_mut().find(|grant| grant.batch == batch) {
            Some(grant) => grant.items += items,
            None => self.0.push(Grant { batch, items }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn candidate(space: &str, batch: u128, priority: i16, ready: u32) -> Candidate {
        Candidate {
            batch: BatchId(Uuid::from_u128(batch)),
            space: space.parse().unwrap(),
            priority,
            ready,
        }
    }

    fn granted(grants: &[Grant], batch: u128) -> u32 {
        grants
            .iter()
            .filter(|g| g.batch == BatchId(Uuid::from_u128(batch)))
            .map(|g| g.items)
            .sum()
    }

    #[test]
    fn ten_items_do_not_wait_for_a_million() {
        let mut planner = Planner::default();
        let candidates = [
            candidate("a", 1, 0, 1_000_000),
            candidate("b", 2, 0, 10),
            candidate("a", 3, 0, 10),
        ];
        let grants = planner.plan(&candidates, 100, |_| 1);
        assert_eq!(granted(&grants, 2), 10);
        assert_eq!(granted(&grants, 3), 10);
        assert_eq!(granted(&grants, 1), 80);
    }

    #[test]
    fn small_budgets_are_shared_over_time() {
        let mut planner = Planner::default();
        let candidates = [
            candidate("a", 1, 0, 100_000),
            candidate("b", 2, 0, 100_000),
            candidate("c", 3, 0, 100_000),
        ];
        let mut sums = [0; 3];
        for _ in 0..960 {
            let grants = planner.plan(&candidates, 1, |space| if space.as_str() == "c" { 2 } else { 1 });
            for (batch, sum) in sums.iter_mut().enumerate() {
                *sum += granted(&grants, batch as u128 + 1);
            }
        }
        assert_eq!(sums.iter().sum::<u32>(), 960);
        assert!(
            sums[0].abs_diff(240) <= 64 && sums[1].abs_diff(240) <= 64 && sums[2].abs_diff(480) <= 64,
            "{sums:?}"
        );
    }

    #[test]
    fn many_batches_take_turns_rather_than_crumbs() {
        let mut planner = Planner::default();
        let candidates: Vec<_> = (0..100).map(|batch| candidate("a", batch, 0, 100_000)).collect();
        let mut sums = [0; 100];
        for _ in 0..100 {
            let grants = planner.plan(&candidates, 1_000, |_| 1);
            assert!(grants.len() as u32 <= BATCHES + 1, "{} batches", grants.len());
            for (batch, sum) in (0..).zip(&mut sums) {
                *sum += granted(&grants, batch);
            }
        }
        assert!(
            sums.iter().all(|sum| sum.abs_diff(1_000) <= 2 * QUANTUM),
            "{sums:?}"
        );
    }

    #[test]
    fn priority_is_strict_within_a_space_only() {
        let mut planner = Planner::default();
        let candidates = [
            candidate("a", 1, 5, 1_000),
            candidate("a", 2, 0, 1_000),
            candidate("b", 3, -5, 1_000),
        ];
        let grants = planner.plan(&candidates, 200, |_| 1);
        assert_eq!(granted(&grants, 2), 0);
        assert!(granted(&grants, 1).abs_diff(granted(&grants, 3)) <= QUANTUM);
    }

    #[test]
    fn what_a_limit_refuses_goes_to_others_and_is_shared_over_time() {
        let mut planner = Planner::default();
        // The first three share a limit that lets one item go per plan; the last one is free.
        let candidates = [
            candidate("a", 1, 0, 100_000),
            candidate("b", 2, 0, 100_000),
            candidate("b", 3, 0, 100_000),
            candidate("c", 4, 0, 100_000),
        ];
        let mut sums = [0; 4];
        for _ in 0..960 {
            let mut room = 1;
            let grants = planner.plan_within(
                &candidates,
                100,
                |_| 1,
                |batch, items| {
                    if batch == BatchId(Uuid::from_u128(4)) {
                        return items;
                    }
                    let items = items.min(room);
                    room -= items;
                    items
                },
            );
            assert_eq!(
                grants.iter().map(|grant| grant.items).sum::<u32>(),
                100,
                "nothing is left idle"
            );
            for (batch, sum) in sums.iter_mut().enumerate() {
                *sum += granted(&grants, batch as u128 + 1);
            }
        }
        assert!(sums[0].abs_diff(480) <= QUANTUM, "{sums:?}");
        assert!(
            sums[1].abs_diff(240) <= QUANTUM && sums[2].abs_diff(240) <= QUANTUM,
            "{sums:?}"
        );
    }

    proptest! {
        #[test]
        fn grants_are_within_limits_and_waste_nothing(
            batches in prop::collection::vec((0_u8..4, -2_i16..3, 0_u32..500), 0..40),
            budget in 0_u32..3_000,
            plans in 1_usize..4,
        ) {
            let candidates: Vec<_> = batches
                .iter()
                .enumerate()
                .map(|(i, &(space, priority, ready))| candidate(&format!("s{space}"), i as u128, priority, ready))
                .collect();
            let mut planner = Planner::default();
            for _ in 0..plans {
                let grants = planner.plan(&candidates, budget, |_| 1);
                for grant in &grants {
                    let ready = candidates.iter().find(|c| c.batch == grant.batch).unwrap().ready;
                    prop_assert!(grant.items > 0 && grant.items <= ready);
                }
                let all: u32 = candidates.iter().map(|c| c.ready).sum();
                prop_assert_eq!(grants.iter().map(|g| g.items).sum::<u32>(), budget.min(all));
            }
        }
    }
}
