//! Items that can't be finished end as dead letters.

use flotilla_core::ports::broker::{Broker, DELIVERY_LIMIT, Queue};

use super::fixture::{consume, is_quiet, item, next, publish, take, wait_for_ready, work};

/// A rejected item is dead at once, whole, and is not delivered again.
pub async fn what_is_rejected_is_dead(broker: &dyn Broker) {
    publish(broker, 3).await;
    let mut worker = consume(broker, 10).await;
    let (mut tags, _) = take(&mut worker, 3).await;
    worker
        .settle
        .reject(vec![tags.remove(1)])
        .await
        .expect("rejects are taken");
    let mut dead = broker.consume_dead(10).await.expect("the queue exists");
    assert_eq!(next(&mut dead).await.message.expect("it can be read"), item(1));
    worker.settle.ack(tags).await.expect("acks are taken");
    wait_for_ready(broker, &work(), 0).await;
    assert!(is_quiet(&mut worker) && is_quiet(&mut dead));
}

/// What comes back unsettled every time is delivered once and then as often as the limit says, and is dead then.
pub async fn what_comes_back_too_often_is_dead(broker: &dyn Broker) {
    publish(broker, 1).await;
    let mut worker = consume(broker, 10).await;
    for redeliveries in 0..=DELIVERY_LIMIT {
        let delivery = next(&mut worker).await;
        assert_eq!(delivery.redeliveries, redeliveries);
        worker
            .settle
            .release(vec![delivery.tag])
            .await
            .expect("releases are taken");
    }
    let mut dead = broker.consume_dead(10).await.expect("the queue exists");
    assert_eq!(next(&mut dead).await.message.expect("it can be read"), item(0));
    assert!(is_quiet(&mut worker));
}

/// Dead letters are messages like others: they can be given back, and settled.
pub async fn what_is_dead_can_be_settled(broker: &dyn Broker) {
    publish(broker, 2).await;
    let mut worker = consume(broker, 10).await;
    let (tags, _) = take(&mut worker, 2).await;
    worker.settle.reject(tags).await.expect("rejects are taken");
    let mut dead = broker.consume_dead(1).await.expect("the queue exists");
    let (tags, first) = take(&mut dead, 1).await;
    dead.settle.release(tags).await.expect("releases are taken");
    let (tags, again) = take(&mut dead, 1).await;
    assert_eq!(again, first);
    dead.settle.ack(tags).await.expect("acks are taken");
    let (tags, second) = take(&mut dead, 1).await;
    assert_ne!(second, first);
    dead.settle.ack(tags).await.expect("acks are taken");
    wait_for_ready(broker, &Queue::Dead, 0).await;
    assert!(is_quiet(&mut dead));
}
