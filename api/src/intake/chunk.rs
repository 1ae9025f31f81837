//! Cuts a sequence of items into chunks, and checks what every item must fulfil.

use std::collections::HashMap;
use std::mem;
use std::time::Duration;

use flotilla_core::item::NewItem;
use flotilla_core::ports::store::Namesake;
use flotilla_core::skipped::{SkipReason, SkippedItem};
use flotilla_core::{ItemIndex, Json, Space};
use tokio::time::Instant;

use super::depth::{MAX_DEPTH, is_too_deep};
use super::faults::{Faults, bare};
use super::options::Shape;
use super::{Emit, OnInvalid, Options, custom_id};
use crate::config::Config;
use crate::problem::{Kind, Problem};

/// A chunk that is not full is passed on after so long, so that a slow upload does not look abandoned.
pub(super) const MAX_AGE: Duration = Duration::from_secs(60);

/// What is stored together.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    pub(crate) items: Vec<NewItem>,
    /// Where each of them was in the upload.
    pub(crate) origins: Vec<Origin>,
    /// What was left out between them.
    pub(crate) skipped: Vec<SkippedItem>,
    /// Where the chunk begins in the upload: so much came before, with what was left out.
    pub(crate) position: u32,
    /// How much of the upload it is.
    pub(crate) read: u32,
    /// The space of the batch, where the body has said it so far.
    pub(crate) space: Option<Space>,
    /// How long `custom_id`s are remembered, likewise.
    pub(crate) deduplicate: Option<Duration>,
}

/// Where an item was in its upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Its place, from 0.
    pub(crate) position: u32,
    /// The line that it began on.
    pub(crate) line: Option<u32>,
}

impl Chunk {
    /// Removes items, by their place in the chunk.
    pub(crate) fn remove(&mut self, gone: impl Fn(usize) -> bool) {
        let mut place = 0..;
        self.items.retain(|_| !place.next().is_some_and(&gone));
        let mut place = 0..;
        self.origins.retain(|_| !place.next().is_some_and(&gone));
    }

    /// Removes everything that was in the upload before `position`.
    pub(crate) fn drop_before(&mut self, position: u32) {
        let before: Vec<bool> = self
            .origins
            .iter()
            .map(|origin| origin.position < position)
            .collect();
        self.remove(|place| before.get(place).copied().unwrap_or(false));
        self.skipped.retain(|item| item.position >= position);
        let end = self.position.saturating_add(self.read);
        self.position = self.position.max(position.min(end));
        self.read = end - self.position;
    }

    /// Items that have the `custom_id` of another one before them, where the first gets the index `first`.
    pub(crate) fn namesakes(&self, first: ItemIndex) -> Vec<Namesake> {
        let mut names: HashMap<&str, ItemIndex> = HashMap::new();
        let mut namesakes = Vec::new();
        for (index, item) in (first..).zip(&self.items) {
            if let Some(name) = item.custom_id.as_deref() {
                let other = *names.entry(name).or_insert(index);
                if other != index {
                    namesakes.push(Namesake { index, other });
                }
            }
        }
        namesakes
    }
}

/// The limits of an upload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) item_bytes: usize,
    /// Bytes of a body that was packed, unpacked.
    pub(crate) bytes: Option<u64>,
    /// Items of a batch.
    pub(crate) items: u32,
    /// Items that the batch has already.
    pub(crate) held: u32,
    /// So much at the beginning is known already, and passed over.
    pub(crate) known: u32,
    pub(crate) chunk_items: usize,
    pub(crate) chunk_bytes: usize,
}

impl From<&Config> for Limits {
    fn from(config: &Config) -> Self {
        Self {
            item_bytes: config.max_item_bytes,
            bytes: config.max_upload_bytes,
            items: config.max_items.min(flotilla_core::ids::MAX_ITEMS),
            held: 0,
            known: 0,
            chunk_items: config.chunk_items,
            chunk_bytes: config.chunk_bytes,
        }
    }
}

