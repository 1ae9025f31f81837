//! Messages as they are on the wire. `docs/amqp.md` says the same in prose.

use flotilla_core::message::{Headers, ItemMessage, Malformed, Report, header};
use flotilla_core::ports::broker::Queue;
use flotilla_core::shard::Shard;
use flotilla_core::{Error, Result};
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};

use crate::{ENGINE, topology};

/// Delivery mode of messages that survive a restart of the broker.
const PERSISTENT: u8 = 2;

/// How often a quorum queue has seen the message come back.
const DELIVERY_COUNT: &str = "x-delivery-count";

/// Headers that hold a number. They are sent as one, because that is what other languages expect.
pub(crate) const NUMBERS: [&str; 6] = [
    header::VERSION,
    header::INDEX,
    header::ATTEMPT,
    header::MAX_ATTEMPTS,
    header::TIMEOUT_MS,
    header::EPOCH,
];
/// Headers that hold yes or no, likewise.
pub(crate) const FLAGS: [&str; 1] = [header::ISOLATED];

/// A message that is ready to be published.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// Where it is meant to end.
    pub(crate) queue: Queue,
    pub(crate) exchange: &'static str,
    pub(crate) key: String,
    pub(crate) properties: BasicProperties,
    pub(crate) body: Vec<u8>,
}

impl Outgoing {
    /// One attempt at an item.
    pub(crate) fn item(item: ItemMessage) -> Self {
        let pool = item.pool.clone();
        let (queue, key) = if item.isolated {
            (Queue::Isolate(pool.clone()), topology::isolated(&pool))
        } else {
            (Queue::Work(pool.clone()), pool.to_string())
        };
        let mut properties = properties().with_message_id(item.key().into());
        // Longer ones than the property can hold are in the header all the same.
        if let Ok(kind) = ShortString::try_new(item.job_type.as_str()) {
            properties = properties.with_type(kind);
        }
        let (headers, body) = item.into_parts();
        Self {
            queue,
            key,
            exchange: topology::WORK,
            properties: properties.with_headers(table(headers)),
            body: body.into_string().into_bytes(),
        }
    }

    /// A worker's report.
    ///
    /// # Errors
    /// Where it has no JSON form.
    pub(crate) fn report(shard: Shard, report: &Report) -> Result<Self> {
        let body = report
            .encode()
            .map_err(|error| Error::corrupt(ENGINE, "a report has no JSON form").because(error))?;
        Ok(Self {
            queue: Queue::Reports(shard),
            exchange: topology::REPORTS,
            key: shard.to_string(),
            properties: properties(),
            body,
        })
    }
}

fn properties() -> BasicProperties {
    BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_content_type("application/json".into())
        .with_app_id("flotilla".into())
}

fn table(headers: Headers) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, text) in headers {
        table.insert(name.into(), value(name, text));
    }
    table
}

/// A header of the type that it has. What does not fit goes as the text that it is.
fn value(name: &str, text: String) -> AMQPValue {
    let typed = if NUMBERS.contains(&name) {
        text.parse().ok().map(AMQPValue::LongLongInt)
    } else if FLAGS.contains(&name) {
        text.parse().ok().map(AMQPValue::Boolean)
    } else {
        None
    };
    typed.unwrap_or_else(|| AMQPValue::LongString(text.into()))
}

/// How a message of a queue is read.
pub(crate) type Read<M> = fn(&BasicProperties, Vec<u8>) -> Result<M, Malformed>;

/// Reads an item, whichever way its numbers were sent.
pub(crate) fn read_item(properties: &BasicProperties, body: Vec<u8>) -> Result<ItemMessage, Malformed> {
    let headers = properties.headers().as_ref().map(FieldTable::inner);
    ItemMessage::from_parts(|name| text(headers?.get(name)?), body)
}

/// Reads a report.
#[expect(
    clippy::needless_pass_by_value,
    reason = "one signature for every kind of message"
)]
pub(crate) fn read_report(_: &BasicProperties, body: Vec<u8>) -> Result<Report, Malformed> {
    Report::decode(&body)
}

fn text(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok().map(str::to_owned),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        AMQPValue::Boolean(flag) => Some(flag.to_string()),
        number => integer(number).map(|number| number.to_string()),
    }
}

fn integer(value: &AMQPValue) -> Option<i64> {
    match *value {
        AMQPValue::ShortShortInt(n) => Some(n.into()),
        AMQPValue::ShortShortUInt(n) => Some(n.into()),
        AMQPValue::ShortInt(n) => Some(n.into()),
        AMQPValue::ShortUInt(n) => Some(n.into()),
        AMQPValue::LongInt(n) => Some(n.into()),
        AMQPValue::LongUInt(n) => Some(n.into()),
        AMQPValue::LongLongInt(n) => Some(n),
        _ => None,
    }
}

