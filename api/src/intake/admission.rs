//! What only the store can tell of a chunk: `custom_id`s that are taken, in the batch or, where it asks for that, in its
//! space of late.

use std::time::Duration;

use flotilla_core::ports::store::{KeyHolder, Namesake};
use flotilla_core::skipped::{SkipReason, SkippedItem};
use flotilla_core::{BatchId, Json, Space};
use jiff::{SignedDuration, Timestamp};

use super::faults::Faults;
use super::writes::{self, repeat};
use super::{Chunk, OnInvalid, Origin};
use crate::app::App;
use crate::problem::{Kind, Problem};

/// What a client sent last may take so long to arrive in the store.
const LATEST: Duration = Duration::from_secs(10);
/// Of so many abandoned uploads, those of producers that come back are found.
const ABANDONED: u32 = 1_000;

/// Admits the items of one batch.
pub(super) struct Admission<'a> {
    pub(super) app: &'a App,
    pub(super) space: &'a Space,
    pub(super) batch: BatchId,
    pub(super) on_invalid: OnInvalid,
}

impl Admission<'_> {
    /// Leaves out what the space accepted of late, where the batch asks for that. Answers how many.
    ///
    /// # Errors
    /// Where an upload has one of the keys that may still fail.
    pub(super) async fn deduplicate(&self, chunk: &mut Chunk) -> Result<u32, Problem> {
        let Some(window) = chunk.deduplicate else {
            return Ok(0);
        };
        let named = |chunk: &Chunk| -> Vec<usize> {
            let named = chunk.items.iter().enumerate();
            named
                .filter_map(|(place, item)| item.custom_id.is_some().then_some(place))
                .collect()
        };
        let places = named(chunk);
        let holders = self.reserve(chunk, window).await?;
        let taken: Vec<(usize, BatchId)> = places
            .into_iter()
            .zip(holders)
            .filter_map(|(place, holder)| match holder {
                KeyHolder::Accepted(batch) => Some((place, batch)),
                _ => None,
            })
            .collect();
        for (place, batch) in &taken {
            skip(
                chunk,
                *place,
                SkipReason::Deduplicated,
                format!("batch {batch} has an item with this custom_id"),
            );
        }
        chunk.remove(|place| taken.binary_search_by_key(&place, |(taken, _)| *taken).is_ok());
        Ok(u32::try_from(taken.len()).unwrap_or(u32::MAX))
    }

    /// Who has the keys of a chunk's items; this batch, as far as they were free.
    async fn reserve(&self, chunk: &Chunk, window: Duration) -> Result<Vec<KeyHolder>, Problem> {
        let keys: Vec<String> = chunk
            .items
            .iter()
            .filter_map(|item| item.custom_id.clone())
            .collect();
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let deps = &self.app.deps;
        let window = SignedDuration::try_from(window).unwrap_or(SignedDuration::MAX);
        loop {
            let now = deps.clock.now();
            let until = now.saturating_add(window).unwrap_or(Timestamp::MAX);
            let reserve = || {
                deps.store
                    .reserve_keys(self.space, self.batch, keys.clone(), until, now)
            };
            let holders = repeat("reserve keys", reserve).await.0?;
            let uploading = keys.iter().zip(&holders).find_map(|(key, holder)| match holder {
                KeyHolder::Uploading(batch) => Some((key, *batch)),
                _ => None,
            });
            let Some((key, upload)) = uploading else {
                return Ok(holders);
            };
            if !discard_abandoned(self.app, upload).await? {
                return Err(uploading_elsewhere(key));
            }
        }
    }

    /// What becomes of items whose `custom_id` is taken in their batch; the first of the chunk would get the index `first`.
    ///
    /// # Errors
    /// Where the producer wants all of them or none.
    pub(super) fn without(
        &self,
        chunk: &mut Chunk,
        namesakes: &[Namesake],
        first: u32,
    ) -> Result<(), Problem> {
        let place_of = |index: u32| index.checked_sub(first).map(|place| place as usize);
        let mut faults = Faults::default();
        let mut gone = Vec::new();
        for namesake in namesakes {
            let Some(place) = place_of(namesake.index).filter(|place| *place < chunk.items.len()) else {
                continue;
            };
            let other = match place_of(namesake.other).and_then(|other| chunk.origins.get(other)) {
                Some(other) => format!("item {}", other.position),
                None => format!("the item with the index {}", namesake.other),
            };
            match self.on_invalid {
                OnInvalid::Reject => faults.take(duplicate(chunk, place, &other))?,
                OnInvalid::Skip => {
                    skip(
                        chunk,
                        place,
                        SkipReason::DuplicateId,
                        format!("{other} has this custom_id"),
                    );
                    gone.push(place);
                }
            }
        }
        faults.check()?;
        chunk.remove(|place| gone.binary_search(&place).is_ok());
        Ok(())
    }
}

