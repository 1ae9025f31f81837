//! The rows of batches themselves: written where something in them changed, which is seldom.

use deadpool_postgres::Transaction;
use flotilla_core::BatchState;
use flotilla_core::batch::Start;
use flotilla_core::record::{BatchRecord, Control};
use jiff::Timestamp;
use uuid::Uuid;

use super::Change;
use crate::error::Failure;
use crate::rows::{integer, start_columns, storable_time, text_of};

/// The state is compared and set: whatever changed it meanwhile, no batch ends twice. A batch that is to be removed
/// leaves its key to the next one.
const UPDATE: &str = "\
    UPDATE batches b
    SET state = t.state, control = t.control, epoch = t.epoch, revision = t.revision, halted_at = t.halted_at,
        completed_at = t.completed_at, deleted_at = t.deleted_at, error = t.error, name = t.name,
        priority = t.priority, concurrency = t.concurrency, rate_per_s = t.rate_per_s, start_mode = t.start_mode,
        start_at = t.start_at, deadline = t.deadline,
        idempotency_key = CASE WHEN t.deleted_at IS NULL THEN b.idempotency_key END
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::integer[], $6::integer[], $7::timestamptz[],
                $8::timestamptz[], $9::timestamptz[], $10::text[], $11::text[], $12::smallint[], $13::bigint[],
                $14::double precision[], $15::text[], $16::timestamptz[], $17::timestamptz[])
         AS t (id, before, state, control, epoch, revision, halted_at, completed_at, deleted_at, error, name, priority,
               concurrency, rate_per_s, start_mode, start_at, deadline)
    WHERE b.id = t.id AND b.state = t.before";

/// The columns that [`UPDATE`] sets.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kept {
    state: BatchState,
    control: Control,
    epoch: u32,
    revision: u32,
    halted_at: Option<Timestamp>,
    completed_at: Option<Timestamp>,
    deleted_at: Option<Timestamp>,
    error: Option<String>,
    name: Option<String>,
    priority: i16,
    concurrency: Option<u32>,
    rate_per_s: Option<f64>,
    start: Start,
    deadline: Option<Timestamp>,
}

impl Kept {
    /// Those of `record` as it is.
    pub(crate) fn of(record: &BatchRecord) -> Self {
        Self {
            state: record.state,
            control: record.control.clone(),
            epoch: record.epoch,
            revision: record.revision,
            halted_at: record.halted_at,
            completed_at: record.completed_at,
            deleted_at: record.deleted_at,
            error: record.error.clone(),
            name: record.spec.name.clone(),
            priority: record.spec.priority,
            concurrency: record.spec.concurrency,
            rate_per_s: record.spec.rate_per_s,
            start: record.spec.start,
            deadline: record.spec.deadline,
        }
    }

    /// True where `after` ended, runs again, or was deleted, and this was not so.
    pub(super) fn ends_otherwise(&self, after: &BatchRecord) -> bool {
        (self.completed_at, self.deleted_at) != (after.completed_at, after.deleted_at)
    }
}

#[derive(Debug, Default)]
pub(super) struct Rows {
    batch: Vec<Uuid>,
    before: Vec<&'static str>,
    state: Vec<&'static str>,
    control: Vec<String>,
    epoch: Vec<i32>,
    revision: Vec<i32>,
    halted_at: Vec<Option<Timestamp>>,
    completed_at: Vec<Option<Timestamp>>,
    deleted_at: Vec<Option<Timestamp>>,
    error: Vec<Option<String>>,
    name: Vec<Option<String>>,
    priority: Vec<i16>,
    concurrency: Vec<Option<i64>>,
    rate_per_s: Vec<Option<f64>>,
    start_mode: Vec<&'static str>,
    start_at: Vec<Option<Timestamp>>,
    deadline: Vec<Option<Timestamp>>,
}

impl Rows {
    pub(super) fn of(changes: &[Change]) -> Result<Self, Failure> {
        let mut rows = Self::default();
        for change in changes {
            let after = Kept::of(&change.record);
            if after != change.before {
                rows.batch.push(change.record.id.0);
                rows.before.push(change.before.state.as_str());
                rows.push(after)?;
            }
        }
        Ok(rows)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    fn push(&mut self, row: Kept) -> Result<(), Failure> {
        self.state.push(row.state.as_str());
        self.control.push(text_of("what steers a batch", &row.control)?);
        self.epoch.push(integer(row.epoch));
        self.revision.push(integer(row.revision));
        self.halted_at.push(row.halted_at);
        self.completed_at.push(row.completed_at);
        self.deleted_at.push(row.deleted_at);
        self.error.push(row.error);
        self.name.push(row.name);
        self.priority.push(row.priority);
        self.concurrency.push(row.concurrency.map(i64::from));
        self.rate_per_s.push(row.rate_per_s);
        let (mode, at) = start_columns(row.start);
        self.start_mode.push(mode);
        self.start_at.push(at);
        self.deadline.push(row.deadline.map(storable_time));
        Ok(())
    }

    pub(super) async fn update(&self, transaction: &Transaction<'_>) -> Result<(), Failure> {
        let statement = transaction.prepare_cached(UPDATE).await?;
        let updated = transaction
            .execute(
                &statement,
                &[
                    &self.batch,
                    &self.before,
                    &self.state,
                    &self.control,
                    &self.epoch,
                    &self.revision,
                    &self.halted_at,
                    &self.completed_at,
                    &self.deleted_at,
                    &self.error,
                    &self.name,
                    &self.priority,
                    &self.concurrency,
                    &self.rate_per_s,
                    &self.start_mode,
                    &self.start_at,
                    &self.deadline,
                ],
            )
            .await?;
        if updated == self.batch.len() as u64 {
            Ok(())
        } else {
            Err(Failure::Raced)
        }
    }
}
