//! The time that items have without a delivery standing for them.

use flotilla_core::ids::WorkerId;
use flotilla_core::place::{Lease, Whereabouts};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, named_params};

use crate::error::Done;
use crate::keys::Micros;

/// The whereabouts of an item with a lease of this kind.
pub(super) fn at(kind: &str) -> Whereabouts {
    if kind == "waiting" {
        Whereabouts::Waiting
    } else {
        Whereabouts::Leased
    }
}

/// Gives the item at `key` a lease, or renews the one that it has. A renewal that says nothing of how far the item is
/// leaves what was said before.
pub(crate) fn save(
    db: &Connection,
    key: i64,
    attempt: u16,
    at: Whereabouts,
    lease: &Lease,
    now: Timestamp,
) -> Done<()> {
    let sql = "
        INSERT INTO item_leases (key, kind, attempt, since, until, progress, message, worker)
        VALUES (:key, :kind, :attempt, :now, :until, :progress, :message, :worker)
        ON CONFLICT (key) DO UPDATE
        SET kind = excluded.kind, attempt = excluded.attempt, until = excluded.until,
            since = CASE WHEN attempt = excluded.attempt THEN since ELSE excluded.since END,
            progress = coalesce(excluded.progress, progress), message = coalesce(excluded.message, message),
            worker = excluded.worker";
    db.prepare_cached(sql)?.execute(named_params! {
        ":key": key,
        ":kind": if at == Whereabouts::Waiting { "waiting" } else { "leased" },
        ":attempt": attempt,
        ":now": Micros(now),
        ":until": Micros(lease.until),
        ":progress": lease.progress,
        ":message": lease.message,
        ":worker": lease.worker.as_ref().map(|worker| &*worker.0),
    })?;
    Ok(())
}

/// Ends the lease of the item at `key`.
pub(crate) fn end(db: &Connection, key: i64) -> Done<()> {
    db.prepare_cached("DELETE FROM item_leases WHERE key = ?1")?
        .execute([key])?;
    Ok(())
}

/// The lease of the item at `key`, and since when it has one.
pub(crate) fn of(db: &Connection, key: i64) -> Done<Option<(Lease, Timestamp)>> {
    let sql = "SELECT since, until, progress, message, worker FROM item_leases WHERE key = ?1";
    Ok(db.prepare_cached(sql)?.query_row([key], read).optional()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<(Lease, Timestamp)> {
    let worker: Option<String> = row.get("worker")?;
    let lease = Lease {
        until: row.get::<_, Micros>("until")?.0,
        progress: row.get("progress")?,
        message: row.get("message")?,
        worker: worker.map(|worker| WorkerId(worker.into())),
    };
    Ok((lease, row.get::<_, Micros>("since")?.0))
}
