//! Messages as they are on the wire. `docs/amqp.md` says the same in prose.

use std::borrow::Cow;
use std::io::Write;

use bytes::{BufMut, BytesMut};
use flotilla_core::message::{ItemMessage, MAX_PROPERTY, Malformed, Parts, Report, header};
use flotilla_core::ports::broker::Queue;
use flotilla_core::shard::Shard;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};

use crate::publishing::properties::{Properties, table};
use crate::topology;

/// Delivery mode of messages that survive a restart of the broker.
const PERSISTENT: u8 = 2;
const CONTENT_TYPE: &str = "application/json";
const APP_ID: &str = "flotilla";

/// How often a quorum queue has seen the message come back.
const DELIVERY_COUNT: &str = "x-delivery-count";

/// A message that is ready to be published.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outgoing<'a> {
    /// One attempt at an item.
    Item(&'a ItemMessage),
    /// A worker's report, as JSON.
    Report { shard: Shard, body: &'a [u8] },
}

impl Outgoing<'_> {
    /// Where it is meant to end.
    pub(crate) fn queue(&self) -> Queue {
        match self {
            Self::Item(item) if item.isolated => Queue::Isolate(item.pool.clone()),
            Self::Item(item) => Queue::Work(item.pool.clone()),
            Self::Report { shard, .. } => Queue::Reports(*shard),
        }
    }

    pub(crate) fn exchange(&self) -> &'static str {
        match self {
            Self::Item(_) => topology::WORK,
            Self::Report { .. } => topology::REPORTS,
        }
    }

    /// The routing key.
    pub(crate) fn key(&self) -> Cow<'_, str> {
        match self {
            Self::Item(item) if item.isolated => topology::isolated(&item.pool).into(),
            Self::Item(item) => item.pool.as_str().into(),
            Self::Report { shard, .. } => shard.to_string().into(),
        }
    }

    pub(crate) fn body(&self) -> &[u8] {
        match self {
            Self::Item(item) => item.input.as_str().as_bytes(),
            Self::Report { body, .. } => body,
        }
    }

    /// Writes its properties, in the form that they have in a content header.
    pub(crate) fn write_properties(&self, out: &mut BytesMut) {
        let properties = Properties::begin(out).content_type(CONTENT_TYPE);
        match self {
            Self::Item(item) => properties
                .headers(|out| write_headers(item, out))
                .delivery_mode(PERSISTENT)
                .message_id(|mut out| write!(out, "{}:{}", item.batch, item.index))
                // A longer one is in the envelope.
                .kind(Some(&item.job_type).filter(|name| name.len() <= MAX_PROPERTY))
                .app_id(APP_ID),
            Self::Report { .. } => properties.delivery_mode(PERSISTENT).app_id(APP_ID),
        }
    }
}

fn write_headers(item: &ItemMessage, out: &mut BytesMut) {
    table::text(out, header::ENVELOPE, |out| {
        item.write_envelope(out.writer())
            .expect("memory takes everything, and every field has a JSON form");
    });
    if let Some(traceparent) = &item.traceparent {
        table::text(out, header::TRACEPARENT, |out| {
            out.put_slice(traceparent.as_bytes());
        });
    }
}

/// How a message of a queue is read.
pub(crate) type Read<M> = fn(&BasicProperties, Vec<u8>) -> Result<M, Malformed>;

/// Reads an item.
pub(crate) fn read_item(properties: &BasicProperties, body: Vec<u8>) -> Result<ItemMessage, Malformed> {
    let headers = properties.headers().as_ref().map(FieldTable::inner);
    let header = |name: &str| headers.and_then(|headers| headers.get(name));
    let parts = Parts {
        message_id: properties.message_id().as_ref().map(ShortString::as_str),
        job_type: properties.kind().as_ref().map(ShortString::as_str),
        envelope: header(header::ENVELOPE).and_then(bytes_of),
        traceparent: header(header::TRACEPARENT)
            .and_then(bytes_of)
            .and_then(|text| std::str::from_utf8(text).ok()),
        older: header(header::OLDER_VERSION)
            .and_then(integer)
            .and_then(|version| version.try_into().ok()),
    };
    ItemMessage::from_parts(&parts, body)
}

/// Reads a report.
#[expect(
    clippy::needless_pass_by_value,
    reason = "one signature for every kind of message"
)]
pub(crate) fn read_report(_: &BasicProperties, body: Vec<u8>) -> Result<Report, Malformed> {
    Report::decode(&body)
}

fn bytes_of(value: &AMQPValue) -> Option<&[u8]> {
    match value {
        AMQPValue::LongString(text) => Some(text.as_bytes()),
        AMQPValue::ShortString(text) => Some(text.as_str().as_bytes()),
        AMQPValue::ByteArray(bytes) => Some(bytes.as_slice()),
        _ => None,
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
mod tests;
