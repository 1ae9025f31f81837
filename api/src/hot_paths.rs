//! What the API does once per item, without a connection or a store around it: so that `bench/instructions` can count it.

use std::io::Read;
use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use jiff::Timestamp;

use crate::Config;
use crate::intake::{Chunk, Format, Limits, Options, Terms, parse};

/// Takes the items of `body` in as a batch that stays open does, and answers how many there are.
///
/// # Errors
/// The problem that a client would be told.
pub fn upload(content_type: &'static str, body: impl Read) -> Result<usize, impl std::error::Error> {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
    let options = Options::of_any_items(Arc::default(), Arc::default(), Timestamp::UNIX_EPOCH);
    let mut items = 0;
    let mut emit = |chunk: Chunk| {
        items += chunk.items.len();
        Ok(())
    };
    let limits = Limits::from(&Config::default());
    let parsed = Format::of(&headers)
        .and_then(|format| parse(format, body, options, limits, &Terms::default(), &mut emit));
    parsed.map(|parsed| items + parsed.rest.items.len())
}
