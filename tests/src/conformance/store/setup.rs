//! What a store is before there is any batch.

use flotilla_core::clock::{Clock, SystemClock};
use jiff::SignedDuration;

use super::fixture::Fixture;
use super::samples::at_once;

/// Every process does it at its start, several at once, and data stays.
pub async fn the_schema_can_be_migrated_again(t: Fixture) {
    let id = t.dispatched(2).await;
    let secret = t.store.secret().await.expect("has one");
    let migrated = at_once(3, |_| {
        let t = t.clone();
        async move { t.store.migrate().await }
    })
    .await;
    for result in migrated {
        result.expect("migrates again");
    }
    t.store.ping().await.expect("answers");
    assert_eq!(t.store.secret().await.expect("has one"), secret);
    t.finish(id).await;
}

/// Whoever asks first makes it; all get the same, for ever.
pub async fn a_deployment_has_one_secret(t: Fixture) {
    let secrets = at_once(8, |_| {
        let t = t.clone();
        async move { t.store.secret().await.expect("has one") }
    })
    .await;
    assert!(secrets.iter().all(|secret| *secret == secrets[0]));
    assert_eq!(t.store.secret().await.expect("has one"), secrets[0]);
    assert!(
        secrets[0].iter().any(|byte| *byte != secrets[0][0]),
        "it is random"
    );
}

/// Its own, which does not stand still.
pub async fn the_store_tells_the_time(t: Fixture) {
    let first = t.store.now().await.expect("tells the time");
    let second = t.store.now().await.expect("tells the time");
    assert!(first <= second, "{first}, then {second}");
    let off = first.duration_since(SystemClock.now()).abs();
    assert!(
        off < SignedDuration::from_mins(1),
        "the store runs on this machine, and is {off:?} off"
    );
}
