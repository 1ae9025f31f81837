//! What may be dispatched of a batch, out of its rows.

use flotilla_core::limits::{Bucket, Supply};
use flotilla_core::record::Control;
use tokio_postgres::Row;

use crate::error::Failure;
use crate::rows::{count, counters, get, limit, parsed, start, value};

/// Items that are due are counted no further than this: more than one turn can take.
pub(crate) const ONE_TURN: i64 = 1_000;

/// The columns of `batches b`, `batch_counters c` and `batch_dispatch d` that [`supply`] reads.
macro_rules! supply_columns {
    () => {
        concat!(
            "b.id, b.space, b.job_type, b.state, b.start_mode, b.start_at, b.concurrency, b.rate_per_s, b.canary, \
             b.control, ",
            $crate::rows::total!(),
            " AS total, b.state = 'pending' OR b.started_at IS NULL AS starts, d.next_index, d.tokens, d.refilled_at, \
             c.version, c.retrying, c.returned, c.waiting, c.succeeded, c.failed, c.cancelled"
        )
    };
}

/// The other columns that [`supply`] reads: what goes out again of the batch in the row `$of`, which has its id and
/// counts. `$1` is now, and due items are counted up to `$2`. Only where there are any: most batches have none, and then
/// it costs nothing.
macro_rules! due_columns {
    ($of:literal) => {
        concat!(
            "CASE WHEN ", $of, ".retrying + ", $of, ".returned > 0 THEN ( \
                 SELECT count(*)::integer FROM ( \
                     SELECT FROM item_retries r \
                     WHERE r.batch_id = ", $of, ".id AND r.due_at <= $1 AND r.losses = 0 LIMIT $2 \
                 ) AS due \
             ) ELSE 0 END AS due, \
             CASE WHEN ", $of, ".retrying + ", $of, ".returned > 0 THEN ( \
                 SELECT count(*)::integer FROM ( \
                     SELECT FROM item_retries r \
                     WHERE CASE WHEN r.losses > 0 THEN r.batch_id END = ", $of, ".id AND r.due_at <= $1 \
                       AND r.losses > 0 \
                     LIMIT $2 \
                 ) AS due \
             ) ELSE 0 END AS suspects, \
             CASE WHEN ", $of, ".retrying + ", $of, ".returned > 0 THEN ( \
                 SELECT min(r.due_at) FROM item_retries r WHERE r.batch_id = ", $of, ".id AND r.due_at > $1 \
             ) END AS next_due, \
             ( \
                 SELECT count(*)::integer FROM item_retries r \
                 WHERE CASE WHEN r.losses > 0 THEN r.batch_id END = ", $of, ".id AND r.due_at IS NULL \
                   AND r.losses > 0 \
                   AND (SELECT true FROM item_leases l \
                        WHERE l.batch_id = r.batch_id AND l.index = r.index AND l.kind = 'waiting') IS NULL \
             ) AS suspects_in_flight"
        )
    };
}

/// A query for what may be dispatched of batches; what follows the joins is appended.
macro_rules! select_supply {
    ($tail:literal) => {
        concat!(
            "SELECT b.*, ",
            $crate::dispatch::supply::due_columns!("b"),
            " FROM (SELECT ",
            $crate::dispatch::supply::supply_columns!(),
            " FROM batches b \
             JOIN batch_counters c ON c.batch_id = b.id \
             JOIN batch_dispatch d ON d.batch_id = b.id ",
            $tail,
            ") AS b"
        )
    };
}

pub(crate) use {due_columns, select_supply, supply_columns};

/// Reads [`supply_columns`] and [`due_columns`].
pub(crate) fn supply(row: &Row) -> Result<Supply, Failure> {
    let (tally, next_index) = (counters(row)?, count(row, "next_index")?);
    Ok(Supply {
        state: parsed(row, "state")?,
        start: start(row)?,
        fresh: count(row, "total")?.saturating_sub(next_index),
        due: count(row, "due")?,
        suspects: count(row, "suspects")?,
        next_due: get(row, "next_due")?,
        in_flight: tally.in_flight(next_index),
        suspects_in_flight: count(row, "suspects_in_flight")?,
        concurrency: limit(row, "concurrency")?,
        canary_left: canary_left(row, next_index)?,
        rate_per_s: get(row, "rate_per_s")?,
        bucket: bucket(row)?,
    })
}

/// As [`canary_left`](flotilla_core::record::BatchRecord::canary_left) of the record, without reading all of it.
fn canary_left(row: &Row, next_index: u32) -> Result<Option<u32>, Failure> {
    let Some(canary) = limit(row, "canary")? else {
        return Ok(None);
    };
    let control: Control = value(row, "control")?;
    Ok((!control.approved).then(|| canary.saturating_sub(next_index)))
}

/// Reads `tokens` and `refilled_at`.
pub(super) fn bucket(row: &Row) -> Result<Bucket, Failure> {
    let tokens: Option<f64> = get(row, "tokens")?;
    Ok(Bucket {
        tokens: tokens.unwrap_or(0.0),
        at: get(row, "refilled_at")?,
    })
}
