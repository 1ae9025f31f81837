//! Random interleavings of everything that happens to a batch, beside a store in memory: after every step, both must be
//! the same.

#[path = "../../../../shared/core/tests/life/checks.rs"]
mod checks;
#[path = "../../../../shared/core/tests/life/model.rs"]
#[expect(
    dead_code,
    reason = "the claims of the model itself are for the tests of the domain"
)]
mod model;
#[path = "walk/steps.rs"]
mod steps;
#[path = "walk/walker.rs"]
mod walker;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use self::steps::step;
use self::walker::Walker;
use super::fixture::Fixture;

/// Promises P1, P3 and P4: whatever the order, every item ends once, and counts, rows and results agree.
pub async fn counts_rows_and_results_agree_after_any_interleaving(t: Fixture) {
    let config = Config {
        cases: 30,
        max_shrink_iters: 200,
        failure_persistence: None,
        ..Config::default()
    };
    let steps = prop::collection::vec(step(), 1..60);
    let walked = block_in_place(|| {
        TestRunner::new(config).run(&steps, |steps| {
            Handle::current().block_on(async {
                let mut walker = Walker::new(&t).await;
                for step in &steps {
                    walker.take(step).await;
                    walker.compare().await;
                }
                walker.end().await;
            });
            Ok(())
        })
    });
    walked.unwrap_or_else(|error| panic!("{error}"));
}
