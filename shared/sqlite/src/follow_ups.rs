//! Follow-ups that batches called for.

use async_trait::async_trait;
use flotilla_core::Result;
use flotilla_core::ids::{BatchId, Space};
use flotilla_core::ports::store::{FollowUp, FollowUps};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::SqliteStore;
use crate::error::Done;
use crate::keys::Id;
use crate::rows::Text;

#[async_trait]
impl FollowUps for SqliteStore {
    async fn pending_follow_ups(&self, limit: u32) -> Result<Vec<FollowUp>> {
        self.readers
            .run("look for follow-ups to create", move |db| pending(db, limit))
            .await
    }

    async fn follow_up_created(&self, batch: BatchId, revision: u32, follow_up: BatchId) -> Result<()> {
        self.writer
            .run("note that a follow-up was created", move |db| {
                created(db, batch, revision, follow_up)
            })
            .await
    }

    async fn follow_up(&self, space: &Space, batch: BatchId, revision: u32) -> Result<Option<FollowUp>> {
        let space = space.clone();
        self.readers
            .run("read a follow-up", move |db| one(db, &space, batch, revision))
            .await
    }
}

const PENDING: &str = "
    SELECT b.id, b.space, f.revision, f.follow_up
    FROM follow_ups AS f CROSS JOIN batches AS b ON b.number = f.batch
    WHERE f.follow_up IS NULL AND b.deleted_at IS NULL AND b.state IN ('completed', 'failed', 'cancelled')
    ORDER BY f.batch, f.revision LIMIT ?1";

fn pending(db: &Connection, limit: u32) -> Done<Vec<FollowUp>> {
    let mut statement = db.prepare_cached(PENDING)?;
    let found = statement.query_map([limit], read)?;
    Ok(found.collect::<Result<_, _>>()?)
}

fn created(db: &Connection, batch: BatchId, revision: u32, follow_up: BatchId) -> Done<()> {
    let sql = "
        UPDATE follow_ups SET follow_up = ?3
        WHERE batch = (SELECT number FROM batches WHERE id = ?1) AND revision = ?2 AND follow_up IS NULL";
    db.prepare_cached(sql)?
        .execute((Id(batch), revision, Id(follow_up)))?;
    Ok(())
}

fn one(db: &Connection, space: &Space, batch: BatchId, revision: u32) -> Done<Option<FollowUp>> {
    let sql = "
        SELECT b.id, b.space, f.revision, f.follow_up
        FROM batches AS b JOIN follow_ups AS f ON f.batch = b.number
        WHERE b.id = ?1 AND b.space = ?2 AND b.deleted_at IS NULL AND f.revision = ?3";
    let found = db
        .prepare_cached(sql)?
        .query_row((Id(batch), space.as_str(), revision), read)
        .optional()?;
    Ok(found)
}

fn read(row: &Row<'_>) -> rusqlite::Result<FollowUp> {
    Ok(FollowUp {
        batch: row.get::<_, Id>("id")?.0,
        space: row.get::<_, Text<_>>("space")?.0,
        revision: row.get("revision")?,
        follow_up: row.get::<_, Option<Id>>("follow_up")?.map(|Id(id)| id),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plans::assert_direct;

    /// A look costs what is to be created. The index has no other rows, so reading all of it is what is wanted.
    #[test]
    fn a_look_reads_the_index_of_what_is_pending() {
        let plan = crate::plans::plan(PENDING);
        assert!(plan[0].contains("follow_ups_pending"), "{plan:?}");
        assert_direct("SELECT * FROM follow_ups WHERE batch = ?1 AND revision = ?2");
    }
}
