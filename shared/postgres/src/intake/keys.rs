//! Keys that a space accepts once in a while.

use flotilla_core::ports::store::KeyHolder;
use flotilla_core::{BatchId, Result, Space};
use jiff::Timestamp;

use crate::error::Failure;
use crate::rows::{batch_id, get};
use crate::session::{Client, Operation};

/// In the order of the keys, so that two that want the same ones don't wait for each other in a circle.
const RESERVE: &str = "\
    INSERT INTO item_keys (space, key, batch_id, until)
    SELECT $1::text, key, $2::uuid, $4::timestamptz FROM unnest($3::text[]) AS k (key) GROUP BY key ORDER BY key
    ON CONFLICT (space, key) DO UPDATE SET batch_id = excluded.batch_id, until = excluded.until
    WHERE item_keys.until <= $5::timestamptz OR item_keys.batch_id = excluded.batch_id";

/// A key whose batch is gone stays with it: what was accepted was accepted.
const HOLDERS: &str = "\
    SELECT h.batch_id, coalesce(b.state = 'open' AND NOT b.stays_open, false) AS uploading
    FROM unnest($2::text[]) WITH ORDINALITY AS k (key, n)
    JOIN item_keys h ON h.space = $1 AND h.key = k.key
    LEFT JOIN batches b ON b.id = h.batch_id
    ORDER BY k.n";

pub(super) struct Reserve<'a> {
    pub(super) space: &'a Space,
    pub(super) batch: BatchId,
    pub(super) keys: Vec<String>,
    pub(super) until: Timestamp,
    pub(super) now: Timestamp,
}

impl Operation for Reserve<'_> {
    type Output = Vec<KeyHolder>;
    const ATTEMPT: &'static str = "reserve keys";

    async fn run(&self, client: &mut Client) -> Result<Vec<KeyHolder>, Failure> {
        let transaction = client.transaction().await?;
        let reserve = transaction.prepare_cached(RESERVE).await?;
        let space = self.space.as_str();
        transaction
            .execute(
                &reserve,
                &[&space, &self.batch.0, &self.keys, &self.until, &self.now],
            )
            .await?;
        let holders = transaction.prepare_cached(HOLDERS).await?;
        let rows = transaction.query(&holders, &[&space, &self.keys]).await?;
        if rows.len() != self.keys.len() {
            return Err(Failure::Raced);
        }
        let holders = rows
            .iter()
            .map(|row| self.holder(row))
            .collect::<Result<_, _>>()?;
        transaction.commit().await?;
        Ok(holders)
    }
}

impl Reserve<'_> {
    fn holder(&self, row: &tokio_postgres::Row) -> Result<KeyHolder, Failure> {
        let batch = batch_id(row, "batch_id")?;
        Ok(match get::<bool>(row, "uploading")? {
            _ if batch == self.batch => KeyHolder::Asker,
            true => KeyHolder::Uploading(batch),
            false => KeyHolder::Accepted(batch),
        })
    }
}
