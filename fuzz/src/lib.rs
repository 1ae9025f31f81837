//! Everything that strangers send, as a function of bytes that must not panic: the parsers of uploads, and the decoders of
//! messages.
//!
//! `scripts/fuzz` runs them under libFuzzer; what it found worth keeping is in `corpus`, and every test run goes through
//! that.

use flotilla_core::message::{ItemMessage, Parts, Report};

/// A target: its name, which is that of its corpus, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 4] = [
    ("ndjson", ndjson),
    ("csv", csv),
    ("json", json),
    ("message", message),
];

/// An upload of lines.
pub fn ndjson(data: &[u8]) {
    flotilla_api::fuzzing::upload("application/x-ndjson", data);
}

/// An upload of rows.
pub fn csv(data: &[u8]) {
    flotilla_api::fuzzing::upload("text/csv", data);
}

/// An upload that is one document.
pub fn json(data: &[u8]) {
    flotilla_api::fuzzing::upload("application/json", data);
}

/// An item's message: its id, its job type and its envelope on a line each, then its body. And a report: the whole.
///
/// # Panics
/// Where what was understood is not understood again when it is written.
pub fn message(data: &[u8]) {
    if let Ok(report) = Report::decode(data) {
        let written = report.encode().map(|bytes| Report::decode(&bytes));
        assert!(
            matches!(written, Ok(Ok(again)) if again == report),
            "a report is written as it was read"
        );
    }
    let mut lines = data.splitn(4, |byte| *byte == b'\n');
    let mut text = || lines.next().and_then(|line| std::str::from_utf8(line).ok());
    let (message_id, job_type) = (text(), text());
    let envelope = lines.next();
    let parts = Parts {
        message_id,
        job_type,
        envelope,
        ..Parts::default()
    };
    let Ok(item) = ItemMessage::from_parts(&parts, lines.next().unwrap_or_default().to_vec()) else {
        return;
    };
    let (mut envelope, key) = (Vec::new(), item.key());
    assert!(
        item.write_envelope(&mut envelope).is_ok(),
        "an envelope can be written"
    );
    let parts = Parts {
        message_id: Some(&key),
        job_type: Some(&item.job_type),
        envelope: Some(&envelope),
        ..Parts::default()
    };
    let again = ItemMessage::from_parts(&parts, item.input.as_str().as_bytes().to_vec());
    assert!(
        matches!(again, Ok(again) if again == item),
        "a message is written as it was read"
    );
}
