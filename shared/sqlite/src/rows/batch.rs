//! A batch with its counters, as the verbs change it.

use flotilla_core::batch::{Batch, BatchState};
use flotilla_core::command::BatchEvent;
use flotilla_core::ids::{BatchId, Space};
use flotilla_core::limits::Bucket;
use flotilla_core::record::{BatchRecord, Control};
use flotilla_core::result::BatchResult;
use flotilla_core::tally::{Tally, TallyDetail};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, named_params};

use super::text::{Text, json};
use super::{event, expiry, spec};
use crate::error::Done;
use crate::keys::{Id, Micros, Number, signed, time, unsigned};

/// A batch as its three rows say.
pub(crate) struct BatchRow {
    pub(crate) number: Number,
    pub(crate) record: BatchRecord,
    /// What was dispatched of it of late.
    pub(crate) bucket: Bucket,
    pub(crate) upload: Upload,
}

/// How the items of an open batch come in.
#[derive(Clone, Copy)]
pub(crate) struct Upload {
    /// So many items it has, those of an append that has not ended among them.
    pub(crate) held: u32,
    /// It was accepted, and takes items until it is sealed.
    pub(crate) stays_open: bool,
    /// Where it stays open: so many items are kept, whatever becomes of an append.
    pub(crate) appended: u32,
    /// Where somebody appends: the microseconds that they may be silent for. Else 0.
    pub(crate) appending: i64,
    /// When it was last touched.
    pub(crate) touched_at: Timestamp,
}

impl Upload {
    /// So many items of a batch in this state there are for readers.
    fn shown(&self, state: BatchState) -> u32 {
        if state == BatchState::Open && self.stays_open {
            self.appended
        } else {
            self.held
        }
    }
}

/// The rows of a batch belong together: they are made and removed in one transaction.
const SELECT: &str = "
    SELECT * FROM batches
    JOIN batch_counters ON batch_counters.batch = batches.number
    JOIN batch_dispatch ON batch_dispatch.batch = batches.number";

impl BatchRow {
    /// The batch with this id, of any space: for verbs, whose callers have checked whose it is.
    pub(crate) fn load(db: &Connection, id: BatchId) -> Done<Option<Self>> {
        let mut statement = db.prepare_cached(&format!("{SELECT} WHERE id = ?1"))?;
        Ok(statement.query_row([Id(id)], Self::read).optional()?)
    }

    /// The batch with this number.
    pub(crate) fn numbered(db: &Connection, number: Number) -> Done<Option<Self>> {
        let mut statement = db.prepare_cached(&format!("{SELECT} WHERE number = ?1"))?;
        Ok(statement.query_row([number], Self::read).optional()?)
    }

