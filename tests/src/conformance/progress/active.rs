//! The set of batches of a space that are not final.

use flotilla_core::{BatchState, Space};

use super::Fixture;
use super::fixture::{at, ended, running};

/// Every state, and no batch of another space.
pub async fn only_what_is_not_final_is_active(fixture: Fixture) {
    let (space, other): (Space, Space) = ("a".parse().unwrap(), "b".parse().unwrap());
    let mut expected = Vec::new();
    for (second, state) in (0..).zip(BatchState::ALL) {
        let mut snapshot = running();
        snapshot.space = space.clone();
        snapshot.state = state;
        snapshot.created_at = at(second);
        fixture.publish(&snapshot).await;
        if !state.is_final() {
            expected.push(snapshot.batch);
        }
    }
    let mut foreign = running();
    foreign.space = other.clone();
    fixture.publish(&foreign).await;
    assert_eq!(fixture.active(&space).await, expected);
    assert_eq!(fixture.active(&other).await, [foreign.batch]);
    assert_eq!(fixture.active(&Space::default()).await, []);
}

/// By creation, whatever came first.
pub async fn active_batches_come_oldest_first(fixture: Fixture) {
    let mut snapshots: Vec<_> = (0..5).map(|_| running()).collect();
    for (snapshot, second) in snapshots.iter_mut().zip([30, 10, 50, 20, 40]) {
        snapshot.created_at = at(second);
    }
    fixture.writer.publish(&snapshots).await.unwrap();
    snapshots.sort_by_key(|snapshot| snapshot.created_at);
    let oldest_first: Vec<_> = snapshots.iter().map(|snapshot| snapshot.batch).collect();
    assert_eq!(fixture.active(&Space::default()).await, oldest_first);
}

/// A delayed writer holds an older version.
pub async fn a_late_snapshot_does_not_bring_an_ended_batch_back(fixture: Fixture) {
    for state in BatchState::ALL.into_iter().filter(|state| state.is_final()) {
        let live = running();
        let done = ended(live.clone(), state);
        fixture.publish(&live).await;
        assert_eq!(fixture.active(&live.space).await, [live.batch]);
        fixture.publish(&done).await;
        fixture.publish(&live).await;
        assert_eq!(fixture.active(&live.space).await, []);
        assert_eq!(fixture.read(live.batch).await, Some(done));
    }
}

/// Failed items of a batch that ended can be run again.
pub async fn a_batch_that_runs_again_is_active_again(fixture: Fixture) {
    let first = running();
    let done = ended(first.clone(), BatchState::Completed);
    let mut again = first.clone();
    again.version = done.version + 1;
    for snapshot in [&first, &done, &again] {
        fixture.publish(snapshot).await;
    }
    assert_eq!(fixture.active(&first.space).await, [first.batch]);
    assert_eq!(fixture.read(first.batch).await, Some(again));
}