/// How often a message came back before. 3.10 and 3.11 send a count of 0 the first time, later versions send none; and
/// from 4.3 on, giving back does not count, but still shows in `redelivered`.
pub(crate) fn redeliveries(properties: &BasicProperties, redelivered: bool) -> u32 {
    let headers = properties.headers().as_ref().map(FieldTable::inner);
    let count = headers.and_then(|headers| integer(headers.get(DELIVERY_COUNT)?));
    let count = count.map_or(0, |count| u32::try_from(count.max(0)).unwrap_or(u32::MAX));
    count.max(redelivered.into())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use flotilla_core::{BatchId, Json, Pool, Space};

    use super::*;

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

    fn header<'a>(properties: &'a BasicProperties, name: &str) -> Option<&'a AMQPValue> {
        properties.headers().as_ref()?.inner().get(name)
    }

    #[test]
    fn the_wire_form_of_an_item_does_not_drift() {
        let sent = Outgoing::item(item());
        assert_eq!((sent.exchange, sent.key.as_str()), ("flotilla.work.v1", "gpu"));
        assert_eq!(sent.body, br#"{"b": 1.50}"#);
        let properties = &sent.properties;
        let id = "00000000-0000-0000-0000-000000000007:12";
        assert_eq!(
            properties.message_id().as_ref().map(ShortString::as_str),
            Some(id)
        );
        assert_eq!(
            properties.kind().as_ref().map(ShortString::as_str),
            Some("thumb nail")
        );
        assert_eq!(*properties.delivery_mode(), Some(2));
        let numbers = [
            ("version", 1),
            ("index", 12),
            ("attempt", 2),
            ("max-attempts", 3),
            ("timeout-ms", 1_500),
        ];
        for (name, number) in numbers {
            let name = format!("flotilla-{name}");
            assert_eq!(
                header(properties, &name),
                Some(&AMQPValue::LongLongInt(number)),
                "{name}"
            );
        }
        for (name, text) in [("space", "default"), ("pool", "gpu"), ("job-type", "thumb nail")] {
            let name = format!("flotilla-{name}");
            assert_eq!(
                header(properties, &name),
                Some(&AMQPValue::LongString(text.into())),
                "{name}"
            );
        }
        assert_eq!(read_item(properties, sent.body.clone()), Ok(item()));
    }

    #[test]
    fn what_an_item_may_have_is_typed_and_absent_where_it_has_not() {
        let plain = Outgoing::item(item());
        for name in [header::EPOCH, header::ISOLATED, header::CALLBACK] {
            assert_eq!(header(&plain.properties, name), None, "{name}");
        }
        let full = ItemMessage {
            epoch: 4,
            isolated: true,
            callback: Some("https://flotilla.test/v1/callbacks/abc".into()),
            ..item()
        };
        let sent = Outgoing::item(full.clone());
        assert_eq!(sent.queue, Queue::Isolate(full.pool.clone()));
        assert_eq!(
            (sent.exchange, sent.key.as_str()),
            ("flotilla.work.v1", "isolate.gpu")
        );
        let expected = [
            ("flotilla-epoch", AMQPValue::LongLongInt(4)),
            ("flotilla-isolated", AMQPValue::Boolean(true)),
            (
                "flotilla-callback",
                AMQPValue::LongString("https://flotilla.test/v1/callbacks/abc".into()),
            ),
        ];
        for (name, value) in expected {
            assert_eq!(header(&sent.properties, name), Some(&value), "{name}");
        }
        assert_eq!(read_item(&sent.properties, sent.body), Ok(full));
    }

    #[test]
    fn flags_may_be_sent_as_text() {
        let sent = Outgoing::item(item());
        let mut headers = sent.properties.headers().clone().unwrap();
        headers.insert("flotilla-isolated".into(), AMQPValue::LongString("true".into()));
        let properties = sent.properties.with_headers(headers);
        let read = read_item(&properties, sent.body).map(|item| item.isolated);
        assert_eq!(read, Ok(true));
    }

    #[test]
    fn numbers_may_be_sent_as_text_and_in_any_width() {
        let sent = Outgoing::item(item());
        let mut headers = sent.properties.headers().clone().unwrap();
        headers.insert("flotilla-version".into(), AMQPValue::LongString("1".into()));
        headers.insert("flotilla-index".into(), AMQPValue::LongUInt(12));
        headers.insert("flotilla-attempt".into(), AMQPValue::ShortShortInt(2));
        let properties = sent.properties.with_headers(headers);
        assert_eq!(read_item(&properties, sent.body), Ok(item()));
    }

    #[test]
    fn a_job_type_of_any_length_can_be_sent() {
        let long = ItemMessage {
            job_type: "x".repeat(300),
            ..item()
        };
        let sent = Outgoing::item(long.clone());
        assert_eq!(*sent.properties.kind(), None);
        assert_eq!(read_item(&sent.properties, sent.body), Ok(long));
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
}
