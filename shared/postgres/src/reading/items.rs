//! Items of a batch, page by page.

use flotilla_core::artifact::{Artifact, MAX_LISTED_BYTES};
use flotilla_core::item::{Item, ItemFilter, ItemState};
use flotilla_core::outcome::Output;
use flotilla_core::{BatchId, ItemIndex, Result, Space};
use tokio_postgres::Row;

use crate::error::Failure;
use crate::rows::{count, error, get, integer, json, parsed, total, unsigned};
use crate::session::{Client, Operation};

/// A page of indexes, found by the cheapest way for the state, then what belongs to each of them. `$1`: batch, `$2`:
/// space, `$3`: after this index, `$4`: so many, `$5`: before this index.
///
/// LIMIT in the lateral joins makes each of them a look-up by key: a hash of all outcomes of a batch could be a million
/// rows for a page of ten.
macro_rules! page_of {
    ($indexes:literal) => {
        concat!(
            "WITH batch AS MATERIALIZED (
                 SELECT b.id, least(",
            total!(),
            ", $5::integer) AS total, least(d.next_index, $5::integer) AS looked_to, d.next_index
                 FROM batches b
                 JOIN batch_dispatch d ON d.batch_id = b.id
                 WHERE b.id = $1 AND b.space = $2 AND b.deleted_at IS NULL
             ), page AS MATERIALIZED (",
            $indexes,
            " ORDER BY index LIMIT $4)
             SELECT i.index, i.custom_id, i.input, i.index < batch.next_index AS dispatched,
                    o.state, o.attempt, o.output, o.output_key, o.output_bytes, o.recorded_at,
                    -- A page of long lists would have no bound.
                    CASE WHEN $4 <= 1 OR octet_length(o.artifacts) <= 16384 THEN o.artifacts END AS artifacts,
                    $4 > 1 AND octet_length(o.artifacts) > 16384 AS artifacts_left_out,
                    r.attempt AS next_attempt, CASE WHEN r.due_at IS NOT NULL THEN r.kind END AS due,
                    l.kind = 'waiting' AS waits,
                    coalesce(o.error_kind, t.error_kind) AS error_kind,
                    coalesce(o.error_message, t.error_message) AS error_message,
                    -- Nobody knows when an attempt began that ended without a report.
                    CASE WHEN told.so THEN coalesce(o.started_at, t.started_at) END AS started_at,
                    CASE WHEN told.so THEN coalesce(o.duration_us, t.duration_us) END AS duration_us
             FROM batch
             CROSS JOIN page
             CROSS JOIN LATERAL (
                 SELECT * FROM batch_items WHERE batch_id = $1 AND index = page.index LIMIT 1
             ) AS i
             LEFT JOIN LATERAL (
                 SELECT * FROM batch_outcomes WHERE batch_id = $1 AND index = page.index LIMIT 1
             ) AS o ON true
             LEFT JOIN LATERAL (
                 SELECT * FROM item_retries WHERE batch_id = $1 AND index = page.index LIMIT 1
             ) AS r ON true
             LEFT JOIN LATERAL (
                 SELECT * FROM item_leases WHERE batch_id = $1 AND index = page.index LIMIT 1
             ) AS l ON true
             LEFT JOIN LATERAL (
                 -- Of one that goes out again, the attempt before.
                 SELECT * FROM item_attempts
                 WHERE batch_id = $1 AND index = page.index AND attempt = r.attempt - 1 AND o.state IS NULL
                 LIMIT 1
             ) AS t ON true
             CROSS JOIN LATERAL (
                 SELECT o.state IS NULL OR o.state <> 'cancelled' OR o.worker IS NOT NULL AS so
             ) AS told
             ORDER BY i.index"
        )
    };
}

// Indexes have no gaps, so the pages of these two are known without looking.
const ALL: &str = page_of!(
    "SELECT i.index FROM batch
     CROSS JOIN LATERAL generate_series($3::integer + 1, least(batch.total - 1, $3::integer + $4::bigint)) AS i (index)"
);

const PENDING: &str = page_of!(
    "SELECT index FROM (
         SELECT i.index FROM batch
         CROSS JOIN LATERAL (SELECT greatest($3::integer + 1, batch.next_index) AS first) AS p
         CROSS JOIN LATERAL generate_series(p.first, least(batch.total - 1, p.first + $4::bigint - 1)) AS i (index)
         UNION ALL
         (SELECT r.index::bigint FROM item_retries r
          WHERE r.batch_id = $1 AND r.index > $3 AND r.index < $5 AND r.due_at IS NOT NULL AND r.kind = 'returned'
          ORDER BY r.index LIMIT $4)
     ) AS i"
);

