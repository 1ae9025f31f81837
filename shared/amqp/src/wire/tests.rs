use std::time::Duration;

use amq_protocol::frame::{AMQPFrame, parse_frame};
use flotilla_core::{BatchId, Json, Pool, Space};
use lapin::protocol::AMQPClass;
use lapin::protocol::basic::AMQPMethod;

use super::*;
use crate::publishing::frames::write_message;

const CHANNEL: u16 = 3;
const FRAME_MAX: usize = 4_096;

fn item() -> ItemMessage {
    ItemMessage {
        batch: BatchId(uuid::Uuid::from_u128(7)),
        index: 12,
        attempt: 2,
        max_attempts: 3,
        timeout: Duration::from_millis(1_500),
        space: Space::default(),
        job_type: "thumb nail".into(),
        pool: "gpu".parse::<Pool>().unwrap(),
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
        epoch: 0,
        isolated: false,
        callback: None,
        input: Json::parse(r#"{"b": 1.50}"#).unwrap(),
    }
}

/// A message as the library reads it.
struct Sent {
    exchange: String,
    key: String,
    properties: BasicProperties,
    body: Vec<u8>,
    bodies: usize,
}

fn sent(message: &Outgoing<'_>) -> Sent {
    let mut out = BytesMut::new();
    write_message(&mut out, CHANNEL, FRAME_MAX, message);
    let mut rest = &out[..];
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let (left, frame) = parse_frame(rest).unwrap();
        assert!(
            rest.len() - left.len() <= FRAME_MAX,
            "no frame is longer than agreed"
        );
        assert_eq!(frame.channel_id(), CHANNEL);
        rest = left;
        frames.push(frame);
    }
    let mut frames = frames.into_iter();
    let Some(AMQPFrame::Method(_, AMQPClass::Basic(AMQPMethod::Publish(publish)))) = frames.next() else {
        panic!("the first frame publishes");
    };
    assert!(publish.mandatory && !publish.immediate);
    let Some(AMQPFrame::Header(_, header)) = frames.next() else {
        panic!("the second frame is a header");
    };
    let bodies: Vec<Vec<u8>> = frames
        .map(|frame| match frame {
            AMQPFrame::Body(_, body) => body,
            other => panic!("{other:?}"),
        })
        .collect();
    let body = bodies.concat();
    assert_eq!(header.body_size, body.len() as u64);
    Sent {
        exchange: publish.exchange.to_string(),
        key: publish.routing_key.to_string(),
        properties: header.properties,
        bodies: bodies.len(),
        body,
    }
}

fn header<'a>(properties: &'a BasicProperties, name: &str) -> Option<&'a AMQPValue> {
    properties.headers().as_ref()?.inner().get(name)
}

fn text(value: Option<&AMQPValue>) -> Option<String> {
    value
        .and_then(bytes_of)
        .map(|text| String::from_utf8(text.to_vec()).unwrap())
}

