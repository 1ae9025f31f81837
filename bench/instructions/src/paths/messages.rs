//! Messages: items to workers, and what became of them on its way back.

use std::hint::black_box;
use std::time::Duration;

use bytes::BytesMut;
use flotilla_amqp::hot_paths::{Delivered, publish};
use flotilla_core::message::{ItemMessage, ItemReport, Report, Verdict};
use flotilla_core::outcome::{ItemError, ItemErrorKind, Output};
use flotilla_core::{BatchId, ItemIndex, Json, Pool, Space, WorkerId};
use jiff::Timestamp;
use uuid::Uuid;

use super::Path;

/// Items that are published in one call.
const CALL: u32 = 100;
/// Items in a report of a busy worker.
pub(super) const REPORT_ITEMS: u32 = 500;

pub(super) const PUBLISH: Path = Path {
    name: "publish-item",
    items: CALL,
    turns: 100,
    prepare: || {
        let messages: Vec<_> = (0..CALL).map(message).collect();
        Box::new(move || {
            let mut chunk = BytesMut::with_capacity(64 << 10);
            messages.iter().for_each(|message| publish(&mut chunk, message));
            assert!(black_box(chunk).len() > 300 * messages.len());
        })
    },
};

pub(super) const DELIVER: Path = Path {
    name: "deliver-item",
    items: CALL,
    turns: 100,
    prepare: || {
        let delivered = |index| Delivered::of(&message(index)).expect("what is published can be read");
        let messages: Vec<_> = (0..CALL).map(delivered).collect();
        Box::new(move || {
            for message in &messages {
                let read = message.read().expect("what is published can be read");
                black_box(read);
            }
        })
    },
};

pub(super) const REPORT: Path = Path {
    name: "write-report",
    items: REPORT_ITEMS,
    turns: 10,
    prepare: || {
        let report = report();
        Box::new(move || {
            let body = report.encode().expect("a report has a JSON form");
            assert!(black_box(body).len() > 100 * report.items.len());
        })
    },
};

pub(super) const READ_REPORT: Path = Path {
    name: "read-report",
    items: REPORT_ITEMS,
    turns: 10,
    prepare: || {
        let body = report().encode().expect("a report has a JSON form");
        Box::new(move || {
            let report = Report::decode(black_box(&body)).expect("it was encoded");
            assert_eq!(report.items.len(), REPORT_ITEMS as usize);
        })
    },
};

fn message(index: ItemIndex) -> ItemMessage {
    ItemMessage {
        batch: BatchId(Uuid::from_u128(7)),
        index: 12_000 + index,
        attempt: 1,
        max_attempts: 3,
        timeout: Duration::from_secs(30),
        space: Space::default(),
        job_type: "thumbnail".into(),
        pool: Pool::default(),
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
        epoch: 0,
        isolated: false,
        callback: None,
        input: Json::parse(format!(r#"{{"path": "pictures/{index}.png", "width": 320}}"#))
            .expect("it is JSON"),
    }
}

pub(super) fn report() -> Report {
    Report::of_items(
        WorkerId("worker-1-4242-abcdef".into()),
        (0..REPORT_ITEMS).map(item_report).collect(),
    )
}

/// One in fifty fails.
fn item_report(index: ItemIndex) -> ItemReport {
    let verdict = if index % 50 == 7 {
        let message =
            format!("row {index}: cannot open '/data/{index}.png' (id 0b1c-9f), HTTP 503 after 3.2 s");
        Verdict::Fail(ItemError::new(ItemErrorKind::Handler, message))
    } else {
        let output = format!(r#"{{"path": "thumbnails/{index}.png", "bytes": 4711}}"#);
        Verdict::Done(Output::Inline(Json::parse(output).expect("it is JSON")))
    };
    ItemReport {
        batch: BatchId(Uuid::from_u128(7)),
        index,
        attempt: 1,
        verdict,
        started_at: Timestamp::from_nanosecond(1_800_000_000_123_456_789 + i128::from(index) * 1_234_567)
            .expect("it is a time"),
        duration_us: 1_500 + u64::from(index) * 37,
        traceparent: None,
        artifacts: Vec::new(),
    }
}
