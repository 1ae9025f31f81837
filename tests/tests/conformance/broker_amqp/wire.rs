//! What is on the wire, as RabbitMQ and other programs see it.

use flotilla_core::Json;
use flotilla_core::message::ItemMessage;
use flotilla_core::ports::Broker;
use flotilla_core::ports::broker::{DELIVERY_LIMIT, ISOLATED_DELIVERY_LIMIT, Queue};
use flotilla_tests::conformance::broker::fixture::{
    PATIENCE, SHARD, consume, declare, isolation, item, next, publish, report, suspect, take, topology,
    wait_for_ready, work,
};
use flotilla_tests::{Sandbox, eventually};
use lapin::options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel};

use super::connect;

/// Publishes as another program would, to the queue itself.
async fn publish_raw(channel: &Channel, queue: &Queue, properties: BasicProperties, body: &[u8]) {
    let (options, key) = (BasicPublishOptions::default(), queue.to_string().into());
    let confirm = channel
        .basic_publish("".into(), key, options, body, properties)
        .await;
    let confirmed = confirm.expect("it is sent").await.expect("it is confirmed");
    assert!(confirmed.is_ack());
}

async fn channel(connection: &lapin::Connection) -> Channel {
    let channel = connection.create_channel().await.expect("a channel");
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await
        .expect("confirms");
    channel
}

fn headers(of: &[(&str, AMQPValue)]) -> BasicProperties {
    let mut table = FieldTable::default();
    for (name, value) in of {
        table.insert((*name).into(), value.clone());
    }
    BasicProperties::default().with_headers(table)
}

#[tokio::test]
async fn queues_are_what_was_declared() {
    let sandbox = Sandbox::new().await;
    let broker = connect(&sandbox.amqp_url());
    declare(&broker).await;
    let queues = sandbox.management().queues().await;
    assert_eq!(queues.len(), topology().queues().len() + 1);
    assert!(
        queues
            .iter()
            .all(|queue| queue["type"] == "quorum" && queue["durable"] == true)
    );
    let queue = sandbox
        .management()
        .queue(&work().to_string())
        .await
        .expect("it exists");
    assert_eq!(queue["arguments"]["x-delivery-limit"], DELIVERY_LIMIT);
    assert_eq!(queue["arguments"]["x-dead-letter-strategy"], "at-least-once");
    let queue = sandbox
        .management()
        .queue(&isolation().to_string())
        .await
        .expect("it exists");
    assert_eq!(queue["arguments"]["x-delivery-limit"], ISOLATED_DELIVERY_LIMIT);
    assert_eq!(queue["arguments"]["x-dead-letter-strategy"], "at-least-once");
    let queue = sandbox
        .management()
        .queue(&Queue::Reports(SHARD).to_string())
        .await
        .expect("it exists");
    assert_eq!(queue["arguments"]["x-single-active-consumer"], true);
}

#[tokio::test]
async fn items_are_persistent_and_typed() {
    let sandbox = Sandbox::new().await;
    let broker = connect(&sandbox.amqp_url());
    publish(&broker, 1).await;
    let connection = sandbox.amqp().await;
    let channel = channel(&connection).await;
    let got = eventually("the item", PATIENCE, || async {
        let options = BasicGetOptions { no_ack: true };
        channel
            .basic_get(work().to_string().into(), options)
            .await
            .expect("the queue exists")
    })
    .await;
    let properties = &got.delivery.properties;
    assert_eq!(*properties.delivery_mode(), Some(2));
    let text = |text: &Option<lapin::types::ShortString>| text.as_ref().map(ToString::to_string);
    assert_eq!(text(properties.message_id()), Some(item(0).key()));
    assert_eq!(text(properties.kind()).as_deref(), Some("echo"));
    assert_eq!(
        text(properties.content_type()).as_deref(),
        Some("application/json")
    );
    assert_eq!(text(properties.app_id()).as_deref(), Some("flotilla"));
    let table = properties.headers().as_ref().expect("headers").inner();
    let envelope: serde_json::Value = match table.get("flotilla") {
        Some(AMQPValue::LongString(json)) => serde_json::from_slice(json.as_bytes()).expect("JSON"),
        other => panic!("{other:?}"),
    };
    assert_eq!(envelope["v"], 2);
    assert_eq!(envelope["attempt"], 1);
    assert_eq!(envelope["space"], "default");
    let ours = table.keys().filter(|name| !name.as_str().starts_with("x-"));
    assert_eq!(ours.count(), 1, "the broker takes every header apart");
    assert_eq!(got.delivery.data, item(0).input.into_string().into_bytes());
}

