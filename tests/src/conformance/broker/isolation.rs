//! Items that workers were lost with run alone.

use flotilla_core::message::ItemMessage;
use flotilla_core::ports::broker::{Broker, ISOLATED_DELIVERY_LIMIT};

use super::fixture::{
    consume, consume_isolated, declare, gpu, is_quiet, isolation, item, next, suspect, take, wait_for_depth,
    wait_for_ready, work,
};

async fn publish(broker: &dyn Broker, items: impl IntoIterator<Item = ItemMessage>) {
    declare(broker).await;
    let items: Vec<_> = items.into_iter().collect();
    broker.publish_items(&items).await.expect("items are published");
}

/// And whoever consumes those gets nothing else. One call publishes both.
pub async fn suspects_go_only_to_consumers_of_isolation(broker: &dyn Broker) {
    let mixed = (0..10).map(|index| match index % 5 {
        3 => suspect(index),
        _ => item(index),
    });
    publish(broker, mixed).await;
    let mut worker = consume(broker, 20).await;
    let (tags, indices) = take(&mut worker, 8).await;
    assert_eq!(indices, [0, 1, 2, 4, 5, 6, 7, 9]);
    worker.settle.ack(tags).await.expect("acks are taken");
    let mut alone = consume_isolated(broker).await;
    for index in [3, 8] {
        let delivery = next(&mut alone).await;
        assert_eq!(delivery.message, Ok(suspect(index)));
        alone
            .settle
            .ack(vec![delivery.tag])
            .await
            .expect("acks are taken");
    }
    wait_for_ready(broker, &work(), 0).await;
    wait_for_ready(broker, &isolation(), 0).await;
    assert!(is_quiet(&mut worker) && is_quiet(&mut alone));
}

/// A fleet is lost to its own items only.
pub async fn every_pool_has_its_own_isolation(broker: &dyn Broker) {
    let of_gpu = ItemMessage {
        pool: gpu(),
        ..suspect(1)
    };
    publish(broker, [suspect(0), of_gpu.clone()]).await;
    let mut other = broker.consume_isolated(&gpu()).await.expect("the queue exists");
    assert_eq!(next(&mut other).await.message, Ok(of_gpu));
    let mut own = consume_isolated(broker).await;
    assert_eq!(next(&mut own).await.message, Ok(suspect(0)));
}

/// A consumer has one delivery; the next one comes when that is settled, however it is.
pub async fn suspects_come_one_at_a_time(broker: &dyn Broker) {
    publish(broker, (0..5).map(suspect)).await;
    let mut alone = consume_isolated(broker).await;
    let (tags, first) = take(&mut alone, 1).await;
    wait_for_ready(broker, &isolation(), 4).await;
    assert!(is_quiet(&mut alone));
    let mut other = consume_isolated(broker).await;
    let (_held, second) = take(&mut other, 1).await;
    wait_for_ready(broker, &isolation(), 3).await;
    assert!(is_quiet(&mut alone) && is_quiet(&mut other));
    alone.settle.ack(tags).await.expect("acks are taken");
    let (tags, third) = take(&mut alone, 1).await;
    wait_for_ready(broker, &isolation(), 2).await;
    assert!(is_quiet(&mut alone) && is_quiet(&mut other));
    alone.settle.reject(tags).await.expect("rejects are taken");
    let (_, fourth) = take(&mut alone, 1).await;
    assert_eq!([first, second, third, fourth].concat(), [0, 1, 2, 3]);
}

/// Whoever had it and is gone is counted, as for every other item.
pub async fn a_suspect_says_how_often_it_came_back(broker: &dyn Broker) {
    publish(broker, [suspect(7)]).await;
    for redeliveries in 0..=ISOLATED_DELIVERY_LIMIT {
        let mut alone = consume_isolated(broker).await;
        let delivery = next(&mut alone).await;
        assert_eq!(
            (delivery.redeliveries, delivery.message),
            (redeliveries, Ok(suspect(7)))
        );
    }
}

/// Sooner than other items: nobody else can be blamed.
pub async fn a_suspect_that_comes_back_too_often_is_dead(broker: &dyn Broker) {
    publish(broker, [suspect(7), suspect(8)]).await;
    for _ in 0..=ISOLATED_DELIVERY_LIMIT {
        let mut alone = consume_isolated(broker).await;
        assert_eq!(take(&mut alone, 1).await.1, [7], "it keeps its place");
        drop(alone);
        wait_for_depth(broker, &isolation(), |depth| depth.consumers == 0).await;
    }
    let mut dead = broker.consume_dead(10).await.expect("the queue exists");
    assert_eq!(next(&mut dead).await.message, Ok(suspect(7)));
    // It does not stand in the way of the next one.
    let mut alone = consume_isolated(broker).await;
    let delivery = next(&mut alone).await;
    assert_eq!((delivery.redeliveries, delivery.message), (0, Ok(suspect(8))));
    assert!(is_quiet(&mut dead));
}

/// With everything that it had.
pub async fn a_suspect_that_is_rejected_is_dead_whole(broker: &dyn Broker) {
    let full = ItemMessage {
        epoch: 12,
        callback: Some("https://flotilla.test/v1/callbacks/abc".into()),
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
        ..suspect(3)
    };
    publish(broker, [full.clone()]).await;
    let mut alone = consume_isolated(broker).await;
    let (tags, _) = take(&mut alone, 1).await;
    alone.settle.reject(tags).await.expect("rejects are taken");
    let mut dead = broker.consume_dead(10).await.expect("the queue exists");
    assert_eq!(next(&mut dead).await.message, Ok(full));
    wait_for_ready(broker, &isolation(), 0).await;
    assert!(is_quiet(&mut alone));
}

/// Suspects do not make the work queue look busy, nor the other way round.
pub async fn the_depth_of_isolation_is_its_own(broker: &dyn Broker) {
    publish(broker, [item(0), suspect(1), suspect(2), suspect(3)]).await;
    wait_for_depth(broker, &work(), |depth| (depth.ready, depth.consumers) == (1, 0)).await;
    wait_for_depth(broker, &isolation(), |depth| {
        (depth.ready, depth.consumers) == (3, 0)
    })
    .await;
    let mut alone = consume_isolated(broker).await;
    next(&mut alone).await;
    wait_for_depth(broker, &isolation(), |depth| {
        (depth.ready, depth.consumers) == (2, 1)
    })
    .await;
    wait_for_depth(broker, &work(), |depth| (depth.ready, depth.consumers) == (1, 0)).await;
}
