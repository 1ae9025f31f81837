//! What workers ask before they start an item.

use flotilla_core::BatchState;
use flotilla_core::ports::progress::Scope;
use flotilla_core::snapshot::Steering;

use super::Fixture;
use super::fixture::{next, running, version};

/// In every state, and nothing else is needed for it.
pub async fn workers_learn_the_state_and_the_epoch(fixture: Fixture) {
    for (epoch, state) in (0..).zip(BatchState::ALL) {
        let mut snapshot = running();
        snapshot.state = state;
        snapshot.epoch = epoch;
        fixture.publish(&snapshot).await;
        let steering = fixture.steering(snapshot.batch).await;
        assert_eq!(steering, Some(Steering { state, epoch }));
    }
}

/// As the snapshot does, and no older version turns it back.
pub async fn steering_follows_the_newest_version(fixture: Fixture) {
    let first = running();
    let mut paused = version(&first, first.version + 1);
    paused.state = BatchState::Paused;
    paused.epoch += 1;
    for snapshot in [&first, &paused, &first] {
        fixture.publish(snapshot).await;
    }
    assert_eq!(fixture.steering(first.batch).await, Some(paused.steering()));
}

/// In its place: workers go on with what nobody knows.
pub async fn an_unknown_batch_is_not_steered(fixture: Fixture) {
    let (known, gone, unknown) = (running(), running(), running());
    fixture.publish(&known).await;
    fixture.forget(&gone).await;
    let asked = [unknown.batch, known.batch, gone.batch, known.batch];
    let found = fixture.reader.steering(&asked).await.unwrap();
    let known = Some(known.steering());
    assert_eq!(found, [None, known, Some(Steering::GONE), known]);
    assert_eq!(fixture.reader.steering(&[]).await.unwrap(), []);
}

/// So that a worker which listens need not ask.
pub async fn an_event_tells_the_epoch(fixture: Fixture) {
    let mut events = fixture.subscribe(Scope::All).await;
    let first = running();
    let mut tighter = version(&first, first.version + 1);
    tighter.epoch += 1;
    for snapshot in [&first, &tighter] {
        fixture.publish(snapshot).await;
        assert_eq!(next(&mut events).await.steering(), snapshot.steering());
    }
}

/// More than fits into any page.
pub async fn many_batches_are_steered_in_one_call(fixture: Fixture) {
    let mut many: Vec<_> = (0..1200).map(|_| running()).collect();
    for (epoch, snapshot) in (0..).zip(&mut many) {
        snapshot.epoch = epoch;
    }
    fixture.writer.publish(&many).await.unwrap();
    let batches: Vec<_> = many.iter().map(|snapshot| snapshot.batch).collect();
    let found = fixture.reader.steering(&batches).await.unwrap();
    assert!(
        found
            .into_iter()
            .eq(many.iter().map(|snapshot| Some(snapshot.steering())))
    );
}