    /// The batches that `rest`, a `WHERE` clause and what follows it, finds.
    pub(crate) fn select(db: &Connection, rest: &str, parameters: &[(&str, &dyn ToSql)]) -> Done<Vec<Self>> {
        let mut statement = db.prepare_cached(&format!("{SELECT} {rest}"))?;
        let rows = statement.query_map(parameters, Self::read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let upload = Upload {
            held: row.get("total")?,
            stays_open: row.get("stays_open")?,
            appended: row.get("appended")?,
            appending: row.get("appending")?,
            touched_at: row.get::<_, Micros>("last_append_at")?.0,
        };
        let Text(state) = row.get("state")?;
        let record = BatchRecord {
            id: row.get::<_, Id>("id")?.0,
            space: row.get::<_, Text<_>>("space")?.0,
            spec: spec::read(row)?,
            state,
            control: json::<Control>(row, "control")?,
            epoch: row.get("epoch")?,
            revision: row.get("revision")?,
            total: upload.shown(state),
            skipped: row.get("skipped")?,
            next_index: row.get("next_index")?,
            tally: tally(row)?,
            max_input_bytes: row.get("max_input_bytes")?,
            created_at: row.get::<_, Micros>("created_at")?.0,
            started_at: time(row, "started_at")?,
            halted_at: time(row, "halted_at")?,
            completed_at: time(row, "completed_at")?,
            deleted_at: time(row, "deleted_at")?,
            error: row.get("error")?,
        };
        Ok(Self {
            number: row.get("number")?,
            record,
            bucket: Bucket {
                tokens: row.get("tokens")?,
                at: time(row, "refilled_at")?,
            },
            upload,
        })
    }

    /// As it reads at `now`.
    pub(crate) fn into_batch(self, now: Timestamp) -> Batch {
        self.record.seen_at(now)
    }

    /// True while it is an upload that nobody has accepted yet.
    pub(crate) fn is_upload(&self) -> bool {
        self.record.state == BatchState::Open && !self.upload.stays_open
    }

    /// True where people of `space` may know of it.
    pub(crate) fn is_seen_by(&self, space: &Space) -> bool {
        self.record.space == *space && self.record.deleted_at.is_none()
    }

    /// Writes where it stands. A batch that is to be removed gives its key back.
    pub(crate) fn save_head(&self, db: &Connection) -> Done<()> {
        let sql = "
            UPDATE batches
            SET state = :state, control = :control, epoch = :epoch, revision = :revision, started_at = :started_at,
                halted_at = :halted_at, completed_at = :completed_at, deleted_at = :deleted_at, error = :error,
                expires_at = :expires_at,
                idempotency_key = CASE WHEN :deleted_at IS NULL THEN idempotency_key END
            WHERE number = :number";
        let record = &self.record;
        db.prepare_cached(sql)?.execute(named_params! {
            ":number": self.number,
            ":state": record.state.as_str(),
            ":control": serde_json::to_string(&record.control)?,
            ":epoch": record.epoch,
            ":revision": record.revision,
            ":started_at": record.started_at.map(Micros),
            ":halted_at": record.halted_at.map(Micros),
            ":completed_at": record.completed_at.map(Micros),
            ":deleted_at": record.deleted_at.map(Micros),
            ":expires_at": record.expires_at().map(Micros),
            ":error": record.error,
        })?;
        expiry::keep(db, self.number, record)
    }

    /// Writes what it is to do.
    pub(crate) fn save_spec(&self, db: &Connection) -> Done<()> {
        spec::save(db, self.number, &self.record.spec)
    }

    /// Writes how many items it has and how they come in.
    pub(crate) fn save_upload(&self, db: &Connection) -> Done<()> {
        let sql = "
            UPDATE batches
            SET total = ?2, max_input_bytes = ?3, stays_open = ?4, appended = ?5, appending = ?6, last_append_at = ?7,
                skipped = ?8
            WHERE number = ?1";
        let (record, upload) = (&self.record, &self.upload);
        db.prepare_cached(sql)?.execute((
            self.number,
            upload.held,
            record.max_input_bytes,
            upload.stays_open,
            upload.appended,
            upload.appending,
            Micros(upload.touched_at),
            record.skipped,
        ))?;
        Ok(())
    }

    /// Writes its counters.
    pub(crate) fn save_tally(&self, db: &Connection) -> Done<()> {
        let sql = "
            UPDATE batch_counters
            SET version = :version, retrying = :retrying, returned = :returned, waiting = :waiting,
                succeeded = :succeeded, failed = :failed, cancelled = :cancelled, detail = :detail
            WHERE batch = :batch";
        let Tally {
            version,
            retrying,
            returned,
            waiting,
            succeeded,
            failed,
            cancelled,
            detail,
        } = &self.record.tally;
        db.prepare_cached(sql)?.execute(named_params! {
            ":batch": self.number,
            ":version": signed(*version),
            ":retrying": retrying,
            ":returned": returned,
            ":waiting": waiting,
            ":succeeded": succeeded,
            ":failed": failed,
            ":cancelled": cancelled,
            ":detail": serde_json::to_string(detail)?,
        })?;
        Ok(())
    }

    /// Writes the counters that a dispatch moves, and not the long rest of them.
    pub(crate) fn save_dispatch(&self, db: &Connection) -> Done<()> {
        let counters = "
            UPDATE batch_counters SET version = ?2, retrying = ?3, returned = ?4, waiting = ?5 WHERE batch = ?1";
        let tally = &self.record.tally;
        let version = signed(tally.version);
        db.prepare_cached(counters)?.execute((
            self.number,
            version,
            tally.retrying,
            tally.returned,
            tally.waiting,
        ))?;
        let cursor =
            "UPDATE batch_dispatch SET next_index = ?2, tokens = ?3, refilled_at = ?4 WHERE batch = ?1";
        db.prepare_cached(cursor)?.execute((
            self.number,
            self.record.next_index,
            self.bucket.tokens,
            self.bucket.at.map(Micros),
        ))?;
        Ok(())
    }

    /// Writes what follows from counts or a command: what happened, the result, and where the batch stands with it.
    pub(crate) fn save_turn(
        &self,
        db: &Connection,
        events: &[BatchEvent],
        result: Option<&BatchResult>,
    ) -> Done<()> {
        if events.is_empty() && result.is_none() {
            return Ok(());
        }
        self.save_head(db)?;
        event::insert(db, self.number, events)?;
        let Some(result) = result else {
            return Ok(());
        };
        expiry::insert(db, self.number, &self.record)?;
        if self.record.calls_for_follow_up() {
            let sql = "INSERT INTO follow_ups (batch, revision) VALUES (?1, ?2)";
            db.prepare_cached(sql)?.execute((self.number, result.revision))?;
        }
        insert_result(db, self.number, result)
    }
}

/// Notes when its upload ended.
pub(crate) fn seal_at(db: &Connection, batch: Number, now: Timestamp) -> Done<()> {
    let sql = "UPDATE batches SET sealed_at = ?2 WHERE number = ?1";
    db.prepare_cached(sql)?.execute((batch, Micros(now)))?;
    Ok(())
}

fn insert_result(db: &Connection, batch: Number, result: &BatchResult) -> Done<()> {
    let sql = "INSERT INTO batch_results (batch, revision, result, created_at) VALUES (?1, ?2, ?3, ?4)";
    let (text, created_at) = (serde_json::to_string(result)?, Micros(result.created_at));
    db.prepare_cached(sql)?
        .execute((batch, result.revision, text, created_at))?;
    Ok(())
}

fn tally(row: &Row<'_>) -> rusqlite::Result<Tally> {
    Ok(Tally {
        version: unsigned(row.get("version")?),
        retrying: row.get("retrying")?,
        returned: row.get("returned")?,
        waiting: row.get("waiting")?,
        succeeded: row.get("succeeded")?,
        failed: row.get("failed")?,
        cancelled: row.get("cancelled")?,
        detail: json::<TallyDetail>(row, "detail")?,
    })
}
