//! Snapshots: absolute, and the newest one stays.

use flotilla_core::BatchState;
use flotilla_core::forecast::Eta;
use futures_util::future::try_join_all;

use super::Fixture;
use super::fixture::{at, running, version};

/// Every field, at its plainest and at its oddest.
pub async fn what_is_published_reads_back(fixture: Fixture) {
    let plain = running();
    let mut odd = running();
    odd.name = Some("a\r\n\"b\" \u{1f6a2} 100 % {tag} :*\0".into());
    odd.rate_per_s = 0.1 + 0.2;
    odd.percent = 99.9;
    odd.eta = Some(Eta {
        low_s: 1e-7,
        high_s: 123_456_789.1,
    });
    odd.version = u64::MAX;
    odd.epoch = u32::MAX;
    odd.counts.total = u32::MAX;
    let mut bare = running();
    bare.name = None;
    bare.eta = None;
    bare.started_at = None;
    bare.version = 0;
    bare.epoch = 0;
    let mut empty_name = running();
    empty_name.name = Some(String::new());
    empty_name.completed_at = Some(at(9));
    for snapshot in [plain, odd, bare, empty_name] {
        fixture.publish(&snapshot).await;
        assert_eq!(fixture.read(snapshot.batch).await.as_ref(), Some(&snapshot));
    }
    for state in BatchState::ALL {
        let mut snapshot = running();
        snapshot.state = state;
        fixture.publish(&snapshot).await;
        assert_eq!(fixture.read(snapshot.batch).await.as_ref(), Some(&snapshot));
    }
}

/// `read` answers in the order of the question.
pub async fn an_unknown_batch_reads_as_none_in_its_place(fixture: Fixture) {
    let (first, unknown, second) = (running(), running(), running());
    fixture
        .writer
        .publish(&[first.clone(), second.clone()])
        .await
        .unwrap();
    let asked = [second.batch, unknown.batch, first.batch, second.batch];
    let found = fixture.reader.read(&asked).await.unwrap();
    assert_eq!(found, [Some(second.clone()), None, Some(first), Some(second)]);
    assert_eq!(fixture.reader.read(&[]).await.unwrap(), []);
    fixture.writer.publish(&[]).await.unwrap();
}

/// Forward, never back.
pub async fn a_newer_version_replaces_an_older_one(fixture: Fixture) {
    let old = running();
    let mut new = version(&old, old.version + 1);
    new.counts.succeeded += 1;
    new.counts.processing -= 1;
    fixture.publish(&old).await;
    fixture.publish(&new).await;
    assert_eq!(fixture.read(old.batch).await.as_ref(), Some(&new));
    fixture.publish(&old).await;
    assert_eq!(
        fixture.read(old.batch).await,
        Some(new),
        "an older version is ignored"
    );
}

/// How many items run is known from heartbeats, which have no version.
pub async fn the_same_version_can_be_rewritten(fixture: Fixture) {
    let first = running();
    fixture.publish(&first).await;
    let mut again = first.clone();
    again.counts.mark_processing(3);
    again.updated_at = at(60);
    fixture.publish(&again).await;
    assert_eq!(fixture.read(first.batch).await.as_ref(), Some(&again));
    let mut fresher = again;
    fresher.updated_at = at(90);
    fixture.publish(&fresher).await;
    assert_eq!(
        fixture.read(first.batch).await,
        Some(fresher),
        "its age is that of the last writing"
    );
}

/// An absent value is not the last one that was there.
pub async fn what_a_newer_version_lacks_is_gone(fixture: Fixture) {
    let full = running();
    fixture.publish(&full).await;
    let mut bare = version(&full, full.version + 1);
    bare.name = None;
    bare.eta = None;
    bare.started_at = None;
    fixture.publish(&bare).await;
    assert_eq!(fixture.read(full.batch).await, Some(bare));
}

/// Neither as text, where 9 follows 10, nor as floating point, where 2^53 + 1 is 2^53.
pub async fn versions_are_compared_as_numbers(fixture: Fixture) {
    for (older, newer) in [
        (9, 10),
        (99, 100),
        (1 << 53, (1 << 53) + 1),
        (u64::MAX - 1, u64::MAX),
        (0, 1),
    ] {
        let snapshot = running();
        fixture.publish(&version(&snapshot, newer)).await;
        fixture.publish(&version(&snapshot, older)).await;
        let kept = fixture.read(snapshot.batch).await.map(|kept| kept.version);
        assert_eq!(kept, Some(newer), "{older} came after {newer}");
        let forward = running();
        fixture.publish(&version(&forward, older)).await;
        fixture.publish(&version(&forward, newer)).await;
        let kept = fixture.read(forward.batch).await.map(|kept| kept.version);
        assert_eq!(kept, Some(newer), "{newer} came after {older}");
    }
}

/// Reordered, duplicated, in one call or in several.
pub async fn any_order_ends_at_the_newest(fixture: Fixture) {
    const VERSIONS: u64 = 12;
    // Steps that are coprime to the number of versions visit each version once, in another order.
    for step in [1, 5, 7, 11] {
        let snapshot = running();
        let order = (1..=VERSIONS).map(|n| version(&snapshot, n * step % VERSIONS + 1));
        let order: Vec<_> = order.collect();
        fixture.writer.publish(&order).await.unwrap();
        for late in order.iter().rev() {
            fixture.publish(late).await;
        }
        assert_eq!(
            fixture.read(snapshot.batch).await,
            Some(version(&snapshot, VERSIONS))
        );
    }
}

/// Schedulers that take over from each other write at the same time.
pub async fn concurrent_writers_end_at_the_newest(fixture: Fixture) {
    let batches: Vec<_> = (0..4).map(|_| running()).collect();
    let writes = (1..=120_u64).map(|n| {
        let handle = if n % 2 == 0 {
            &fixture.writer
        } else {
            &fixture.reader
        };
        // 77 is coprime to 120: every version from 1 to 120, once, in no order.
        let shuffled = n * 77 % 120 + 1;
        let wave: Vec<_> = batches
            .iter()
            .map(|snapshot| version(snapshot, shuffled))
            .collect();
        async move { handle.publish(&wave).await }
    });
    try_join_all(writes).await.unwrap();
    for snapshot in batches {
        let kept = fixture.read(snapshot.batch).await;
        assert_eq!(kept.map(|kept| kept.version), Some(120));
    }
}

/// More than fits into any page.
pub async fn one_call_takes_many_snapshots(fixture: Fixture) {
    let many: Vec<_> = (0..1700).map(|_| running()).collect();
    fixture.writer.publish(&many).await.unwrap();
    let batches: Vec<_> = many.iter().map(|snapshot| snapshot.batch).collect();
    let found = fixture.reader.read(&batches).await.unwrap();
    assert!(found.into_iter().eq(many.into_iter().map(Some)));
}