// A difference of sets, because that costs what the stretch is long whatever the planner believes: looking each item up
// elsewhere took minutes where it had chosen badly.
const QUEUED: &str = page_of!(
    "SELECT index FROM (
         SELECT i.index FROM batch
         CROSS JOIN LATERAL generate_series($3::integer + 1, batch.looked_to - 1) AS i (index)
         EXCEPT
         SELECT index FROM batch_outcomes WHERE batch_id = $1 AND index > $3 AND index < $5
         EXCEPT
         SELECT index FROM item_retries
         WHERE batch_id = $1 AND index > $3 AND index < $5 AND due_at IS NOT NULL
         EXCEPT
         SELECT index FROM item_leases
         WHERE batch_id = $1 AND index > $3 AND index < $5 AND kind = 'waiting'
     ) AS i"
);

const RETRYING: &str = page_of!(
    "SELECT index FROM item_retries
     WHERE batch_id = $1 AND index > $3 AND index < $5 AND due_at IS NOT NULL AND kind = 'retrying'"
);

const WAITING: &str = page_of!(
    "SELECT index FROM item_leases WHERE batch_id = $1 AND index > $3 AND index < $5 AND kind = 'waiting'"
);

const SUCCEEDED: &str = page_of!(
    "SELECT index FROM batch_outcomes
     WHERE batch_id = $1 AND index > $3 AND index < $5 AND state = 'succeeded'"
);

// These two have an index of their own.
const FAILED: &str = page_of!(
    "SELECT index FROM batch_outcomes WHERE batch_id = $1 AND index > $3 AND index < $5 AND state = 'failed'"
);

const CANCELLED: &str = page_of!(
    "SELECT index FROM batch_outcomes
     WHERE batch_id = $1 AND index > $3 AND index < $5 AND state = 'cancelled'"
);

const NAMED: &str = "\
    SELECT index FROM item_names
    WHERE batch_id = $1 AND custom_id = $3
      AND EXISTS (SELECT FROM batches WHERE id = $1 AND space = $2 AND deleted_at IS NULL)";

pub(super) struct Page<'a> {
    pub(super) space: &'a Space,
    pub(super) batch: BatchId,
    pub(super) filter: &'a ItemFilter,
    pub(super) limit: u32,
}

impl Operation for Page<'_> {
    type Output = Vec<Item>;
    const ATTEMPT: &'static str = "list items";

    async fn run(&self, client: &mut Client) -> Result<Vec<Item>, Failure> {
        // -1 is before all of them. There is nothing after the largest integer, and one less keeps sums in range.
        let after = self
            .filter
            .after
            .map_or(-1, |after| integer(after).min(i32::MAX - 1));
        let statement = client.prepare_cached(query(self.filter.state)).await?;
        let rows = client
            .query(
                &statement,
                &[
                    &self.batch.0,
                    &self.space.as_str(),
                    &after,
                    &i64::from(self.limit),
                    &self.filter.before.map_or(i32::MAX, integer),
                ],
            )
            .await?;
        rows.iter().map(item).collect()
    }
}