/// Collects items, in order.
pub(crate) struct Chunker<'a> {
    limits: Limits,
    on_invalid: OnInvalid,
    emit: Emit<'a>,
    chunk: Chunk,
    bytes: usize,
    since: Instant,
    /// How many were taken.
    taken: u32,
    /// How much was read, with what was not taken.
    position: u32,
    faults: Faults,
    /// Items that came before the job type, whose schema says what they look like.
    deferred: Vec<(Json, Option<u32>)>,
}

impl<'a> Chunker<'a> {
    pub(crate) fn new(limits: Limits, on_invalid: OnInvalid, emit: Emit<'a>) -> Self {
        Self {
            limits,
            on_invalid,
            emit,
            chunk: Chunk::default(),
            bytes: 0,
            since: now(),
            taken: 0,
            position: 0,
            faults: Faults::default(),
            deferred: Vec::new(),
        }
    }

    /// The place of what comes next.
    pub(crate) fn position(&self) -> u32 {
        self.position
            .saturating_add(u32::try_from(self.deferred.len()).unwrap_or(u32::MAX))
    }

    /// The longest item, in bytes of JSON.
    pub(crate) fn max_item_bytes(&self) -> usize {
        self.limits.item_bytes
    }

    /// Takes the next item, which began on `line`.
    pub(crate) fn push(&mut self, input: Json, line: Option<u32>, options: &Options) -> Result<(), Problem> {
        match options.shape() {
            Shape::Unknown => self.defer(input, line),
            shape => self.check(input, line, &shape, options),
        }
    }

    /// Something came in place of the next item that is none: `sent`.
    pub(crate) fn malformed(
        &mut self,
        problem: Problem,
        line: Option<u32>,
        sent: &[u8],
        options: &Options,
    ) -> Result<(), Problem> {
        self.refuse(vec![problem], SkipReason::Malformed, line, sent, options)
    }

    fn defer(&mut self, input: Json, line: Option<u32>) -> Result<(), Problem> {
        self.bytes += input.len();
        self.deferred.push((input, line));
        if self.deferred.len() <= self.limits.chunk_items && self.bytes < self.limits.chunk_bytes {
            return Ok(());
        }
        Err(Problem::new(
            Kind::InvalidField,
            "`job_type` stands behind many items; put it before them: it says what they have to look like",
        )
        .with("field", "job_type"))
    }

    fn check(
        &mut self,
        input: Json,
        line: Option<u32>,
        shape: &Shape<'_>,
        options: &Options,
    ) -> Result<(), Problem> {
        if self.position < self.limits.known {
            self.pass();
            return Ok(());
        }
        if input.len() > self.limits.item_bytes {
            return Err(self.too_large());
        }
        if is_too_deep(input.as_str()) {
            let problem = self.invalid(&format!("it is nested more than {MAX_DEPTH} levels deep"));
            return self.refuse(
                vec![problem],
                SkipReason::Invalid,
                line,
                input.as_str().as_bytes(),
                options,
            );
        }
        if let Shape::Schema(schema) = shape {
            let violations = schema.violations(&input);
            if !violations.is_empty() {
                let problems = violations.into_iter().map(|violation| {
                    let place = match violation.pointer.as_str() {
                        "" => String::new(),
                        pointer => format!("{pointer}: "),
                    };
                    self.invalid(&format!("{place}{}", violation.detail))
                        .with("pointer", violation.pointer)
                        .with("expected", violation.expected)
                });
                let problems = problems.collect();
                return self.refuse(
                    problems,
                    SkipReason::Invalid,
                    line,
                    input.as_str().as_bytes(),
                    options,
                );
            }
        }
        let custom_id = custom_id::find(&input);
        if let Some(Err(detail)) = custom_id.as_deref().map(custom_id::check) {
            let problem = self.invalid(&detail);
            return self.refuse(
                vec![problem],
                SkipReason::Invalid,
                line,
                input.as_str().as_bytes(),
                options,
            );
        }
        self.take_item(NewItem { custom_id, input }, line, options)
    }

