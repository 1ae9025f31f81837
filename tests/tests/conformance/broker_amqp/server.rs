//! A server that hangs, dies or raises an alarm. It is one of its own, because the shared one belongs to every test.

use std::time::Duration;

use flotilla_amqp::{AmqpBroker, Options};
use flotilla_core::ErrorKind;
use flotilla_core::ports::Broker;
use flotilla_core::ports::broker::Queue;
use flotilla_tests::conformance::broker::fixture::{
    PATIENCE, SHARD, consume, declare, item, publish, report, take, wait_for_ready, work,
};
use flotilla_tests::eventually_ok;
use flotilla_tests::servers::{Folder, RabbitMq, Server};
use futures_util::{FutureExt, StreamExt};
use tokio::time::Instant;

use super::faults::{publish_stubbornly, take_all};

fn connect(server: &Server<RabbitMq>) -> AmqpBroker {
    let options = Options {
        probe_interval: Duration::from_millis(500),
        probe_timeout: Duration::from_millis(500),
        connect_timeout: Duration::from_secs(2),
        publish_timeout: Duration::from_secs(2),
        ..Options::default()
    };
    AmqpBroker::connect(&server.url().parse().expect("a URL"), "conformance", options)
        .expect("a URL of a broker")
}

async fn answers(broker: &AmqpBroker) {
    eventually_ok("the broker to answer", PATIENCE, || async {
        broker.ping().await.map_err(|error| error.chain())
    })
    .await;
}

/// A frozen server keeps its sockets open and says nothing: only asking it tells. After that and after a kill, what was
/// confirmed is there.
#[tokio::test]
async fn a_server_that_hangs_or_dies_loses_nothing() {
    let folder = Folder::create().expect("a folder");
    let mut server = Server::<RabbitMq>::launch(&folder)
        .await
        .expect("RabbitMQ starts");
    let broker = connect(&server);
    publish(&broker, 100).await;
    let mut worker = consume(&broker, 10).await;
    take(&mut worker, 5).await;

    server.freeze().await;
    let error = broker
        .publish_items(&[item(0)])
        .await
        .expect_err("nobody confirms")
        .error;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    eventually_ok("the silence to be noticed", PATIENCE, || async {
        match broker.ping().await {
            Err(error) if error.to_string().contains("handshake") => Ok(()),
            answer => Err(format!("{answer:?}")),
        }
    })
    .await;
    server.thaw();
    answers(&broker).await;
    take_all(&mut worker, (0..100).collect()).await;

    publish_stubbornly(&broker, 100..200).await;
    server.kill().await.expect("RabbitMQ can be killed");
    assert!(
        worker
            .deliveries
            .next()
            .now_or_never()
            .is_none_or(|delivery| delivery.is_some())
    );
    server.start().await.expect("RabbitMQ starts again");
    take_all(&mut worker, (100..200).collect()).await;
    declare(&broker).await;
    server.stop().await.expect("RabbitMQ stops");
}

/// During a memory alarm nothing is taken from publishers. They are told so in bounded time; consuming, acknowledging and
/// asking go on, because they have a connection of their own; and so does publishing, by itself, when the alarm is over.
#[tokio::test]
async fn an_alarm_stops_publishers_for_its_time_and_nobody_else() {
    let folder = Folder::create().expect("a folder");
    let mut server = Server::<RabbitMq>::launch(&folder)
        .await
        .expect("RabbitMQ starts");
    let broker = connect(&server);
    publish(&broker, 20).await;
    let mut worker = consume(&broker, 10).await;
    let (tags, _) = take(&mut worker, 5).await;
    broker
        .publish_report(SHARD, &report(0))
        .await
        .expect("a report is published");
    server.engine().alarm(true).await.expect("there is an alarm");

    // The broker tells of the alarm when somebody publishes: that call is the one that can't know.
    for round in 0..3 {
        let began = Instant::now();
        let (item, report) = (vec![item(100 + round)], report(100 + round));
        let refused = [
            broker
                .publish_items(&item)
                .await
                .map_err(|unpublished| unpublished.error),
            broker.publish_report(SHARD, &report).await,
        ];
        for refused in refused {
            let error = refused.expect_err("nothing is taken during an alarm");
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            assert!(error.to_string().contains("alarm"), "{error}");
        }
        let took = began.elapsed();
        assert!(
            took < Duration::from_secs(2 * 2 + 1),
            "publishing has a time limit: {took:?}"
        );
    }
    worker.settle.ack(tags).await.expect("acks are taken");
    take_all(&mut worker, (5..20).collect()).await;
    wait_for_ready(&broker, &work(), 0).await;
    answers(&broker).await;

    server.engine().alarm(false).await.expect("the alarm is over");
    publish_stubbornly(&broker, 200..300).await;
    take_all(&mut worker, (200..300).collect()).await;
    wait_for_ready(&broker, &Queue::Reports(SHARD), 1).await;
    server.stop().await.expect("RabbitMQ stops");
}
