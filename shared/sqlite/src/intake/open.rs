//! The begin of an upload, and its end without a batch.

use flotilla_core::batch::BatchSpec;
use flotilla_core::ids::BatchId;
use flotilla_core::ports::store::{NewBatch, Opened};
use rusqlite::{Connection, OptionalExtension, named_params};

use super::{names, reserved, skip};
use crate::error::{Done, Failure};
use crate::keys::{Id, Micros, Number, database_now};
use crate::rows::{BatchRow, millis};

/// Makes a batch, or finds the one that was made before under its id or its key.
pub(super) fn open(db: &Connection, new: &NewBatch) -> Done<Opened> {
    if insert(db, new)? {
        let number = Number(db.last_insert_rowid());
        db.prepare_cached("INSERT INTO batch_counters (batch) VALUES (?1)")?
            .execute([number])?;
        db.prepare_cached("INSERT INTO batch_dispatch (batch) VALUES (?1)")?
            .execute([number])?;
        return Ok(Opened::New);
    }
    // Another request under the same key, before the same request again: what is promised is one batch per key.
    let found = BatchRow::select(
        db,
        "WHERE space = :space AND (idempotency_key = :key OR id = :id) AND deleted_at IS NULL
         ORDER BY id = :id LIMIT 1",
        named_params! { ":space": new.space.as_str(), ":key": new.idempotency_key, ":id": Id(new.id) },
    )?;
    let batch = found.into_iter().next();
    let batch = batch.ok_or_else(|| Failure::Conflict(format!("the id {} is taken", new.id)))?;
    Ok(Opened::Existing(Box::new(batch.into_batch(database_now(db)?))))
}

fn insert(db: &Connection, new: &NewBatch) -> Done<bool> {
    let sql = "
        INSERT INTO batches (id, space, idempotency_key, job_type, pool, priority, max_attempts, timeout_ms, state,
                             created_at, last_append_at)
        VALUES (:id, :space, :key, :job_type, :pool, :priority, :max_attempts, :timeout_ms, 'open',
                :created_at, :created_at)
        ON CONFLICT DO NOTHING";
    let spec = BatchSpec::default();
    let inserted = db.prepare_cached(sql)?.execute(named_params! {
        ":id": Id(new.id),
        ":space": new.space.as_str(),
        ":key": new.idempotency_key,
        ":job_type": spec.job_type,
        ":pool": spec.pool.as_str(),
        ":priority": spec.priority,
        ":max_attempts": spec.max_attempts,
        ":timeout_ms": millis(spec.timeout),
        ":created_at": Micros(new.created_at),
    })?;
    Ok(inserted == 1)
}

/// Removes an open batch, with its items, counters and key.
pub(super) fn discard(db: &Connection, id: BatchId) -> Done<bool> {
    let sql = "DELETE FROM batches WHERE id = ?1 AND state = 'open' RETURNING number";
    let number: Option<Number> = db
        .prepare_cached(sql)?
        .query_row([Id(id)], |row| row.get(0))
        .optional()?;
    if let Some(number) = number {
        let sql = "DELETE FROM batch_items WHERE key >= ?1 AND key < ?2";
        db.prepare_cached(sql)?.execute((number.key(0), number.end()))?;
        names::free(db, number, 0)?;
        skip::drop_from(db, number, 0)?;
        reserved::give_back(db, id)?;
    }
    Ok(number.is_some())
}
