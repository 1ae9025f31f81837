//! Items that no worker could finish.

use flotilla_core::item::ItemFilter;
use flotilla_core::outcome::ItemErrorKind;
use flotilla_core::ports::Broker;
use flotilla_core::ports::broker::Queue;
use flotilla_core::{BatchState, Error, Space};
use flotilla_tests::eventually;

use crate::support::{PATIENCE, World, stop};

/// No batch waits for an item that nobody can finish.
#[tokio::test]
async fn dead_letters_fail_their_items() {
    let world = World::new().await;
    let messages = world.dispatched(3).await;
    let id = messages[0].batch;
    world.give_up(messages).await;
    let tasks = world.start();
    let batch = world.ended(id).await;
    assert_eq!((batch.state, batch.counts.failed), (BatchState::Completed, 3));
    let items = world
        .store
        .items(&Space::default(), id, &ItemFilter::default(), 10)
        .await
        .unwrap();
    assert!(
        items
            .iter()
            .all(|item| item.error.as_ref().unwrap().kind == ItemErrorKind::WorkerLost)
    );
    stop(tasks).await;
}

/// One that the store refuses is tried together with others and alone, and not again; it takes nobody with it.
#[tokio::test]
async fn a_refused_dead_letter_is_parked_alone() {
    let world = World::new().await;
    let messages = world.dispatched(3).await;
    let id = messages[0].batch;
    world.flaky.refuse(|attempts| {
        let refused = attempts.iter().any(|attempt| attempt.index == 1);
        refused.then(|| Error::corrupt("test", "no"))
    });
    world.give_up(messages).await;
    let tasks = world.start();
    eventually("the others to be counted", PATIENCE, || async {
        let batch = world.batch(id).await?;
        (batch.counts.failed == 2).then_some(())
    })
    .await;
    // Ends only once the queue is empty, because this broker forgets what it holds.
    stop(tasks).await;
    assert_eq!(world.broker.depth(&Queue::Dead).await.unwrap().ready, 0);
    let tries = world.flaky.calls().into_iter().filter(|items| items.contains(&1));
    assert_eq!(tries.collect::<Vec<_>>(), [vec![0, 1, 2], vec![1]]);
}

/// Dead letters that were not reached when one could not be settled go back to the queue at once.
#[tokio::test]
async fn what_was_not_settled_comes_again() {
    let world = World::new().await;
    let messages = world.dispatched(3).await;
    let id = messages[0].batch;
    world
        .flaky
        .refuse(|attempts| (attempts.len() > 1).then(|| Error::conflict("test", "too many")));
    world.broker.fail_acks(1);
    world.give_up(messages).await;
    let tasks = world.start();
    assert_eq!(world.ended(id).await.counts.failed, 3);
    stop(tasks).await;
}
