//! Cuts a sequence of items into chunks, and checks what every item must fulfil.

use std::mem;
use std::time::Duration;

use flotilla_core::item::NewItem;
use flotilla_core::{ItemIndex, Json, Space};
use tokio::time::Instant;

use super::{Emit, custom_id};
use crate::config::Config;
use crate::problem::{Kind, Problem};

/// A chunk that is not full is passed on after so long, so that a slow upload does not look abandoned.
pub(super) const MAX_AGE: Duration = Duration::from_secs(60);

/// Items that are stored together.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    pub(crate) items: Vec<NewItem>,
    /// The space of the batch, where the body has said it so far.
    pub(crate) space: Option<Space>,
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
            chunk_items: config.chunk_items,
            chunk_bytes: config.chunk_bytes,
        }
    }
}

/// Collects items, in order.
pub(crate) struct Chunker<'a> {
    limits: Limits,
    emit: Emit<'a>,
    chunk: Vec<NewItem>,
    bytes: usize,
    since: Instant,
    next: ItemIndex,
}

impl<'a> Chunker<'a> {
    pub(crate) fn new(limits: Limits, emit: Emit<'a>) -> Self {
        Self {
            limits,
            emit,
            chunk: Vec::new(),
            bytes: 0,
            since: now(),
            next: 0,
        }
    }

    /// The index of the item that comes next.
    pub(crate) fn next_index(&self) -> ItemIndex {
        self.next
    }

    /// The longest item, in bytes of JSON.
    pub(crate) fn max_item_bytes(&self) -> usize {
        self.limits.item_bytes
    }

    /// Takes the next item. `space` is what the body has said so far.
    pub(crate) fn push(&mut self, input: Json, space: Option<&Space>) -> Result<(), Problem> {
        if input.len() > self.limits.item_bytes {
            return Err(self.too_large());
        }
        if self.next >= self.limits.items.saturating_sub(self.limits.held) {
            let held = match self.limits.held {
                0 => String::new(),
                held => format!(", and this one has {held} already"),
            };
            return Err(Problem::new(
                Kind::TooManyItems,
                format!("a batch holds at most {} items{held}", self.limits.items),
            )
            .with("limit", self.limits.items)
            .with("item", self.next));
        }
        let custom_id = custom_id::find(&input);
        if let Some(id) = &custom_id {
            custom_id::check(id).map_err(|detail| self.invalid(&detail))?;
        }
        self.bytes += input.len() + custom_id.as_ref().map_or(0, String::len);
        self.chunk.push(NewItem { custom_id, input });
        self.next += 1;
        if self.is_full() {
            let chunk = self.take(space.cloned());
            (self.emit)(chunk)?;
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.chunk.len() >= self.limits.chunk_items
            || self.bytes >= self.limits.chunk_bytes
            || now().duration_since(self.since) >= MAX_AGE
    }

    /// What has not been passed on yet.
    pub(crate) fn take(&mut self, space: Option<Space>) -> Chunk {
        self.bytes = 0;
        self.since = now();
        Chunk {
            items: mem::take(&mut self.chunk),
            space,
        }
    }

    /// The next item is longer than it may be.
    pub(crate) fn too_large(&self) -> Problem {
        Problem::new(
            Kind::ItemTooLarge,
            format!(
                "item {} is longer than {} bytes; put large data elsewhere and send its address",
                self.next, self.limits.item_bytes
            ),
        )
        .with("item", self.next)
        .with("limit", self.limits.item_bytes)
    }

    /// The next item can't be taken.
    pub(crate) fn invalid(&self, detail: &str) -> Problem {
        Problem::new(Kind::InvalidItem, format!("item {}: {detail}", self.next)).with("item", self.next)
    }
}

fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::intake::Options;
    use crate::intake::{Format, Parsed, parse};

    pub(crate) const LIMITS: Limits = Limits {
        item_bytes: 1_000,
        bytes: None,
        items: 50,
        held: 0,
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
        let Parsed { rest, options } = parse(format, Steps(body, step), options, LIMITS, &mut emit)?;
        items.extend(rest.items);
        Ok((items, options))
    }

    #[test]
    fn chunks_are_cut_by_number_and_by_size() {
        let mut sizes = Vec::new();
        let mut emit = |chunk: Chunk| {
            sizes.push(chunk.items.len());
            Ok(())
        };
        let mut chunker = Chunker::new(LIMITS, &mut emit);
        for length in [1, 1, 1, 990, 990, 990, 1] {
            chunker.push(Json::string(&"x".repeat(length)), None).unwrap();
        }
        assert_eq!(chunker.take(None).items.len(), 1);
        assert_eq!(sizes, [3, 3]);
    }

    #[test]
    fn limits_name_the_item() {
        let mut emit = |_| Ok(());
        let mut chunker = Chunker::new(LIMITS, &mut emit);
        for _ in 0..50 {
            chunker.push(Json::null(), None).unwrap();
        }
        let error = chunker.push(Json::null(), None).unwrap_err();
        assert_eq!(error.kind(), Kind::TooManyItems);
        let error = chunker.push(Json::string(&"x".repeat(999)), None).unwrap_err();
        assert!(
            error.to_string().contains("item 50 is longer than 1000 bytes"),
            "{error}"
        );
    }
}