    fn take_item(&mut self, item: NewItem, line: Option<u32>, options: &Options) -> Result<(), Problem> {
        if self.taken >= self.limits.items.saturating_sub(self.limits.held) {
            return Err(self.too_many());
        }
        self.taken += 1;
        let position = self.pass();
        // What is refused as a whole is only read on for its other mistakes.
        if !self.faults.is_empty() {
            return Ok(());
        }
        self.bytes += item.input.len() + item.custom_id.as_ref().map_or(0, String::len);
        self.chunk.items.push(item);
        self.chunk.origins.push(Origin { position, line });
        self.emit_if_full(options)
    }

    /// The next item can't be taken, for each of these reasons.
    fn refuse(
        &mut self,
        problems: Vec<Problem>,
        reason: SkipReason,
        line: Option<u32>,
        sent: &[u8],
        options: &Options,
    ) -> Result<(), Problem> {
        if self.position < self.limits.known {
            self.pass();
            return Ok(());
        }
        let position = self.pass();
        let located = |problem: Problem| match line {
            Some(line) => problem.with("line", line),
            None => problem,
        };
        if self.on_invalid == OnInvalid::Reject {
            // Nothing of it is stored any more.
            (self.chunk, self.bytes) = (Chunk::default(), 0);
            return problems
                .into_iter()
                .try_for_each(|problem| self.faults.take(located(problem)));
        }
        let Some(first) = problems.first() else {
            return Ok(());
        };
        let pointer = first.member("pointer").and_then(|pointer| pointer.as_str());
        let skipped = SkippedItem {
            position,
            line,
            reason,
            detail: bare(first).to_owned(),
            pointer: pointer.filter(|pointer| !pointer.is_empty()).map(str::to_owned),
            input: SkippedItem::kept(sent),
        };
        self.bytes += skipped.input.len() + skipped.detail.len();
        self.chunk.skipped.push(skipped);
        self.emit_if_full(options)
    }

    /// Counts what was read; answers its place.
    fn pass(&mut self) -> u32 {
        let position = self.position;
        self.position = position.saturating_add(1);
        position
    }

    fn emit_if_full(&mut self, options: &Options) -> Result<(), Problem> {
        let full = self.chunk.items.len() + self.chunk.skipped.len() >= self.limits.chunk_items
            || self.bytes >= self.limits.chunk_bytes
            || now().duration_since(self.since) >= MAX_AGE;
        if !full {
            return Ok(());
        }
        let chunk = self.take(options);
        (self.emit)(chunk)
    }

    /// What has not been passed on yet.
    fn take(&mut self, options: &Options) -> Chunk {
        self.bytes = 0;
        self.since = now();
        let next = Chunk {
            position: self.position,
            ..Chunk::default()
        };
        let chunk = mem::replace(&mut self.chunk, next);
        Chunk {
            // What was known already is not part of any chunk.
            position: chunk.position.max(self.limits.known.min(self.position)),
            read: self.position - chunk.position.max(self.limits.known.min(self.position)),
            space: options.space.clone(),
            deduplicate: options.deduplicate,
            ..chunk
        }
    }

    /// The end of the upload, or why it could not be `read` on: what has not been passed on yet.
    ///
    /// # Errors
    /// Where the upload is refused.
    pub(crate) fn finish(mut self, read: Result<(), Problem>, options: &Options) -> Result<Chunk, Problem> {
        let read = read.and_then(|()| {
            let deferred = mem::take(&mut self.deferred);
            self.bytes = 0;
            deferred
                .into_iter()
                .try_for_each(|(input, line)| self.check(input, line, &options.shape(), options))
        });
        match read {
            Err(stop) => Err(self.faults.ended_by(stop)),
            Ok(()) => {
                let rest = self.take(options);
                self.faults.check()?;
                Ok(rest)
            }
        }
    }

    fn too_many(&self) -> Problem {
        let held = match self.limits.held {
            0 => String::new(),
            held => format!(", and this one has {held} already"),
        };
        Problem::new(
            Kind::TooManyItems,
            format!("a batch holds at most {} items{held}", self.limits.items),
        )
        .with("limit", self.limits.items)
        .with("item", self.position)
    }