#[test]
fn the_wire_form_of_an_item_does_not_drift() {
    let item = item();
    let sent = sent(&Outgoing::Item(&item));
    assert_eq!(
        (sent.exchange.as_str(), sent.key.as_str()),
        ("flotilla.work.v2", "gpu")
    );
    assert_eq!(sent.body, br#"{"b": 1.50}"#);
    let properties = &sent.properties;
    let short = |text: &Option<ShortString>| text.as_ref().map(ToString::to_string);
    assert_eq!(
        short(properties.message_id()).as_deref(),
        Some("00000000-0000-0000-0000-000000000007:12")
    );
    assert_eq!(short(properties.kind()).as_deref(), Some("thumb nail"));
    assert_eq!(
        short(properties.content_type()).as_deref(),
        Some("application/json")
    );
    assert_eq!(short(properties.app_id()).as_deref(), Some("flotilla"));
    assert_eq!(*properties.delivery_mode(), Some(2));
    assert_eq!(
        text(header(properties, "flotilla")).unwrap(),
        r#"{"v":2,"attempt":2,"max_attempts":3,"timeout_ms":1500,"space":"default","pool":"gpu"}"#
    );
    assert_eq!(text(header(properties, "traceparent")), item.traceparent);
    let headers = properties.headers().as_ref().unwrap().inner();
    assert_eq!(headers.len(), 2, "the broker takes every one of them apart");
    assert_eq!(read_item(properties, sent.body.clone()), Ok(item));
}

#[test]
fn an_item_that_runs_alone_goes_another_way() {
    let alone = ItemMessage {
        epoch: 4,
        isolated: true,
        callback: Some("https://flotilla.test/v1/callbacks/abc".into()),
        traceparent: None,
        ..item()
    };
    let message = Outgoing::Item(&alone);
    assert_eq!(message.queue(), Queue::Isolate(alone.pool.clone()));
    let sent = sent(&message);
    assert_eq!(
        (sent.exchange.as_str(), sent.key.as_str()),
        ("flotilla.work.v2", "isolate.gpu")
    );
    assert_eq!(header(&sent.properties, "traceparent"), None);
    assert_eq!(read_item(&sent.properties, sent.body), Ok(alone));
}

#[test]
fn a_body_of_any_length_is_sent_in_as_many_frames_as_it_takes() {
    for (length, bodies) in [(2, 1), (FRAME_MAX - 8, 1), (FRAME_MAX - 7, 2), (20_000, 5)] {
        let long = ItemMessage {
            input: Json::string(&"x".repeat(length - 2)),
            ..item()
        };
        let sent = sent(&Outgoing::Item(&long));
        assert_eq!((sent.bodies, sent.body.len()), (bodies, length));
        assert_eq!(read_item(&sent.properties, sent.body), Ok(long));
    }
}

#[test]
fn a_job_type_of_any_length_can_be_sent() {
    for length in [255, 256] {
        let long = ItemMessage {
            job_type: "x".repeat(length),
            ..item()
        };
        let sent = sent(&Outgoing::Item(&long));
        assert_eq!(sent.properties.kind().is_some(), length == 255);
        assert_eq!(read_item(&sent.properties, sent.body), Ok(long));
    }
}

#[test]
fn a_report_is_a_persistent_message() {
    let report = Outgoing::Report {
        shard: Shard::all(2).last().unwrap(),
        body: b"{}",
    };
    let sent = sent(&report);
    assert_eq!(
        (sent.exchange.as_str(), sent.key.as_str()),
        ("flotilla.reports.v1", "1")
    );
    assert_eq!(*sent.properties.delivery_mode(), Some(2));
    assert_eq!(sent.body, b"{}");
}

#[test]
fn a_message_of_the_contract_before_this_one_is_recognised() {
    let mut headers = FieldTable::default();
    headers.insert("flotilla-version".into(), AMQPValue::LongLongInt(1));
    let properties = BasicProperties::default().with_headers(headers);
    let refused = read_item(&properties, b"{}".to_vec()).unwrap_err().to_string();
    assert!(refused.contains("contract version 1"), "{refused}");
}

#[test]
fn redeliveries_are_counted_by_every_version() {
    let counted = |value| {
        let mut headers = FieldTable::default();
        headers.insert(DELIVERY_COUNT.into(), value);
        BasicProperties::default().with_headers(headers)
    };
    let none = BasicProperties::default();
    assert_eq!(redeliveries(&none, false), 0);
    assert_eq!(redeliveries(&none, true), 1);
    assert_eq!(redeliveries(&counted(AMQPValue::LongLongInt(0)), false), 0);
    assert_eq!(redeliveries(&counted(AMQPValue::LongLongInt(4)), true), 4);
    assert_eq!(redeliveries(&counted(AMQPValue::ShortShortUInt(200)), true), 200);
    assert_eq!(redeliveries(&counted(AMQPValue::LongInt(-1)), false), 0);
}
