//! Items that no delivery stands for.

use std::borrow::Cow;

use deadpool_postgres::Transaction;
use flotilla_core::place::{Lease, Whereabouts};
use flotilla_core::{BatchId, ItemIndex};
use jiff::Timestamp;
use uuid::Uuid;

use super::Change;
use super::keys::delete_by_key;
use crate::error::Failure;
use crate::rows::{integer, storable};

pub(super) const DELETE: &str = delete_by_key!("item_leases");

const UPSERT: &str = "\
    INSERT INTO item_leases (batch_id, index, attempt, kind, until, progress, message, worker)
    SELECT * FROM unnest($1::uuid[], $2::integer[], $3::integer[], $4::text[], $5::timestamptz[], $6::smallint[],
                         $7::text[], $8::text[])
    ON CONFLICT (batch_id, index) DO UPDATE
    SET attempt = excluded.attempt, kind = excluded.kind, until = excluded.until, progress = excluded.progress,
        message = excluded.message, worker = excluded.worker";

#[derive(Debug, Default)]
pub(super) struct Rows<'a> {
    batch: Vec<Uuid>,
    index: Vec<i32>,
    attempt: Vec<i32>,
    kind: Vec<&'static str>,
    until: Vec<Timestamp>,
    progress: Vec<Option<i16>>,
    message: Vec<Option<Cow<'a, str>>>,
    worker: Vec<Option<Cow<'a, str>>>,
}

impl<'a> Rows<'a> {
    pub(super) fn of(changes: &'a [Change]) -> Self {
        let mut rows = Self::default();
        for change in changes {
            for (index, attempt, at, lease) in &change.writes.leases {
                rows.push(change.record.id, *index, *attempt, *at, lease);
            }
        }
        rows
    }

    pub(super) fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    fn push(&mut self, batch: BatchId, index: ItemIndex, attempt: u16, at: Whereabouts, lease: &'a Lease) {
        self.batch.push(batch.0);
        self.index.push(integer(index));
        self.attempt.push(attempt.into());
        self.kind.push(match at {
            Whereabouts::Waiting => "waiting",
            _ => "leased",
        });
        self.until.push(lease.until);
        self.progress.push(lease.progress.map(i16::from));
        self.message.push(lease.message.as_deref().map(storable));
        self.worker
            .push(lease.worker.as_ref().map(|worker| storable(&worker.0)));
    }

    pub(super) async fn upsert(&self, transaction: &Transaction<'_>) -> Result<(), Failure> {
        let statement = transaction.prepare_cached(UPSERT).await?;
        transaction
            .execute(
                &statement,
                &[
                    &self.batch,
                    &self.index,
                    &self.attempt,
                    &self.kind,
                    &self.until,
                    &self.progress,
                    &self.message,
                    &self.worker,
                ],
            )
            .await?;
        Ok(())
    }
}
