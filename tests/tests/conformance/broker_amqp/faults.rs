//! Connections that are closed and queues that are deleted under a running fleet.

use std::collections::BTreeSet;
use std::time::Duration;

use flotilla_amqp::{AmqpBroker, Options};
use flotilla_core::ItemIndex;
use flotilla_core::message::ItemMessage;
use flotilla_core::ports::Broker;
use flotilla_core::ports::broker::Subscription;
use flotilla_tests::conformance::broker::fixture::{
    PATIENCE, consume, declare, isolation, item, next, publish, take, wait_for_depth, wait_for_ready, work,
};
use flotilla_tests::{Management, Sandbox, eventually, eventually_ok};

use super::connect;

/// Closes both connections of the broker's, as soon as the management knows them.
async fn close_connections(management: &Management) {
    eventually("two connections", PATIENCE, || async {
        (management.connections().await.len() >= 2).then_some(())
    })
    .await;
    management.close_connections().await;
}

/// Publishes until it succeeds, as the publisher does.
pub(super) async fn publish_stubbornly(broker: &dyn Broker, items: std::ops::Range<ItemIndex>) {
    eventually_ok("publishing to work again", PATIENCE, || async {
        let items: Vec<_> = items.clone().map(item).collect();
        let published = broker.publish_items(&items).await;
        published.map_err(|unpublished| unpublished.error.chain())
    })
    .await;
}

/// Takes and acks until every item of `missing` was seen.
pub(super) async fn take_all(worker: &mut Subscription<ItemMessage>, mut missing: BTreeSet<ItemIndex>) {
    while !missing.is_empty() {
        let delivery = next(worker).await;
        missing.remove(&delivery.message.expect("it can be read").index);
        worker
            .settle
            .ack(vec![delivery.tag])
            .await
            .expect("acks are taken");
    }
}

/// Publishing and subscriptions go on by themselves. Nothing that was published is lost; what was unsettled comes
/// again, and its old tags settle nothing.
#[tokio::test]
async fn closed_connections_lose_nothing() {
    let sandbox = Sandbox::new().await;
    let broker = connect(&sandbox.amqp_url());
    publish(&broker, 100).await;
    let mut worker = consume(&broker, 30).await;
    let (stale, first) = take(&mut worker, 20).await;
    close_connections(sandbox.management()).await;
    publish_stubbornly(&broker, 100..200).await;
    worker.settle.ack(stale).await.expect("nothing happens");
    // Those of the stale tags come again, so that ack has settled nothing.
    take_all(&mut worker, (0..200).collect()).await;
    assert_eq!(first, (0..20).collect::<Vec<_>>());
    wait_for_depth(&broker, &work(), |depth| (depth.ready, depth.consumers) == (0, 1)).await;
}

/// Again and again, while items are published and taken.
#[tokio::test]
async fn a_flaky_network_loses_nothing() {
    let sandbox = Sandbox::new().await;
    let broker = connect(&sandbox.amqp_url());
    declare(&broker).await;
    let mut worker = consume(&broker, 50).await;
    let publishing = async {
        for chunk in 0..20 {
            publish_stubbornly(&broker, chunk * 50..(chunk + 1) * 50).await;
            if chunk % 5 == 2 {
                close_connections(sandbox.management()).await;
            }
        }
    };
    tokio::join!(publishing, take_all(&mut worker, (0..1_000).collect()));
}

/// A deleted queue is consumed again when it is declared again. Usually the broker cancels the consumers; when it is
/// declared at once, it takes them over and serves none of them, and they have to notice that they are idle.
#[tokio::test]
async fn a_deleted_queue_is_consumed_again() {
    let sandbox = Sandbox::new().await;
    let options = Options {
        max_idle: Duration::from_millis(500),
        ..Options::default()
    };
    let url = sandbox.amqp_url().parse().expect("a URL");
    let broker = AmqpBroker::connect(&url, "conformance", options).expect("a URL of a broker");
    publish(&broker, 3).await;
    let mut worker = consume(&broker, 10).await;
    let (tags, _) = take(&mut worker, 3).await;
    sandbox.management().delete_queue(&work().to_string()).await;
    let error = broker
        .publish_items(&[item(7)])
        .await
        .expect_err("the queue is gone")
        .error;
    assert!(error.to_string().contains("run `flotilla migrate`"), "{error}");
    worker.settle.ack(tags).await.expect("nothing happens");
    recover(&broker, &mut worker).await;
    sandbox.management().delete_queue(&work().to_string()).await;
    recover(&broker, &mut worker).await;
}

/// A quorum queue takes a moment to go, and RabbitMQ stumbles over a declaration of the same name meanwhile.
#[tokio::test]
async fn a_queue_can_be_declared_while_its_predecessor_goes() {
    let sandbox = Sandbox::new().await;
    let broker = connect(&sandbox.amqp_url());
    declare(&broker).await;
    for _ in 0..15 {
        sandbox.management().delete_queue(&work().to_string()).await;
        declare(&broker).await;
    }
    publish_stubbornly(&broker, 0..1).await;
}

/// What can't be routed comes back within the confirms of its call, at whichever of them; it fails that call, and none
/// of those that share the connection.
#[tokio::test]
async fn an_item_without_a_queue_fails_its_call_and_no_other() {
    let sandbox = Sandbox::new().await;
    let broker = connect(&sandbox.amqp_url());
    declare(&broker).await;
    sandbox.management().delete_queue(&isolation().to_string()).await;
    for round in 0..5 {
        let all = (0..8).map(|call| {
            let items = (0..300).map(item).map(move |item| ItemMessage {
                isolated: call == 3 && item.index == 100 + round,
                ..item
            });
            let items: Vec<_> = items.collect();
            let broker = &broker;
            async move { broker.publish_items(&items).await }
        });
        for (call, published) in futures_util::future::join_all(all).await.into_iter().enumerate() {
            if call == 3 {
                let error = published.expect_err("one of them has no queue").error;
                assert!(error.to_string().contains("isolate.default"), "{error}");
            } else {
                published.expect("all of them have a queue");
            }
        }
    }
}

/// Declares the queues again; the subscription goes on.
async fn recover(broker: &AmqpBroker, worker: &mut Subscription<ItemMessage>) {
    let recovering = async {
        declare(broker).await;
        publish_stubbornly(broker, 7..8).await;
    };
    let ((), delivery) = tokio::join!(recovering, next(worker));
    assert_eq!(delivery.message, Ok(item(7)));
    worker
        .settle
        .ack(vec![delivery.tag])
        .await
        .expect("acks are taken");
    wait_for_ready(broker, &work(), 0).await;
}

/// A subscription may be there before its queue.
#[tokio::test]
async fn a_subscription_waits_for_its_queue() {
    let sandbox = Sandbox::new().await;
    let broker = connect(&sandbox.amqp_url());
    let mut worker = consume(&broker, 10).await;
    let ((), delivery) = tokio::join!(publish(&broker, 1), next(&mut worker));
    assert_eq!(delivery.message, Ok(item(0)));
}
