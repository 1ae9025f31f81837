//! What a claim holds: a run of items that go out for the first time, and a list of those that go out again.

use std::ops::Range;

use flotilla_core::batch::BatchSpec;
use flotilla_core::json::Json;
use flotilla_core::place::Place;
use flotilla_core::ports::store::{Claim, ClaimId, ClaimedItem};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row};

use crate::error::Done;
use crate::keys::{Micros, Number, index_of};
use crate::rows::{BatchRow, Raw, read_retry};

/// A row of `dispatch_claims`.
pub(super) struct Held {
    id: i64,
    batch: Number,
    first_key: i64,
    end_key: i64,
    /// A JSON array of keys.
    again: String,
}

/// An item that goes out again.
pub(super) struct Again {
    pub(super) key: i64,
    item: ClaimedItem,
}

impl Again {
    /// The item at `key`, at this place.
    pub(super) fn new(key: i64, place: Place, input: Json) -> Self {
        let item = ClaimedItem {
            index: index_of(key),
            attempt: place.attempt,
            last_attempt: place.last_attempt,
            isolated: place.losses > 0,
            input,
        };
        Self { key, item }
    }
}

impl Held {
    /// Makes a claim.
    pub(super) fn insert(
        db: &Connection,
        batch: Number,
        again: &[Again],
        fresh: Range<i64>,
        until: Timestamp,
    ) -> Done<Self> {
        let keys: Vec<i64> = again.iter().map(|item| item.key).collect();
        let again = serde_json::to_string(&keys)?;
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

    /// What there is to publish of a new claim: `again`, then what goes out for the first time.
    pub(super) fn fresh_items(
        &self,
        db: &Connection,
        spec: &BatchSpec,
        again: Vec<Again>,
    ) -> Done<Vec<ClaimedItem>> {
        let mut items: Vec<_> = again.into_iter().map(|again| again.item).collect();
        let sql = "SELECT key, input FROM batch_items WHERE key >= ?1 AND key < ?2";
        let mut statement = db.prepare_cached(sql)?;
        let fresh = statement.query_map((self.first_key, self.end_key), |row| {
            let Raw(input) = row.get("input")?;
            Ok(Again::new(row.get("key")?, Place::dispatched(spec), input).item)
        })?;
        for item in fresh {
            items.push(item?);
        }
        Ok(items)
    }

    /// What is left to publish of a claim whose publisher died: items that are still dispatched, those that went out
    /// again first. An item of the run that is known to go out again is none of them: it was published, and came back.
    pub(super) fn items_left(&self, db: &Connection, spec: &BatchSpec) -> Done<Vec<ClaimedItem>> {
        let again = "
            SELECT i.key, i.input, r.attempt, r.last_attempt, r.losses, r.kind, r.due_at
            FROM json_each(?1) AS held
            CROSS JOIN item_retries AS r ON r.key = held.value
            CROSS JOIN batch_items AS i ON i.key = r.key
            WHERE r.due_at IS NULL
              AND NOT EXISTS (SELECT 1 FROM item_leases AS l WHERE l.key = r.key)
            ORDER BY held.key";
        let fresh = "
            SELECT i.key, i.input
            FROM batch_items AS i
            WHERE i.key >= ?1 AND i.key < ?2
              AND NOT EXISTS (SELECT 1 FROM batch_outcomes AS o WHERE o.key = i.key)
              AND NOT EXISTS (SELECT 1 FROM item_retries AS r WHERE r.key = i.key)
              AND NOT EXISTS (SELECT 1 FROM item_leases AS l WHERE l.key = i.key)
            ORDER BY i.key";
        let mut again = db.prepare_cached(again)?;
        let mut fresh = db.prepare_cached(fresh)?;
        let claimed = |row: &Row<'_>, place: Place| {
            let Raw(input) = row.get("input")?;
            Ok(Again::new(row.get("key")?, place, input).item)
        };
        let again = again.query_map([&self.again], |row| claimed(row, read_retry(row)?))?;
        let fresh = fresh.query_map((self.first_key, self.end_key), |row| {
            claimed(row, Place::dispatched(spec))
        })?;
        Ok(again.chain(fresh).collect::<Result<_, _>>()?)
    }

    /// The claim as its publisher sees it.
    pub(super) fn into_claim(self, batch: BatchRow, items: Vec<ClaimedItem>) -> Claim {
        let record = batch.record;
        Claim {
            id: ClaimId(self.id),
            batch: record.id,
            space: record.space,
            spec: record.spec,
            epoch: record.epoch,
            items,
        }
    }
}