pub(super) struct Named<'a> {
    pub(super) space: &'a Space,
    pub(super) batch: BatchId,
    pub(super) custom_id: &'a str,
}

impl Operation for Named<'_> {
    type Output = Option<ItemIndex>;
    const ATTEMPT: &'static str = "find an item by its name";

    async fn run(&self, client: &mut Client) -> Result<Option<ItemIndex>, Failure> {
        let statement = client.prepare_cached(NAMED).await?;
        let row = client
            .query_opt(
                &statement,
                &[&self.batch.0, &self.space.as_str(), &self.custom_id],
            )
            .await?;
        row.as_ref().map(|row| count(row, "index")).transpose()
    }
}

fn query(state: Option<ItemState>) -> &'static str {
    match state {
        None => ALL,
        Some(ItemState::Pending) => PENDING,
        Some(ItemState::Queued | ItemState::Processing) => QUEUED,
        Some(ItemState::Retrying) => RETRYING,
        Some(ItemState::Waiting) => WAITING,
        Some(ItemState::Succeeded) => SUCCEEDED,
        Some(ItemState::Failed) => FAILED,
        Some(ItemState::Cancelled) => CANCELLED,
    }
}

fn item(row: &Row) -> Result<Item, Failure> {
    let index: ItemIndex = count(row, "index")?;
    let (state, attempts) = match get::<Option<&str>>(row, "state")? {
        Some(_) => (
            parsed(row, "state")?,
            unsigned("attempt", get::<i32>(row, "attempt")?)?,
        ),
        None => unsettled(row)?,
    };
    let duration_us: Option<i64> = get(row, "duration_us")?;
    Ok(Item {
        index,
        custom_id: get(row, "custom_id")?,
        state,
        attempts,
        input: json("input", get(row, "input")?)?,
        output: output(row)?,
        artifacts: artifacts(row)?,
        artifacts_left_out: get::<Option<bool>>(row, "artifacts_left_out")? == Some(true),
        error: error(row)?,
        started_at: get(row, "started_at")?,
        finished_at: get(row, "recorded_at")?,
        duration_us: duration_us.map(|us| unsigned("duration_us", us)).transpose()?,
    })
}

/// State and attempts of an item that has no outcome.
fn unsettled(row: &Row) -> Result<(ItemState, u16), Failure> {
    let next_attempt: Option<i32> = get(row, "next_attempt")?;
    let next_attempt: u16 = unsigned("next_attempt", next_attempt.unwrap_or(1))?;
    let waits: Option<bool> = get(row, "waits")?;
    let dispatched: bool = get(row, "dispatched")?;
    Ok(match get::<Option<&str>>(row, "due")? {
        // See Place::attempts.
        Some("returned") => (ItemState::Pending, next_attempt),
        Some(_) => (ItemState::Retrying, next_attempt.saturating_sub(1)),
        None if waits == Some(true) => (ItemState::Waiting, next_attempt),
        None if dispatched => (ItemState::Queued, next_attempt),
        None => (ItemState::Pending, 0),
    })
}

fn output(row: &Row) -> Result<Option<Output>, Failure> {
    if let Some(text) = get(row, "output")? {
        return Ok(Some(Output::Inline(json("output", text)?)));
    }
    let Some(key) = get(row, "output_key")? else {
        return Ok(None);
    };
    let bytes = unsigned("output_bytes", get::<i64>(row, "output_bytes")?)?;
    Ok(Some(Output::Stored { key, bytes }))
}

fn artifacts(row: &Row) -> Result<Vec<Artifact>, Failure> {
    let Some(json) = get::<Option<&str>>(row, "artifacts")? else {
        return Ok(Vec::new());
    };
    serde_json::from_str(json).map_err(|error| Failure::Corrupt(format!("artifacts: {error}")))
}

/// The queries above have it as a number.
const _: () = assert!(MAX_LISTED_BYTES == 16_384);
