//! The whole life of a batch, with everything that can go wrong with it: a store, a broker that repeats, reorders and
//! forgets, publishers and workers that die at any point, and people who change their minds. However these interleave,
//! counts are what happened, limits hold, and everything ends.

#![cfg(test)]

mod life {
    pub(crate) mod checks;
    pub(crate) mod fleet;
    pub(crate) mod model;
    pub(crate) mod steps;
    pub(crate) mod world;
}

use proptest::prelude::*;
use proptest::test_runner::Config;

use life::steps::{setup, step};
use life::world::World;

proptest! {
    #![proptest_config(Config { cases: 1_500, failure_persistence: None, max_shrink_iters: 20_000, ..Config::default() })]

    #[test]
    fn whatever_happens_every_item_ends_once_and_counts_are_right(
        setup in setup(),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut world = World::new(&setup);
        for step in &steps {
            world.take(step);
            world.check();
        }
        world.end();
    }
}
