//! Events: hints that a batch changed. A marker that is published last proves that nothing came before it.

use flotilla_core::ports::progress::{Heard, Scope};
use flotilla_core::{BatchState, Space};
use futures_util::StreamExt;
use tokio::time::timeout;

use super::Fixture;
use super::fixture::{SOON, at, ended, next, running, version};

/// With what can be read now.
pub async fn a_change_sends_an_event(fixture: Fixture) {
    let mut events = fixture.subscribe(Scope::Space(Space::default())).await;
    let live = running();
    let mut faster = live.clone();
    faster.counts.mark_processing(150);
    let done = ended(live.clone(), BatchState::Completed);
    for snapshot in [&live, &faster, &done] {
        fixture.publish(snapshot).await;
        assert_eq!(next(&mut events).await, snapshot.event());
        assert_eq!(
            fixture.read(snapshot.batch).await.as_ref(),
            Some(snapshot),
            "an event announces what is there"
        );
    }
}

/// Neither an older version, nor the same one, even if it was taken later.
pub async fn what_changes_nothing_sends_no_event(fixture: Fixture) {
    let (known, marker) = (running(), running());
    fixture.publish(&known).await;
    let mut events = fixture.subscribe(Scope::All).await;
    let mut later = known.clone();
    later.updated_at = at(100);
    fixture.publish(&known).await;
    fixture.publish(&later).await;
    fixture.publish(&version(&known, known.version - 1)).await;
    fixture.publish(&marker).await;
    assert_eq!(next(&mut events).await, marker.event());
}

/// Tenants do not see each other.
pub async fn a_space_hears_only_its_own(fixture: Fixture) {
    // One name begins with the other.
    let (space, other): (Space, Space) = ("team".parse().unwrap(), "team-b".parse().unwrap());
    let mut events = fixture.subscribe(Scope::Space(space.clone())).await;
    let mut others = fixture.subscribe(Scope::Space(other.clone())).await;
    let (mut foreign, mut own) = (running(), running());
    foreign.space = other;
    own.space = space;
    fixture
        .writer
        .publish(&[foreign.clone(), own.clone()])
        .await
        .unwrap();
    assert_eq!(next(&mut events).await, own.event());
    assert_eq!(next(&mut others).await, foreign.event());
    foreign.version += 1;
    fixture.publish(&foreign).await;
    assert_eq!(next(&mut others).await, foreign.event());
}

/// All of them, in order, and each subscriber gets every one.
pub async fn services_hear_every_space(fixture: Fixture) {
    let mut first = fixture.subscribe(Scope::All).await;
    let mut second = fixture.subscribe(Scope::All).await;
    let mut snapshots: Vec<_> = (0..3).map(|_| running()).collect();
    for (snapshot, space) in snapshots.iter_mut().zip(["a", "b", "c"]) {
        snapshot.space = space.parse().unwrap();
    }
    fixture.writer.publish(&snapshots).await.unwrap();
    for snapshot in &snapshots {
        assert_eq!(next(&mut first).await, snapshot.event());
        assert_eq!(next(&mut second).await, snapshot.event());
    }
}

/// What happened before is read, not heard.
pub async fn events_come_from_now_on(fixture: Fixture) {
    let mut early = fixture.subscribe(Scope::All).await;
    let (before, after) = (running(), running());
    fixture.publish(&before).await;
    assert_eq!(next(&mut early).await, before.event());
    let mut late = fixture.subscribe(Scope::All).await;
    fixture.publish(&after).await;
    assert_eq!(next(&mut late).await, after.event());
}

/// It misses events, hears that it did, and still hears the latest.
pub async fn a_slow_subscriber_holds_nobody_up(fixture: Fixture) {
    const MANY: u64 = 5000;
    let snapshot = running();
    let mut slow = fixture.subscribe(Scope::All).await;
    let mut quick = fixture.subscribe(Scope::All).await;
    let writing = async {
        for wave in 0..MANY / 500 {
            let wave: Vec<_> = (1..=500).map(|n| version(&snapshot, wave * 500 + n)).collect();
            fixture.writer.publish(&wave).await.unwrap();
        }
    };
    // Once it has heard the last one, the slow one has been offered all of them.
    let listening = async { while next(&mut quick).await.version < MANY {} };
    let done = timeout(SOON, futures_util::future::join(writing, listening)).await;
    done.expect("the writer and the quick subscriber wait for nobody");
    let (mut heard, mut missed) = (0, 0);
    let newest = async {
        while let Some(next) = slow.next().await {
            match next {
                Heard::Missed => missed += 1,
                Heard::Event(event) if event.version == MANY => break,
                Heard::Event(_) => heard += 1,
            }
        }
    };
    timeout(SOON, newest)
        .await
        .expect("the slow one hears the latest");
    assert!(
        heard < MANY - 1,
        "nothing keeps {heard} events for a subscriber that does not read"
    );
    assert!(missed > 0, "it knows that it has to read again");
}
