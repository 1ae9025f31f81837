//! What a claim holds: a run of items that go out for the first time, and a list of those that go out again.

use flotilla_core::ports::store::{Claim, ClaimId, ClaimedItem};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row};

use crate::error::Done;
use crate::keys::{Micros, Number, index_of};
use crate::rows::{BatchRow, Raw};

/// A row of `dispatch_claims`.
pub(super) struct Held {
    id: i64,
    batch: Number,
    first_key: i64,
    end_key: i64,
    /// A JSON array of keys.
    again: String,
}

impl Held {
    /// Makes a claim.
    pub(super) fn insert(
        db: &Connection,
        batch: Number,
        again: &[i64],
        fresh: std::ops::Range<i64>,
        until: Timestamp,
    ) -> Done<Self> {
        let again = serde_json::to_string(again)?;
        let sql = "
            INSERT INTO dispatch_claims (batch, lease_until, first_key, end_key, again)
            VALUES (?1, ?2, ?3, ?4, ?5)";
        db.prepare_cached(sql)?
            .execute((batch, Micros(until), fresh.start, fresh.end, &again))?;
        let id = db.last_insert_rowid();
        Ok(Self {
            id,
            batch,
            first_key: fresh.start,
            end_key: fresh.end,
            again,
        })
    }

    /// The claim whose lease ended first, by `now`.
    pub(super) fn next_expired(db: &Connection, now: Timestamp) -> Done<Option<Self>> {
        let sql = "
            SELECT id, batch, first_key, end_key, again FROM dispatch_claims
            WHERE lease_until <= ?1 ORDER BY lease_until, id LIMIT 1";
        let read = |row: &Row<'_>| {
            let (id, batch) = (row.get(0)?, row.get(1)?);
            Ok(Self {
                id,
                batch,
                first_key: row.get(2)?,
                end_key: row.get(3)?,
                again: row.get(4)?,
            })
        };
        Ok(db
            .prepare_cached(sql)?
            .query_row([Micros(now)], read)
            .optional()?)
    }

    /// Gives it to the caller until `until`.
    pub(super) fn renew(&self, db: &Connection, until: Timestamp) -> Done<()> {
        let sql = "UPDATE dispatch_claims SET lease_until = ?2 WHERE id = ?1";
        db.prepare_cached(sql)?.execute((self.id, Micros(until)))?;
        Ok(())
    }

    /// Ends it.
    pub(super) fn drop(self, db: &Connection) -> Done<()> {
        super::end_claims(db, &[ClaimId(self.id)])
    }

    /// The number of its batch.
    pub(super) fn batch(&self) -> Number {
        self.batch
    }

    /// What there is to publish: its items that have no outcome, those that go out again first.
    pub(super) fn items(&self, db: &Connection) -> Done<Vec<ClaimedItem>> {
        let again = "
            SELECT i.key, r.attempt, i.input
            FROM json_each(?1) AS held JOIN batch_items AS i ON i.key = held.value
            LEFT JOIN item_retries AS r ON r.key = i.key
            WHERE NOT EXISTS (SELECT 1 FROM batch_outcomes AS o WHERE o.key = i.key)
            ORDER BY held.key";
        let fresh = "
            SELECT i.key, r.attempt, i.input
            FROM batch_items AS i
            LEFT JOIN item_retries AS r ON r.key = i.key
            WHERE i.key >= ?1 AND i.key < ?2
              AND NOT EXISTS (SELECT 1 FROM batch_outcomes AS o WHERE o.key = i.key)
            ORDER BY i.key";
        let mut again = db.prepare_cached(again)?;
        let mut fresh = db.prepare_cached(fresh)?;
        let again = again.query_map([&self.again], claimed)?;
        let fresh = fresh.query_map((self.first_key, self.end_key), claimed)?;
        Ok(again.chain(fresh).collect::<Result<_, _>>()?)
    }

    /// The claim as its publisher sees it.
    pub(super) fn into_claim(self, batch: BatchRow, items: Vec<ClaimedItem>) -> Claim {
        Claim {
            id: ClaimId(self.id),
            batch: batch.id,
            space: batch.space,
            spec: batch.spec,
            items,
        }
    }
}

fn claimed(row: &Row<'_>) -> rusqlite::Result<ClaimedItem> {
    let attempt: Option<u16> = row.get(1)?;
    let Raw(input) = row.get(2)?;
    Ok(ClaimedItem {
        index: index_of(row.get(0)?),
        attempt: attempt.unwrap_or(1),
        input,
    })
}
