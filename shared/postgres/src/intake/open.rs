//! Opens a batch, once per idempotency key.

use flotilla_core::Result;
use flotilla_core::batch::{Batch, BatchSpec};
use flotilla_core::ports::store::{NewBatch, Opened};
use tokio_postgres::{GenericClient, Statement};

use crate::error::Failure;
use crate::rows::{batch, bigint, select_batches};
use crate::session::{Client, Operation};

/// A batch, its counters and its cursor, in one statement: all of them or none.
pub(super) const INSERT: &str = "\
    WITH opened AS (
        INSERT INTO batches
            (id, space, idempotency_key, created_at, last_append_at, job_type, pool, priority, max_attempts, timeout_ms, state)
        VALUES ($1, $2, $3, $4, $4, $5, $6, $7, $8, $9, 'open')
        ON CONFLICT DO NOTHING
        RETURNING id
    ), counters AS (
        INSERT INTO batch_counters (batch_id) SELECT id FROM opened
    ), dispatch AS (
        INSERT INTO batch_dispatch (batch_id) SELECT id FROM opened
    )
    SELECT id FROM opened";

/// The batch that has the key; without a key, the one that this very call opened when it was made before.
const EXISTING: &str = select_batches!(
    "WHERE b.space = $1 AND b.id = coalesce((SELECT id FROM batches WHERE space = $1 AND idempotency_key = $2), $3)"
);

pub(super) struct Open {
    pub(super) new: NewBatch,
}

impl Operation for Open {
    type Output = Opened;
    const ATTEMPT: &'static str = "open a batch";

    async fn run(&self, client: &mut Client) -> Result<Opened, Failure> {
        let insert = client.prepare_cached(INSERT).await?;
        if self.insert(&**client, &insert).await? {
            return Ok(Opened::New);
        }
        Ok(Opened::Existing(Box::new(self.existing(client).await?)))
    }
}

impl Open {
    /// The batch that is in the way. A statement of its own: only now is visible what the other transaction has committed
    /// meanwhile.
    pub(super) async fn existing(&self, client: &Client) -> Result<Batch, Failure> {
        let statement = client.prepare_cached(EXISTING).await?;
        let new = &self.new;
        let found = client
            .query_opt(
                &statement,
                &[&new.space.as_str(), &new.idempotency_key, &new.id.0],
            )
            .await?;
        // None: it was discarded in between, and the key is free.
        let row = found.ok_or(Failure::Raced)?;
        batch(&row)
    }

    /// False where the key, or the id, is taken. Waits for a transaction that is about to take it.
    pub(super) async fn insert(
        &self,
        client: &impl GenericClient,
        statement: &Statement,
    ) -> Result<bool, Failure> {
        let (new, spec) = (&self.new, BatchSpec::default());
        let inserted = client
            .query_opt(
                statement,
                &[
                    &new.id.0,
                    &new.space.as_str(),
                    &new.idempotency_key,
                    &new.created_at,
                    &spec.job_type,
                    &spec.pool.as_str(),
                    &spec.priority,
                    &i32::from(spec.max_attempts),
                    &bigint(spec.timeout.as_millis()),
                ],
            )
            .await?;
        Ok(inserted.is_some())
    }
}
