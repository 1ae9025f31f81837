//! Several consumers of one queue.

use flotilla_core::message::Report;
use flotilla_core::ports::broker::{Broker, Queue, Subscription};

use super::fixture::{
    SHARD, consume, declare, next, publish, report, take, wait_for_depth, wait_for_ready, work,
};

/// A consumer that is full leaves the rest to the others.
pub async fn consumers_of_items_share_them(broker: &dyn Broker) {
    publish(broker, 2).await;
    let (mut one, mut other) = (consume(broker, 1).await, consume(broker, 1).await);
    let ((_, first), (_, second)) = tokio::join!(take(&mut one, 1), take(&mut other, 1));
    let mut both = [first, second].concat();
    both.sort_unstable();
    assert_eq!(both, [0, 1]);
    wait_for_depth(broker, &work(), |depth| (depth.ready, depth.consumers) == (0, 2)).await;
}

/// The next report is `index`. It may have been with another consumer before, which gave it back.
async fn expect(from: &mut Subscription<Report>, index: u32) {
    let delivery = next(from).await;
    assert_eq!(delivery.message.expect("it can be read"), report(index));
    assert!(delivery.redeliveries <= 1);
    from.settle.ack(vec![delivery.tag]).await.expect("acks are taken");
}

/// Counters have one writer at a time: the second scheduler waits until the first is gone.
pub async fn one_consumer_of_reports_is_active_and_the_next_takes_over(broker: &dyn Broker) {
    declare(broker).await;
    let subscribe = || async { broker.consume_reports(SHARD, 10).await.expect("the queue exists") };
    let publish = |index| async move {
        let report = report(index);
        broker
            .publish_report(SHARD, &report)
            .await
            .expect("a report is published");
    };
    let mut active = subscribe().await;
    publish(0).await;
    expect(&mut active, 0).await;
    let mut standby = subscribe().await;
    for index in 1..20 {
        publish(index).await;
        tokio::select! {
            () = expect(&mut active, index) => {}
            _ = next(&mut standby) => panic!("both consumers are active"),
        }
    }
    publish(20).await;
    drop(active);
    expect(&mut standby, 20).await;
    wait_for_ready(broker, &Queue::Reports(SHARD), 0).await;
}