/// Other programs may add what this one does not know, and write JSON in their own way.
#[tokio::test]
async fn items_of_other_programs_are_read() {
    let sandbox = Sandbox::new().await;
    let broker = connect(&sandbox.amqp_url());
    declare(&broker).await;
    let envelope = r#"{ "space": "def\u0061ult", "v": 2, "pool": "default", "attempt": 1, "max_attempts": 3,
        "isolated": true, "timeout_ms": 30000, "epoch": 2, "colour": ["red"] }"#;
    let properties = headers(&[
        ("flotilla", AMQPValue::LongString(envelope.into())),
        ("x-something-else", AMQPValue::Boolean(true)),
    ])
    .with_message_id(format!("{}:5", item(0).batch).into())
    .with_type("echo".into());
    let connection = sandbox.amqp().await;
    publish_raw(&channel(&connection).await, &work(), properties, b"[1.0]").await;
    let expected = ItemMessage {
        input: Json::parse("[1.0]").expect("valid JSON"),
        epoch: 2,
        ..suspect(5)
    };
    assert_eq!(next(&mut consume(&broker, 1).await).await.message, Ok(expected));
}

/// What can't be read is delivered as such, so that the consumer can reject it; it ends where people can look at it.
#[tokio::test]
async fn malformed_messages_say_why_and_are_parked() {
    let sandbox = Sandbox::new().await;
    let broker = connect(&sandbox.amqp_url());
    declare(&broker).await;
    let connection = sandbox.amqp().await;
    let channel = channel(&connection).await;
    publish_raw(&channel, &work(), BasicProperties::default(), b"{}").await;
    publish_raw(
        &channel,
        &work(),
        headers(&[("flotilla", AMQPValue::LongString(r#"{"v":9}"#.into()))])
            .with_message_id("a-batch:12".into()),
        b"{}",
    )
    .await;
    let mut worker = consume(&broker, 10).await;
    for reason in [
        "header flotilla is missing",
        "item a-batch:12 has contract version 9",
    ] {
        let delivery = next(&mut worker).await;
        let malformed = delivery.message.expect_err("it can't be read").to_string();
        assert!(malformed.contains(reason), "{malformed}");
        worker
            .settle
            .reject(vec![delivery.tag])
            .await
            .expect("rejects are taken");
    }
    let mut dead = broker.consume_dead(10).await.expect("the queue exists");
    for _ in 0..2 {
        let delivery = next(&mut dead).await;
        assert!(delivery.message.is_err());
        dead.settle
            .reject(vec![delivery.tag])
            .await
            .expect("rejects are taken");
    }
    publish_raw(
        &channel,
        &Queue::Reports(SHARD),
        BasicProperties::default(),
        b"rubbish",
    )
    .await;
    let mut reports = broker.consume_reports(SHARD, 10).await.expect("the queue exists");
    let delivery = next(&mut reports).await;
    assert!(
        delivery
            .message
            .expect_err("it can't be read")
            .to_string()
            .contains("not a report")
    );
    reports
        .settle
        .reject(vec![delivery.tag])
        .await
        .expect("rejects are taken");
    eventually("three parked messages", PATIENCE, || async {
        (sandbox.management().depth("flotilla.parked.v1").await == 3).then_some(())
    })
    .await;
    assert_eq!(broker.parked().await.expect("the queue exists"), 3);
    // None of it holds up what can be read.
    broker
        .publish_report(SHARD, &report(1))
        .await
        .expect("a report is published");
    assert_eq!(next(&mut reports).await.message, Ok(report(1)));
}

/// Acks leave nothing behind on the broker.
#[tokio::test]
async fn acked_items_are_gone() {
    let sandbox = Sandbox::new().await;
    let broker = connect(&sandbox.amqp_url());
    publish(&broker, 50).await;
    let mut worker = consume(&broker, 50).await;
    let (tags, _) = take(&mut worker, 50).await;
    let (even, odd): (Vec<_>, Vec<_>) = tags.into_iter().partition(|tag| tag.number % 2 == 0);
    worker.settle.ack(even).await.expect("acks are taken");
    worker.settle.ack(odd).await.expect("acks are taken");
    broker.close().await.expect("it closes");
    assert!(
        futures_util::StreamExt::next(&mut worker.deliveries)
            .await
            .is_none(),
        "closing ends the stream"
    );
    let after = connect(&sandbox.amqp_url());
    wait_for_ready(&after, &work(), 0).await;
}
