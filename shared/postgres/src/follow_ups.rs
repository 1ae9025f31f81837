//! Follow-ups that batches called for.

use async_trait::async_trait;
use flotilla_core::ports::store::{FollowUp, FollowUps};
use flotilla_core::{BatchId, Result, Space};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::PostgresStore;
use crate::error::Failure;
use crate::rows::{batch_id, count, get, integer, parsed};
use crate::session::{Client, Operation};

#[async_trait]
impl FollowUps for PostgresStore {
    async fn pending_follow_ups(&self, limit: u32) -> Result<Vec<FollowUp>> {
        self.sessions.run(Pending { limit }).await
    }

    async fn follow_up_created(&self, batch: BatchId, revision: u32, follow_up: BatchId) -> Result<()> {
        let created = WasCreated {
            batch,
            revision,
            follow_up,
        };
        self.sessions.run(created).await
    }

    async fn follow_up(&self, space: &Space, batch: BatchId, revision: u32) -> Result<Option<FollowUp>> {
        let one = One {
            space,
            batch,
            revision,
        };
        self.sessions.run(one).await
    }
}

const PENDING: &str = "\
    SELECT f.batch_id, f.revision, f.follow_up, b.space
    FROM follow_ups f
    JOIN batches b ON b.id = f.batch_id
    WHERE f.follow_up IS NULL AND b.deleted_at IS NULL AND b.state IN ('completed', 'failed', 'cancelled')
    ORDER BY f.batch_id, f.revision
    LIMIT $1";

struct Pending {
    limit: u32,
}

impl Operation for Pending {
    type Output = Vec<FollowUp>;
    const ATTEMPT: &'static str = "look for follow-ups to create";

    async fn run(&self, client: &mut Client) -> Result<Vec<FollowUp>, Failure> {
        let statement = client.prepare_cached(PENDING).await?;
        let rows = client.query(&statement, &[&i64::from(self.limit)]).await?;
        rows.iter().map(follow_up).collect()
    }
}

const CREATED: &str = "\
    UPDATE follow_ups SET follow_up = $3 WHERE batch_id = $1 AND revision = $2 AND follow_up IS NULL";

struct WasCreated {
    batch: BatchId,
    revision: u32,
    follow_up: BatchId,
}

impl Operation for WasCreated {
    type Output = ();
    const ATTEMPT: &'static str = "note that a follow-up was created";

    async fn run(&self, client: &mut Client) -> Result<(), Failure> {
        let statement = client.prepare_cached(CREATED).await?;
        client
            .execute(
                &statement,
                &[&self.batch.0, &integer(self.revision), &self.follow_up.0],
            )
            .await?;
        Ok(())
    }
}

const ONE: &str = "\
    SELECT f.batch_id, f.revision, f.follow_up, b.space
    FROM follow_ups f
    JOIN batches b ON b.id = f.batch_id
    WHERE f.batch_id = $1 AND f.revision = $2 AND b.space = $3 AND b.deleted_at IS NULL";

struct One<'a> {
    space: &'a Space,
    batch: BatchId,
    revision: u32,
}

impl Operation for One<'_> {
    type Output = Option<FollowUp>;
    const ATTEMPT: &'static str = "read a follow-up";

    async fn run(&self, client: &mut Client) -> Result<Option<FollowUp>, Failure> {
        let statement = client.prepare_cached(ONE).await?;
        let row = client
            .query_opt(
                &statement,
                &[&self.batch.0, &integer(self.revision), &self.space.as_str()],
            )
            .await?;
        row.as_ref().map(follow_up).transpose()
    }
}

fn follow_up(row: &Row) -> Result<FollowUp, Failure> {
    Ok(FollowUp {
        batch: batch_id(row, "batch_id")?,
        space: parsed(row, "space")?,
        revision: count(row, "revision")?,
        follow_up: get::<Option<Uuid>>(row, "follow_up")?.map(BatchId),
    })
}
