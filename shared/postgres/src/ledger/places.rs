//! Where items are, out of what is known of them.

use std::collections::HashMap;

use deadpool_postgres::Transaction;
use flotilla_core::batch::BatchSpec;
use flotilla_core::place::{Lease, Place, Whereabouts};
use flotilla_core::record::BatchRecord;
use flotilla_core::{BatchId, ItemIndex};
use jiff::Timestamp;
use tokio_postgres::{Row, Statement};
use uuid::Uuid;

use crate::error::Failure;
use crate::rows::{batch_id, count, get, unsigned, worker};

/// What is known of items: `$1`: batches, `$2`: indexes. Most items were dispatched once, and nothing else: they have no
/// row in the answer.
///
/// LIMIT makes each join a look-up by key, whatever the planner thinks of the tables.
pub(crate) const SELECT: &str = include_str!("places.sql");

/// What is known of an item beside that it was dispatched.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    /// Which attempt its outcome is of.
    settled: Option<u16>,
    retry: Option<Retry>,
    lease: Option<(Whereabouts, Lease)>,
}

#[derive(Debug, Clone, Copy)]
struct Retry {
    attempt: u16,
    last_attempt: Option<u16>,
    losses: u16,
    /// Retrying or returned, where it is due.
    due: Option<Whereabouts>,
}

/// What is known of the items that a statement asked about.
pub(crate) type AllKnown = HashMap<(BatchId, ItemIndex), Known>;

/// Asks about items.
pub(crate) async fn load(
    transaction: &Transaction<'_>,
    statement: &Statement,
    batches: &[Uuid],
    indexes: &[i32],
) -> Result<AllKnown, Failure> {
    let rows = transaction.query(statement, &[&batches, &indexes]).await?;
    rows.iter()
        .map(|row| {
            Ok((
                (batch_id(row, "batch_id")?, count(row, "index")?),
                Known::read(row)?,
            ))
        })
        .collect()
}

impl Known {
    /// Reads a row of [`SELECT`].
    pub(crate) fn read(row: &Row) -> Result<Self, Failure> {
        let settled: Option<i32> = get(row, "settled")?;
        let settled = settled.map(|attempt| unsigned("settled", attempt)).transpose()?;
        Ok(Self {
            settled,
            retry: retry(row)?,
            lease: lease(row)?,
        })
    }

    /// True where it has a row in `item_retries`.
    pub(crate) fn has_retry(&self) -> bool {
        self.retry.is_some()
    }

    /// Its lease, where it has one.
    pub(crate) fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref().map(|(_, lease)| lease)
    }

    /// Where an item is that was dispatched.
    fn place(&self, spec: &BatchSpec) -> Place {
        let mut place = Place::dispatched(spec);
        if let Some(retry) = self.retry {
            place.attempt = retry.attempt;
            place.last_attempt = retry.last_attempt.unwrap_or(spec.max_attempts);
            place.losses = retry.losses;
        }
        if let Some(attempt) = self.settled {
            place.attempt = attempt;
            place.at = Whereabouts::Settled;
        } else if let Some(due) = self.retry.and_then(|retry| retry.due) {
            place.at = due;
        } else if let Some((at, _)) = &self.lease {
            place.at = *at;
        }
        place
    }
}

/// Where an item of `record` is; none where it has no such item.
pub(crate) fn place(record: &BatchRecord, index: ItemIndex, known: Option<&Known>) -> Option<Place> {
    if index >= record.total {
        return None;
    }
    let place = known.map_or_else(
        || Place::dispatched(&record.spec),
        |known| known.place(&record.spec),
    );
    let never_dispatched = index >= record.next_index && place.at == Whereabouts::Dispatched;
    Some(Place {
        at: if never_dispatched {
            Whereabouts::Pending
        } else {
            place.at
        },
        ..place
    })
}

fn retry(row: &Row) -> Result<Option<Retry>, Failure> {
    let Some(attempt) = get::<Option<i32>>(row, "attempt")? else {
        return Ok(None);
    };
    let last_attempt: Option<i32> = get(row, "last_attempt")?;
    Ok(Some(Retry {
        attempt: unsigned("attempt", attempt)?,
        last_attempt: last_attempt
            .map(|attempt| unsigned("last_attempt", attempt))
            .transpose()?,
        losses: unsigned("losses", get::<i32>(row, "losses")?)?,
        due: if get::<bool>(row, "due")? {
            Some(due(get(row, "kind")?))
        } else {
            None
        },
    }))
}

/// The whereabouts that a kind of row in `item_retries` stands for while it is due.
pub(crate) fn due(kind: &str) -> Whereabouts {
    match kind {
        "returned" => Whereabouts::Returned,
        _ => Whereabouts::Retrying,
    }
}

fn lease(row: &Row) -> Result<Option<(Whereabouts, Lease)>, Failure> {
    let Some(until) = get::<Option<Timestamp>>(row, "until")? else {
        return Ok(None);
    };
    let progress: Option<i16> = get(row, "progress")?;
    let lease = Lease {
        until,
        progress: progress
            .map(|percent| unsigned("progress", percent))
            .transpose()?,
        message: get(row, "message")?,
        worker: worker(row)?,
    };
    Ok(Some((leased(get(row, "lease_kind")?), lease)))
}

/// The whereabouts that a kind of lease stands for.
pub(crate) fn leased(kind: &str) -> Whereabouts {
    match kind {
        "waiting" => Whereabouts::Waiting,
        _ => Whereabouts::Leased,
    }
}
