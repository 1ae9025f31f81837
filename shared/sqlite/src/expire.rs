//! Removing what batches leave, as their retention says.

use async_trait::async_trait;
use flotilla_core::Result;
use flotilla_core::ids::BatchId;
use flotilla_core::ports::store::{Expire, Expiry, Removed};
use flotilla_core::record::BatchRecord;
use flotilla_core::retention::Part;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row};

use crate::SqliteStore;
use crate::error::Done;
use crate::keys::{Id, Micros, Number};
use crate::rows::{BatchRow, Text};

#[async_trait]
impl Expire for SqliteStore {
    async fn due_expiries(&self, limit: u32, now: Timestamp) -> Result<Vec<Expiry>> {
        self.readers
            .run("look for what is to be removed", move |db| due(db, limit, now))
            .await
    }

    async fn begin_expiry(&self, batch: BatchId, part: Part, now: Timestamp) -> Result<bool> {
        self.writer
            .run("begin to remove a part of a batch", move |db| {
                begin(db, batch, part, now)
            })
            .await
    }

    async fn expire_some(&self, batch: BatchId, part: Part, limit: u32) -> Result<Removed> {
        self.writer
            .run("remove a part of a batch", move |db| {
                remove_some(db, batch, part, limit)
            })
            .await
    }

    async fn end_expiry(&self, batch: BatchId, part: Part) -> Result<()> {
        self.writer
            .run("end the removal of a part of a batch", move |db| {
                end(db, batch, part)
            })
            .await
    }

    async fn archived(&self, batch: BatchId, revision: u32) -> Result<bool> {
        self.writer
            .run("note that a batch was archived", move |db| {
                archived(db, batch, revision)
            })
            .await
    }
}

const DUE: &str = "
    SELECT e.part, e.due_at, b.space, b.id
    FROM batch_expiries AS e CROSS JOIN batches AS b ON b.number = e.batch
    WHERE e.due_at <= ?1
    ORDER BY e.due_at LIMIT ?2";

fn due(db: &Connection, limit: u32, now: Timestamp) -> Done<Vec<Expiry>> {
    let read = |row: &Row<'_>| {
        Ok(Expiry {
            batch: row.get::<_, Id>("id")?.0,
            space: row.get::<_, Text<_>>("space")?.0,
            part: row.get::<_, Text<_>>("part")?.0,
            due_at: row.get::<_, Micros>("due_at")?.0,
        })
    };
    let mut statement = db.prepare_cached(DUE)?;
    let found = statement.query_map((Micros(now), limit), read)?;
    Ok(found.collect::<Result<_, _>>()?)
}

fn begin(db: &Connection, id: BatchId, part: Part, now: Timestamp) -> Done<bool> {
    let Some(mut batch) = BatchRow::load(db, id)? else {
        return Ok(false);
    };
    if !batch.record.begin_expiry(part) {
        return Ok(false);
    }
    let sql = "UPDATE batch_expiries SET begun = 1 WHERE batch = ?1 AND part = ?2 AND due_at <= ?3";
    let due = db
        .prepare_cached(sql)?
        .execute((batch.number, part.as_str(), Micros(now)))?;
    if due > 0 {
        save(db, batch.number, &batch.record)?;
    }
    Ok(due > 0)
}

/// Rows are walked by their keys, and how far that went is kept, so that no step looks at what an earlier one has done.
fn remove_some(db: &Connection, id: BatchId, part: Part, limit: u32) -> Done<Removed> {
    let sql = "
        SELECT number, next_index, total
        FROM batches JOIN batch_expiries ON batch = number
        WHERE id = ?1 AND part = ?2 AND begun";
    let found: Option<(Number, u32, u32)> = db
        .prepare_cached(sql)?
        .query_row((Id(id), part.as_str()), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let Some((batch, first, total)) = found else {
        return Ok(Removed::Nothing);
    };
    let limit = limit.max(1);
    let update = match part {
        Part::Inputs => INPUTS,
        Part::Outputs => OUTPUTS,
        Part::DeadLetters => return delete(db, DEAD_LETTERS, batch, limit),
        // They have no rows.
        Part::Artifacts | Part::Results => return Ok(Removed::All),
    };
    let end = first.saturating_add(limit).min(total);
    db.prepare_cached(update)?
        .execute((batch.key(first), batch.key(end)))?;
    let advance = "UPDATE batch_expiries SET next_index = ?3 WHERE batch = ?1 AND part = ?2";
    db.prepare_cached(advance)?.execute((batch, part.as_str(), end))?;
    match part {
        _ if end < total => Ok(Removed::Some),
        Part::Inputs => delete(db, SKIPPED, batch, limit),
        _ => Ok(Removed::All),
    }
}

fn delete(db: &Connection, sql: &str, batch: Number, limit: u32) -> Done<Removed> {
    let gone = db
        .prepare_cached(sql)?
        .execute((batch.key(0), batch.end(), limit))?;
    let all = gone < limit as usize;
    Ok(if all { Removed::All } else { Removed::Some })
}

/// The row stays: it has the producer's name of the item, and whoever counts rows finds as many as there were items.
const INPUTS: &str = "
    UPDATE batch_items SET input = 'null' WHERE key >= ?1 AND key < ?2 AND input <> 'null'";

const OUTPUTS: &str = "
    UPDATE batch_outcomes SET output = NULL, output_key = NULL, output_bytes = NULL
    WHERE key >= ?1 AND key < ?2 AND (output IS NOT NULL OR output_key IS NOT NULL)";

/// What was sent and left out is an input, too.
const SKIPPED: &str = "
    DELETE FROM batch_skipped
    WHERE key IN (SELECT key FROM batch_skipped WHERE key >= ?1 AND key < ?2 LIMIT ?3)";

const DEAD_LETTERS: &str = "
    DELETE FROM dead_letters
    WHERE key IN (SELECT key FROM dead_letters WHERE key >= ?1 AND key < ?2 LIMIT ?3)";

fn end(db: &Connection, id: BatchId, part: Part) -> Done<()> {
    let Some(mut batch) = BatchRow::load(db, id)? else {
        return Ok(());
    };
    let sql = "DELETE FROM batch_expiries WHERE batch = ?1 AND part = ?2 AND begun";
    if db.prepare_cached(sql)?.execute((batch.number, part.as_str()))? > 0 {
        batch.record.end_expiry(part);
        save(db, batch.number, &batch.record)?;
    }
    Ok(())
}

fn archived(db: &Connection, id: BatchId, revision: u32) -> Done<bool> {
    let Some(mut batch) = BatchRow::load(db, id)? else {
        return Ok(false);
    };
    let noted = batch.record.archived(revision);
    if noted {
        save(db, batch.number, &batch.record)?;
    }
    Ok(noted)
}

/// Writes what steers a batch.
fn save(db: &Connection, batch: Number, record: &BatchRecord) -> Done<()> {
    let control = serde_json::to_string(&record.control)?;
    db.prepare_cached("UPDATE batches SET control = ?2 WHERE number = ?1")?
        .execute((batch, control))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plans::assert_direct;

    /// A look costs what is due, and a step what it removes.
    #[test]
    fn nothing_scans_a_table() {
        for sql in [DUE, INPUTS, OUTPUTS, SKIPPED, DEAD_LETTERS] {
            assert_direct(sql);
        }
    }
}