fn skip(chunk: &mut Chunk, place: usize, reason: SkipReason, detail: String) {
    let (Some(item), Some(Origin { position, line })) = (chunk.items.get(place), chunk.origins.get(place))
    else {
        return;
    };
    chunk.skipped.push(SkippedItem {
        position: *position,
        line: *line,
        reason,
        detail,
        pointer: Some("/custom_id".to_owned()),
        input: SkippedItem::kept(item.input.as_str().as_bytes()),
    });
}

fn duplicate(chunk: &Chunk, place: usize, other: &str) -> Problem {
    let (position, line) = chunk
        .origins
        .get(place)
        .map_or((0, None), |origin| (origin.position, origin.line));
    let name = chunk.items.get(place).and_then(|item| item.custom_id.as_deref());
    let name: String = name.unwrap_or_default().chars().take(80).collect();
    let problem = Problem::new(
        Kind::InvalidItem,
        format!(
            "item {position}: {other} has the custom_id {} as well; it has to be unique in its batch",
            Json::string(&name).as_str()
        ),
    )
    .with("item", position)
    .with("pointer", "/custom_id")
    .with("custom_id", name);
    match line {
        Some(line) => problem.with("line", line),
        None => problem,
    }
}

fn uploading_elsewhere(key: &str) -> Problem {
    let key: String = key.chars().take(80).collect();
    Problem::new(
        Kind::UploadInProgress,
        format!(
            "an upload that has not ended yet has an item with the custom_id {}; try again later",
            Json::string(&key).as_str()
        ),
    )
    .with("custom_id", key)
    .retry_after(Duration::from_secs(2))
}

/// Removes what a killed process has left of an upload: nobody goes on with it, and its client is here again. True where
/// it was that.
pub(super) async fn discard_abandoned(app: &App, batch: BatchId) -> Result<bool, Problem> {
    let deps = &app.deps;
    let silence = app.config.upload_idle_timeout.saturating_add(LATEST);
    let silence = SignedDuration::try_from(silence).unwrap_or(SignedDuration::MAX);
    let idle_since = deps.clock.now().saturating_sub(silence).unwrap_or(Timestamp::MIN);
    let abandoned = deps.store.abandoned_batches(idle_since, ABANDONED).await?;
    Ok(abandoned.contains(&batch) && deps.store.discard_batch(batch).await?)
}

/// Stores what an upload or an append sends next behind `stored` items and `skipped` others. Answers how many of each
/// there are then, and how many were left out because the space has them.
pub(super) async fn store(
    admission: &Admission<'_>,
    mut chunk: Chunk,
    (stored, skipped): (u32, u32),
) -> Result<(u32, u32, u32), Problem> {
    let store = &*admission.app.deps.store;
    let deduplicated = admission.deduplicate(&mut chunk).await?;
    while !chunk.items.is_empty() {
        let appended = writes::append(store, admission.batch, stored, &chunk.items).await?;
        match appended {
            None => break,
            Some(namesakes) => admission.without(&mut chunk, &namesakes, stored)?,
        }
    }
    if !chunk.items.is_empty() {
        flotilla_core::crash::point("api.upload.chunk");
    }
    if !chunk.skipped.is_empty() {
        writes::skip(store, admission.batch, skipped, &chunk.skipped).await?;
    }
    let count = |many: usize| u32::try_from(many).unwrap_or(u32::MAX);
    Ok((
        stored.saturating_add(count(chunk.items.len())),
        skipped.saturating_add(count(chunk.skipped.len())),
        deduplicated,
    ))
}
