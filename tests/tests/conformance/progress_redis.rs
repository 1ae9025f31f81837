//! Redis as the `Progress`: the suite, what only Redis can suffer, and the public contract.

#[path = "progress_redis/access.rs"]
mod access;
#[path = "progress_redis/contract.rs"]
mod contract;
#[path = "progress_redis/document.rs"]
mod document;
#[path = "progress_redis/faults.rs"]
mod faults;
#[path = "progress_redis/foreign.rs"]
mod foreign;
#[path = "progress_redis/outages.rs"]
mod outages;
#[path = "progress_redis/private.rs"]
mod private;

use std::sync::Arc;

use flotilla_redis::{Options, RedisProgress};
use flotilla_tests::conformance::progress::Fixture;
use flotilla_tests::{Sandbox, progress_suite};

progress_suite!(crate::progress_redis::fresh);

/// Two adapters with connections of their own, and a key prefix that nobody else uses.
async fn fresh() -> Fixture {
    let sandbox = Sandbox::new().await;
    let handle = || Arc::new(open(&sandbox.redis_url()));
    Fixture::new(handle(), handle(), sandbox)
}

fn open(url: &str) -> RedisProgress {
    RedisProgress::connect(&url.parse().expect("a URL"), Options::default()).expect("the URL is understood")
}
