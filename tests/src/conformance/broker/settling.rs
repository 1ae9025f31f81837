//! Deliveries are settled once, or come again.

use flotilla_core::ports::broker::{Broker, Subscription, Tag};

use super::fixture::{consume, is_quiet, item, next, publish, take, wait_for_depth, wait_for_ready, work};

/// No more than the prefetch is unsettled, and every ack makes room for one.
pub async fn the_prefetch_is_a_bound(broker: &dyn Broker) {
    publish(broker, 10).await;
    let mut worker = consume(broker, 3).await;
    let (mut tags, first) = take(&mut worker, 3).await;
    assert_eq!(first, [0, 1, 2]);
    wait_for_ready(broker, &work(), 7).await;
    assert!(is_quiet(&mut worker));
    worker
        .settle
        .ack(tags.split_off(1))
        .await
        .expect("acks are taken");
    assert_eq!(take(&mut worker, 2).await.1, [3, 4]);
    wait_for_ready(broker, &work(), 5).await;
    assert!(is_quiet(&mut worker));
}

/// Acks in odd and overlapping order; none of them settles what was not named.
pub async fn acks_may_come_in_any_order(broker: &dyn Broker) {
    publish(broker, 100).await;
    let mut worker = consume(broker, 100).await;
    let (tags, _) = take(&mut worker, 100).await;
    let (mut first, mut second, mut third) = (Vec::new(), Vec::new(), Vec::new());
    for (index, tag) in tags.into_iter().enumerate() {
        match index {
            40 | 41 | 77 => {}
            _ if index % 3 == 0 => first.push(tag),
            _ if index % 3 == 1 => second.push(tag),
            _ => third.push(tag),
        }
    }
    second.reverse();
    let settle = &worker.settle;
    for acked in
        futures_util::future::join_all([settle.ack(second), settle.ack(first), settle.ack(third)]).await
    {
        acked.expect("acks are taken");
    }
    drop(worker);
    let mut next_worker = consume(broker, 100).await;
    assert_eq!(take(&mut next_worker, 3).await.1, [40, 41, 77]);
    assert!(is_quiet(&mut next_worker));
}

/// A release gives it to anybody, one more redelivery on it.
pub async fn what_is_released_comes_again_and_is_counted(broker: &dyn Broker) {
    publish(broker, 3).await;
    let mut worker = consume(broker, 10).await;
    let (mut tags, _) = take(&mut worker, 3).await;
    worker
        .settle
        .release(vec![tags.remove(1)])
        .await
        .expect("releases are taken");
    let again = next(&mut worker).await;
    assert_eq!(
        (again.redeliveries, again.message.map(|item| item.index)),
        (1, Ok(1))
    );
    worker.settle.ack(tags).await.expect("acks are taken");
    worker
        .settle
        .release(vec![again.tag])
        .await
        .expect("releases are taken");
    let again = next(&mut worker).await;
    assert_eq!(
        (again.redeliveries, again.message.map(|item| item.index)),
        (2, Ok(1))
    );
}

/// What was handed out counts as a delivery; nothing is lost, and nothing that was settled comes again.
pub async fn what_a_dropped_subscription_had_comes_again(broker: &dyn Broker) {
    publish(broker, 6).await;
    let mut worker = consume(broker, 4).await;
    let (mut tags, _) = take(&mut worker, 3).await;
    worker
        .settle
        .ack(vec![tags.remove(0)])
        .await
        .expect("acks are taken");
    drop(worker);
    wait_for_depth(broker, &work(), |depth| (depth.ready, depth.consumers) == (5, 0)).await;
    let mut next_worker = consume(broker, 10).await;
    let mut redeliveries = Vec::new();
    for _ in 0..5 {
        let delivery = next(&mut next_worker).await;
        redeliveries.push((
            delivery.message.expect("it can be read").index,
            delivery.redeliveries,
        ));
    }
    redeliveries.sort_unstable();
    let indices: Vec<_> = redeliveries.iter().map(|(index, _)| *index).collect();
    assert_eq!(indices, [1, 2, 3, 4, 5]);
    assert_eq!(redeliveries[..2], [(1, 1), (2, 1)]);
    assert_eq!(redeliveries[4], (5, 0));
}

/// Without `deliveries`, nothing new comes, what was never handed out goes back, and the rest can still be settled.
pub async fn deliveries_can_stop_before_they_are_settled(broker: &dyn Broker) {
    publish(broker, 10).await;
    let mut worker = consume(broker, 5).await;
    let (mut tags, _) = take(&mut worker, 3).await;
    let Subscription { deliveries, settle } = worker;
    wait_for_ready(broker, &work(), 5).await;
    drop(deliveries);
    wait_for_ready(broker, &work(), 7).await;
    settle.ack(tags.split_off(1)).await.expect("acks are taken");
    settle.release(tags).await.expect("releases are taken");
    wait_for_ready(broker, &work(), 8).await;
    drop(settle);
    let mut rest = take(&mut consume(broker, 10).await, 8).await.1;
    rest.sort_unstable();
    assert_eq!(rest, [0, 3, 4, 5, 6, 7, 8, 9]);
}

/// Settling twice, or what is somebody else's, changes nothing and disturbs nobody.
pub async fn stale_tags_are_harmless(broker: &dyn Broker) {
    publish(broker, 2).await;
    let copy = |tag: &Tag| Tag { ..*tag };
    let mut earlier = consume(broker, 1).await;
    let (stale, _) = take(&mut earlier, 1).await;
    drop(earlier);
    wait_for_depth(broker, &work(), |depth| (depth.ready, depth.consumers) == (2, 0)).await;
    let mut worker = consume(broker, 10).await;
    let (tags, _) = take(&mut worker, 2).await;
    let unknown = Tag {
        generation: tags[0].generation,
        number: 1_000,
    };
    worker.settle.ack(vec![unknown]).await.expect("nothing happens");
    worker.settle.ack(stale).await.expect("nothing happens");
    worker
        .settle
        .ack(vec![copy(&tags[1])])
        .await
        .expect("acks are taken");
    worker
        .settle
        .ack(vec![copy(&tags[1]), copy(&tags[1])])
        .await
        .expect("nothing happens");
    worker
        .settle
        .reject(vec![copy(&tags[1])])
        .await
        .expect("nothing happens");
    // The subscription goes on, and the other delivery is still there to settle.
    broker
        .publish_items(&[item(7)])
        .await
        .expect("items are published");
    assert_eq!(take(&mut worker, 1).await.1, [7]);
    worker
        .settle
        .release(vec![copy(&tags[0])])
        .await
        .expect("releases are taken");
    assert_eq!(next(&mut worker).await.redeliveries, 2);
}
