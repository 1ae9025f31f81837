//! Queues in this process as the `Broker`.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use flotilla_core::ErrorKind;
use flotilla_core::ports::Broker;
use flotilla_embedded::broker::{BrokerOptions, EmbeddedBroker};
use flotilla_tests::broker_suite;
use flotilla_tests::conformance::broker::fixture::{consume, declare, item, take};
use futures_util::FutureExt;

broker_suite!(crate::broker_embedded::fresh);

async fn fresh() -> (Arc<dyn Broker>, Box<dyn Any + Send + Sync>) {
    let broker = EmbeddedBroker::new(BrokerOptions::default());
    (Arc::new(broker), Box::new(()))
}

async fn of_ten(publish_timeout: Duration) -> EmbeddedBroker {
    let broker = EmbeddedBroker::new(BrokerOptions {
        capacity: 10,
        publish_timeout,
    });
    declare(&broker).await;
    let ten: Vec<_> = (0..10).map(item).collect();
    broker.publish_items(&ten).await.expect("there is room");
    broker
}

/// A queue that nobody consumes takes as much as it can hold, and then says so.
#[tokio::test]
async fn a_full_queue_is_an_error_in_the_end() {
    let broker = of_ten(Duration::from_millis(50)).await;
    let error = broker
        .publish_items(&[item(10)])
        .await
        .expect_err("there is no room")
        .error;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(
        error
            .to_string()
            .contains("flotilla.work.v2.default is full with 10 messages"),
        "{error}"
    );
}

/// Deliveries take room until they are settled.
#[tokio::test]
async fn publishing_waits_for_room() {
    let broker = of_ten(Duration::from_secs(30)).await;
    let mut worker = consume(&broker, 10).await;
    let (mut tags, _) = take(&mut worker, 3).await;
    let two = [item(10), item(11)];
    let mut publishing = broker.publish_items(&two);
    assert!((&mut publishing).now_or_never().is_none());
    worker
        .settle
        .ack(tags.split_off(2))
        .await
        .expect("acks are taken");
    assert!((&mut publishing).now_or_never().is_none());
    worker.settle.reject(tags).await.expect("rejects are taken");
    // They wait as dead letters now, and take room until somebody takes them.
    assert!((&mut publishing).now_or_never().is_none());
    let mut dead = broker.consume_dead(10).await.expect("the queue exists");
    let (tags, _) = take(&mut dead, 2).await;
    dead.settle.ack(tags).await.expect("acks are taken");
    publishing.await.expect("there is room again");
}

/// Nothing survives the process, and the services have to know.
#[test]
fn it_is_volatile() {
    assert!(EmbeddedBroker::new(BrokerOptions::default()).is_volatile());
}
