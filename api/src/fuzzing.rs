//! What a fuzzer does with the parsers of uploads: see `fuzz/`.

use std::io::Read;
use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use flotilla_core::job_type::JobTypes;
use jiff::Timestamp;

use crate::Config;
use crate::intake::{Chunk, Format, Limits, OnInvalid, Options, Terms, parse};

/// Reads `data` as an upload: its first byte says how, the rest is the body.
///
/// # Panics
/// Where what comes out contradicts what went in: places with gaps, an item that is not JSON, another result where the body
/// comes in other pieces.
pub fn upload(content_type: &'static str, data: &[u8]) {
    let Some((how, body)) = data.split_first() else {
        return;
    };
    let on_invalid = match how & 1 {
        0 => OnInvalid::Reject,
        _ => OnInvalid::Skip,
    };
    let step = usize::from(how >> 1) + 1;
    let whole = outcome(content_type, on_invalid, body, usize::MAX);
    let pieces = outcome(content_type, on_invalid, body, step);
    assert_eq!(whole, pieces, "in pieces of {step} bytes");
}

/// Every item and everything that was skipped, by place; or the problem.
type Outcome = Result<Vec<(u32, String)>, String>;

fn outcome(content_type: &'static str, on_invalid: OnInvalid, body: &[u8], step: usize) -> Outcome {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
    let format = Format::of(&headers).map_err(|problem| format!("{problem:?}"))?;
    let types = Arc::new(JobTypes::builtin());
    let options = match format {
        Format::Json => Options::plain(types, Arc::default(), None, Timestamp::UNIX_EPOCH),
        _ => Options::of_any_items(types, Arc::default(), Timestamp::UNIX_EPOCH),
    };
    let limits = Limits {
        item_bytes: 4_096,
        items: 1_000,
        chunk_items: 7,
        ..Limits::from(&Config::default())
    };
    let mut places = Vec::new();
    let mut emit = |chunk: Chunk| {
        take(&mut places, &chunk);
        Ok(())
    };
    let body = Steps { body, step };
    let terms = Terms {
        on_invalid,
        ..Terms::default()
    };
    let parsed =
        parse(format, body, options, limits, &terms, &mut emit).map_err(|problem| format!("{problem:?}"))?;
    take(&mut places, &parsed.rest);
    Ok(places)
}

/// Adds what a chunk has, which must follow what was there.
fn take(places: &mut Vec<(u32, String)>, chunk: &Chunk) {
    assert_eq!(
        chunk.position as usize,
        places.len(),
        "a chunk follows the one before"
    );
    assert_eq!(chunk.items.len(), chunk.origins.len(), "every item has a place");
    let items = chunk.origins.iter().zip(&chunk.items).map(|(origin, item)| {
        let read: Result<&serde_json::value::RawValue, _> = serde_json::from_str(item.input.as_str());
        assert!(read.is_ok(), "an item that is no JSON");
        (origin.position, item.input.as_str().to_owned())
    });
    let skipped = chunk
        .skipped
        .iter()
        .map(|skipped| (skipped.position, format!("{skipped:?}")));
    let mut all: Vec<_> = items.chain(skipped).collect();
    all.sort_by_key(|(position, _)| *position);
    assert_eq!(
        all.len(),
        chunk.read as usize,
        "everything that was read is there"
    );
    for (expected, (position, _)) in (chunk.position..).zip(&all) {
        assert_eq!(expected, *position, "no place is missing or twice");
    }
    places.extend(all);
}

/// Gives a body out in pieces.
struct Steps<'a> {
    body: &'a [u8],
    step: usize,
}

impl Read for Steps<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let most = buf.len().min(self.step);
        self.body.read(&mut buf[..most])
    }
}
