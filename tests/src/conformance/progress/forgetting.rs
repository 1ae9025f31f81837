//! Batches that do not exist any more.

use flotilla_core::BatchState;
use flotilla_core::ports::progress::Scope;
use flotilla_core::snapshot::Steering;
use futures_util::future::join_all;

use super::Fixture;
use super::fixture::{ended, next, running, version};

/// Whether it had ended or not, and however often it is said.
pub async fn a_forgotten_batch_is_gone_and_reads_as_cancelled(fixture: Fixture) {
    let live = running();
    let done = ended(running(), BatchState::Completed);
    for snapshot in [live, done] {
        fixture.publish(&snapshot).await;
        for _ in 0..2 {
            fixture.forget(&snapshot).await;
            assert_eq!(fixture.read(snapshot.batch).await, None);
            assert_eq!(fixture.active(&snapshot.space).await, []);
            assert_eq!(fixture.steering(snapshot.batch).await, Some(Steering::GONE));
        }
    }
}

/// Of whatever version, and it tells nobody.
pub async fn a_late_snapshot_does_not_bring_a_forgotten_batch_back(fixture: Fixture) {
    let (gone, marker) = (running(), running());
    fixture.publish(&gone).await;
    fixture.forget(&gone).await;
    let mut events = fixture.subscribe(Scope::All).await;
    let newer = version(&gone, gone.version + 100);
    for late in [&gone, &newer, &ended(newer.clone(), BatchState::Cancelled)] {
        fixture.publish(late).await;
    }
    fixture.publish(&marker).await;
    assert_eq!(next(&mut events).await, marker.event(), "nothing came before it");
    assert_eq!(fixture.read(gone.batch).await, None);
    assert_eq!(fixture.active(&gone.space).await, [marker.batch]);
    assert_eq!(fixture.steering(gone.batch).await, Some(Steering::GONE));
}

/// Its neighbours stay.
pub async fn only_the_forgotten_batch_is_gone(fixture: Fixture) {
    let (gone, kept) = (running(), running());
    let done = ended(running(), BatchState::Failed);
    let all = [gone.clone(), kept.clone(), done.clone()];
    fixture.writer.publish(&all).await.unwrap();
    fixture.forget(&gone).await;
    let batches = all.map(|snapshot| snapshot.batch);
    let found = fixture.reader.read(&batches).await.unwrap();
    assert_eq!(found, [None, Some(kept.clone()), Some(done)]);
    assert_eq!(fixture.active(&kept.space).await, [kept.batch]);
}

/// The live view may have been lost before.
pub async fn a_batch_that_was_never_there_can_be_forgotten(fixture: Fixture) {
    let never = running();
    fixture.forget(&never).await;
    assert_eq!(fixture.steering(never.batch).await, Some(Steering::GONE));
    fixture.publish(&never).await;
    assert_eq!(fixture.read(never.batch).await, None);
}

/// Whichever of them comes last.
pub async fn writers_and_a_forgetter_at_once_leave_nothing(fixture: Fixture) {
    let snapshots: Vec<_> = (0..20).map(|_| running()).collect();
    let races = snapshots.iter().map(|snapshot| async {
        let (early, late) = (fixture.publish(snapshot), async {
            let late = version(snapshot, snapshot.version + 1);
            fixture.reader.publish(&[late]).await.unwrap();
        });
        tokio::join!(early, fixture.forget(snapshot), late);
    });
    join_all(races).await;
    assert_eq!(fixture.active(&snapshots[0].space).await, []);
    for snapshot in snapshots {
        assert_eq!(fixture.read(snapshot.batch).await, None);
    }
}
