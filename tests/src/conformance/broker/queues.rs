//! Declaring, checking, counting.

use flotilla_core::ErrorKind;
use flotilla_core::message::ItemMessage;
use flotilla_core::ports::broker::{Broker, Queue, Topology};
use flotilla_core::shard::Shard;

use super::fixture::{
    SHARD, consume, declare, gpu, item, next, publish, report, take, topology, wait_for_depth, work,
};

/// Declaring what exists changes nothing.
pub async fn declaring_again_is_fine(broker: &dyn Broker) {
    publish(broker, 3).await;
    declare(broker).await;
    broker.check(&topology()).await.expect("everything is there");
    let (_, items) = take(&mut consume(broker, 10).await, 3).await;
    assert_eq!(items, [0, 1, 2]);
}

/// A check passes only where every queue exists, and says which one does not.
pub async fn a_check_names_what_is_missing(broker: &dyn Broker) {
    let error = broker.check(&topology()).await.expect_err("nothing was declared");
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    declare(broker).await;
    let more = Topology {
        shards: 3,
        ..topology()
    };
    let error = broker.check(&more).await.expect_err("a shard is missing");
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    assert!(error.to_string().contains("flotilla.reports.v1.2"), "{error}");
    broker.check(&topology()).await.expect("the rest is there");
    broker.ping().await.expect("the broker answers");
}

/// Messages with a consumer do not wait.
pub async fn the_depth_counts_what_waits_and_who_consumes(broker: &dyn Broker) {
    publish(broker, 5).await;
    wait_for_depth(broker, &work(), |depth| (depth.ready, depth.consumers) == (5, 0)).await;
    let mut worker = consume(broker, 2).await;
    next(&mut worker).await;
    wait_for_depth(broker, &work(), |depth| (depth.ready, depth.consumers) == (3, 1)).await;
    drop(worker);
    wait_for_depth(broker, &work(), |depth| (depth.ready, depth.consumers) == (5, 0)).await;
    let error = broker.depth(&Queue::Reports(Shard(9))).await;
    assert_eq!(error.map_err(|error| error.kind()), Err(ErrorKind::Misconfigured));
}

/// What nobody would ever receive is not published silently.
pub async fn publishing_to_a_missing_queue_is_an_error(broker: &dyn Broker) {
    let error = broker
        .publish_items(&[item(0)])
        .await
        .expect_err("nothing was declared")
        .error;
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    declare(broker).await;
    let mut items: Vec<_> = (0..100).map(item).collect();
    items[50] = ItemMessage {
        pool: "nowhere".parse().expect("a valid name"),
        ..item(50)
    };
    let error = broker
        .publish_items(&items)
        .await
        .expect_err("one of them has no queue")
        .error;
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    assert!(error.to_string().contains("nowhere"), "{error}");
    let missing = broker.publish_report(Shard(9), &report(0)).await;
    assert_eq!(
        missing.map_err(|error| error.kind()),
        Err(ErrorKind::Misconfigured)
    );
    // It holds nothing up.
    broker
        .publish_report(SHARD, &report(0))
        .await
        .expect("this one exists");
    broker.publish_items(&[item(1)]).await.expect("this one too");
}

/// A prefetch of 0 means "everything" to RabbitMQ.
pub async fn a_subscription_without_a_bound_is_refused(broker: &dyn Broker) {
    declare(broker).await;
    assert!(broker.consume_items(&gpu(), 0).await.is_err());
    assert!(broker.consume_reports(SHARD, 0).await.is_err());
    assert!(broker.consume_dead(0).await.is_err());
}
