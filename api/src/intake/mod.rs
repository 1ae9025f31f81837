//! Taking batches in, with memory that does not depend on their size.
//!
//! ```text
//! connection ──pieces──▶ [body] ──▶ parser thread ──chunks──▶ submission task ──▶ store
//!  (request)    bounded            unpacked, then    bounded     open, append, seal;
//!                                  json|ndjson|csv|tsv           or all at once
//! ```
//!
//! The request feeds pieces of the body into a bounded channel ([`body`]). A blocking thread reads them with the
//! ordinary synchronous parsers and cuts what it finds into chunks ([`chunk`]). The submission ([`submit`]) stores one
//! chunk after the other. When the store is slow, the channels fill up, the connection is read no further, and TCP
//! tells the client.
//!
//! Whatever breaks in between ends in the same place: an upload that did not reach its seal is discarded by the
//! submission, which outlives the request. Should even that fail (a power cut), the batch stays open, which dispatches
//! nothing, until the scheduler removes it.

mod admission;
pub(crate) mod append;
pub(crate) mod body;
mod chunk;
mod csv;
mod custom_id;
mod depth;
mod digest;
pub(crate) mod dry_run;
mod encoding;
mod faults;
mod format;
mod gauge;
pub(crate) mod headers;
mod json;
mod ndjson;
mod options;
pub(crate) mod produce;
pub(crate) mod receive;
mod schema;
pub(crate) mod submit;
mod terms;
pub(crate) mod writes;

pub(crate) use self::csv::Dialect;
pub(crate) use chunk::{Chunk, Chunker, Limits, Origin};
pub(crate) use encoding::Encoding;
pub(crate) use format::Format;
#[cfg(test)]
pub(crate) use options::FIELDS;
pub(crate) use options::{Options, checks};
pub use schema::Schemas;
pub(crate) use terms::{OnInvalid, Said, Terms};

use std::io::{Cursor, Read, Result as IoResult};

use crate::problem::Problem;

/// What a parser leaves behind when it has read everything: the last, unfinished chunk and what the batch is to do.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) rest: Chunk,
    pub(crate) options: Options,
    /// A hash of the body, where it was asked for.
    pub(crate) digest: Option<String>,
}

/// Where full chunks go. An error stops the parser.
pub(crate) type Emit<'a> = &'a mut dyn FnMut(Chunk) -> Result<(), Problem>;

/// Reads a whole body. Blocks.
pub(crate) fn parse(
    format: Format,
    body: impl Read,
    mut options: Options,
    limits: Limits,
    terms: &Terms,
    emit: Emit<'_>,
) -> Result<Parsed, Problem> {
    let mut chunker = Chunker::new(limits, terms.on_invalid, emit);
    let unmarked = |body| without_mark(body).map_err(read_failed);
    let read = match format {
        Format::Json => unmarked(body).and_then(|body| json::parse(body, &mut options, &mut chunker)),
        Format::Ndjson => unmarked(body).and_then(|body| ndjson::parse(body, &options, &mut chunker)),
        Format::Csv => csv::parse(body, &terms.dialect, &options, &mut chunker),
        Format::Tsv => csv::parse(body, &terms.dialect.clone().or_tabs(), &options, &mut chunker),
    };
    let rest = chunker.finish(read, &options)?;
    Ok(Parsed {
        rest,
        options,
        digest: None,
    })
}

/// What some programs write in front of UTF-8. It belongs to no value and to no name.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// `body` without a byte order mark in front.
fn without_mark<R: Read>(mut body: R) -> IoResult<impl Read> {
    let mut start = Vec::with_capacity(BYTE_ORDER_MARK.len());
    body.by_ref()
        .take(BYTE_ORDER_MARK.len() as u64)
        .read_to_end(&mut start)?;
    if start == BYTE_ORDER_MARK {
        start.clear();
    }
    Ok(Cursor::new(start).chain(body))
}

/// The problem that reading the body ran into, where it was one of our own.
fn read_failed(error: std::io::Error) -> Problem {
    match error.downcast::<Problem>() {
        Ok(problem) => problem,
        Err(error) => Problem::internal(&format!("reading an upload: {error}")),
    }
}