    /// The next item is longer than it may be.
    pub(crate) fn too_large(&self) -> Problem {
        let position = self.position();
        Problem::new(
            Kind::ItemTooLarge,
            format!(
                "item {position} is longer than {} bytes; put large data elsewhere and send its address",
                self.limits.item_bytes
            ),
        )
        .with("item", position)
        .with("limit", self.limits.item_bytes)
    }

    /// The next item can't be taken.
    fn invalid(&self, detail: &str) -> Problem {
        Problem::new(Kind::InvalidItem, format!("item {}: {detail}", self.position))
            .with("item", self.position)
    }
}

fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::intake::options::tests::options;
    use crate::intake::{Format, Parsed, Terms, parse};

    pub(crate) const LIMITS: Limits = Limits {
        item_bytes: 1_000,
        bytes: None,
        items: 50,
        held: 0,
        known: 0,
        chunk_items: 3,
        chunk_bytes: 2_000,
    };

    /// Parses `body`, delivered in pieces of `step` bytes; answers every item and what the batch is to do.
    pub(crate) fn items_of(
        format: Format,
        body: &[u8],
        options: Options,
        step: usize,
    ) -> Result<(Vec<NewItem>, Options), Problem> {
        struct Steps<'a>(&'a [u8], usize);
        impl std::io::Read for Steps<'_> {
            fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
                let n = self.1.min(buf.len()).min(self.0.len());
                buf[..n].copy_from_slice(&self.0[..n]);
                self.0 = &self.0[n..];
                Ok(n)
            }
        }
        let mut items = Vec::new();
        let mut emit = |chunk: Chunk| {
            assert!(!chunk.items.is_empty() && chunk.items.len() <= LIMITS.chunk_items);
            items.extend(chunk.items);
            Ok(())
        };
        let Parsed { rest, options, .. } = parse(
            format,
            Steps(body, step),
            options,
            LIMITS,
            &Terms::default(),
            &mut emit,
        )?;
        items.extend(rest.items);
        Ok((items, options))
    }

    fn chunk_sizes(chunks: &[Chunk]) -> Vec<usize> {
        chunks.iter().map(|chunk| chunk.items.len()).collect()
    }

    /// Takes `items` in; answers every chunk, the last one among them, or why they are refused.
    fn chunks_of(
        items: &[&str],
        limits: Limits,
        on_invalid: OnInvalid,
        options: &Options,
    ) -> Result<Vec<Chunk>, Problem> {
        let mut chunks = Vec::new();
        let mut emit = |chunk| {
            chunks.push(chunk);
            Ok(())
        };
        let mut chunker = Chunker::new(limits, on_invalid, &mut emit);
        let read = (1..)
            .zip(items)
            .try_for_each(|(line, item)| match Json::parse(*item) {
                Ok(json) => chunker.push(json, Some(line), options),
                Err(error) => {
                    let problem = Problem::new(Kind::InvalidJson, error.to_string());
                    chunker.malformed(problem, Some(line), item.as_bytes(), options)
                }
            });
        let rest = chunker.finish(read, options)?;
        chunks.push(rest);
        Ok(chunks)
    }

    #[test]
    fn chunks_are_cut_by_number_and_by_size() {
        let long = format!("\"{}\"", "x".repeat(990));
        let items = ["1", "1", "1", &long, &long, &long, "1"];
        let chunks = chunks_of(&items, LIMITS, OnInvalid::Reject, &options()).unwrap();
        assert_eq!(chunk_sizes(&chunks), [3, 3, 1]);
        let places: Vec<(u32, u32)> = chunks.iter().map(|chunk| (chunk.position, chunk.read)).collect();
        assert_eq!(places, [(0, 3), (3, 3), (6, 1)]);
    }

    #[test]
    fn limits_name_the_item() {
        let error = chunks_of(&["1"; 51], LIMITS, OnInvalid::Reject, &options()).unwrap_err();
        assert_eq!(error.kind(), Kind::TooManyItems);
        assert_eq!(error.member("item").unwrap(), 50);
        let long = format!("\"{}\"", "x".repeat(999));
        let error = chunks_of(&["1", &long], LIMITS, OnInvalid::Reject, &options()).unwrap_err();
        assert!(
            error.to_string().contains("item 1 is longer than 1000 bytes"),
            "{error}"
        );
    }

    const MIXED: [&str; 7] = ["1", "{", "2", r#"{"custom_id": "a\u0000"}"#, "3", "4", "5"];

    #[test]
    fn what_is_wrong_is_collected() {
        let error = chunks_of(&MIXED, LIMITS, OnInvalid::Reject, &options()).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidJson);
        let errors = error.member("errors").unwrap().as_array().unwrap();
        assert_eq!(errors.len(), 2);
        assert_eq!((&errors[1]["item"], &errors[1]["line"]), (&3.into(), &4.into()));
    }

    #[test]
    fn what_is_wrong_is_left_out() {
        let chunks = chunks_of(&MIXED, LIMITS, OnInvalid::Skip, &options()).unwrap();
        let inputs: Vec<&str> = chunks
            .iter()
            .flat_map(|chunk| &chunk.items)
            .map(|item| item.input.as_str())
            .collect();
        assert_eq!(inputs, ["1", "2", "3", "4", "5"]);
        let origins: Vec<u32> = chunks
            .iter()
            .flat_map(|chunk| &chunk.origins)
            .map(|origin| origin.position)
            .collect();
        assert_eq!(origins, [0, 2, 4, 5, 6]);
        let skipped: Vec<_> = chunks
            .iter()
            .flat_map(|chunk| &chunk.skipped)
            .map(|skipped| {
                (
                    skipped.position,
                    skipped.line,
                    skipped.reason,
                    skipped.input.as_str(),
                )
            })
            .collect();
        assert_eq!(
            skipped,
            [
                (1, Some(2), SkipReason::Malformed, "{"),
                (3, Some(4), SkipReason::Invalid, r#"{"custom_id": "a\u0000"}"#)
            ]
        );
        assert_eq!(chunks.iter().map(|chunk| chunk.read).sum::<u32>(), 7);
    }

    #[test]
    fn what_is_known_is_passed_over() {
        let limits = Limits { known: 4, ..LIMITS };
        let chunks = chunks_of(&MIXED, limits, OnInvalid::Reject, &options()).unwrap();
        let places: Vec<_> = chunks
            .iter()
            .map(|chunk| (chunk.position, chunk.read, chunk.items.len()))
            .collect();
        assert_eq!(places, [(4, 3, 3), (7, 0, 0)]);
    }

    #[test]
    fn what_is_stored_already_is_dropped() {
        let mut chunk = chunks_of(&MIXED, LIMITS, OnInvalid::Skip, &options())
            .unwrap()
            .swap_remove(0);
        assert_eq!((chunk.position, chunk.read, chunk.items.len()), (0, 3, 2));
        chunk.drop_before(2);
        assert_eq!(
            (chunk.position, chunk.read, chunk.items.len(), chunk.skipped.len()),
            (2, 1, 1, 0)
        );
        chunk.drop_before(9);
        assert_eq!((chunk.position, chunk.read, chunk.items.len()), (3, 0, 0));
    }

    #[test]
    fn namesakes_are_found_in_a_chunk() {
        let named = ["a", "b", "a", "c", "b", "a"].map(|name| format!(r#"{{"custom_id": "{name}"}}"#));
        let named: Vec<&str> = named.iter().map(String::as_str).collect();
        let limits = Limits {
            chunk_items: 50,
            ..LIMITS
        };
        let chunk = chunks_of(&named, limits, OnInvalid::Reject, &options())
            .unwrap()
            .remove(0);
        let pairs = chunk.namesakes(10);
        let pairs: Vec<_> = pairs.iter().map(|pair| (pair.index, pair.other)).collect();
        assert_eq!(pairs, [(12, 10), (14, 11), (15, 10)]);
    }
}
