//! What became of attempts.

use std::collections::BTreeMap;

use flotilla_core::attempt::Attempt;
use flotilla_core::batch::Batch;
use flotilla_core::ids::BatchId;
use jiff::Timestamp;
use rusqlite::Connection;

use super::write::write;
use crate::error::Done;
use crate::rows::{BatchRow, Places};

/// Records attempts at items of any batches. Answers each batch that they name.
pub(super) fn record(db: &Connection, attempts: Vec<Attempt>, now: Timestamp) -> Done<Vec<Batch>> {
    let mut named = BTreeMap::<BatchId, Vec<Attempt>>::new();
    for attempt in attempts {
        named.entry(attempt.batch).or_default().push(attempt);
    }
    let mut batches = Vec::with_capacity(named.len());
    for (id, attempts) in named {
        if let Some(mut batch) = BatchRow::load(db, id)? {
            take(db, &mut batch, attempts, now)?;
            batches.push(batch.into_batch(now));
        }
    }
    Ok(batches)
}

/// Takes attempts at items of `batch`, and writes what comes of them. Answers whether anything does.
pub(crate) fn take(
    db: &Connection,
    batch: &mut BatchRow,
    attempts: Vec<Attempt>,
    now: Timestamp,
) -> Done<bool> {
    let mut places = Places::new(db, batch)?;
    for attempt in &attempts {
        places.load(db, batch, attempt.index)?;
    }
    let writes = batch.record.take(attempts, &mut places.of, now);
    if writes.changed {
        write(db, batch, &writes, places.any_retries, now)?;
    }
    Ok(writes.changed)
}
