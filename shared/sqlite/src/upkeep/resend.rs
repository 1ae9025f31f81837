//! Sends again what was lost on the way.

use flotilla_core::ids::BatchId;
use flotilla_core::ports::store::Resend;
use rusqlite::{Connection, named_params};

use crate::error::Done;
use crate::keys::Micros;
use crate::rows::{BatchRow, Claimed};

/// Went out once, and nothing was heard of it.
const ONCE: &str = "
    INSERT INTO item_retries (key, batch, attempt, last_attempt, losses, kind, due_at, resends)
    SELECT i.key, :batch, :attempt, :last_attempt, 0, 'returned', :due_at, 1
    FROM batch_items AS i
    WHERE i.key = :key AND i.key < :next AND :resends = 0
      AND NOT EXISTS (SELECT 1 FROM batch_outcomes AS o WHERE o.key = i.key)
      AND NOT EXISTS (SELECT 1 FROM item_leases AS l WHERE l.key = i.key)
    ON CONFLICT (key) DO NOTHING";

/// Went out again.
const AGAIN: &str = "
    UPDATE item_retries SET due_at = :due_at, kind = 'returned', resends = min(resends + 1, 32767)
    WHERE key = :key AND batch = :batch AND attempt = :attempt AND resends = :resends AND due_at IS NULL
      AND :last_attempt IS NOT NULL AND key < :next
      AND NOT EXISTS (SELECT 1 FROM item_leases AS l WHERE l.key = item_retries.key)";

/// Makes items due that are in flight as they were listed.
pub(super) fn resend(db: &Connection, id: BatchId, lost: &[Resend]) -> Done<u32> {
    let Some(mut batch) = BatchRow::load(db, id)? else {
        return Ok(0);
    };
    let claimed = Claimed::load(db, batch.number)?;
    let mut resent = 0;
    for Resend { sent, due_at } in lost {
        let key = batch.number.key(sent.index);
        if claimed.contains(key) {
            continue;
        }
        let sql = if sent.first { ONCE } else { AGAIN };
        resent += db.prepare_cached(sql)?.execute(named_params! {
            ":batch": batch.number,
            ":key": key,
            ":next": batch.number.key(batch.record.next_index),
            ":attempt": sent.attempt,
            ":resends": sent.resends,
            ":last_attempt": batch.record.spec.max_attempts,
            ":due_at": Micros(*due_at),
        })?;
    }
    let resent = u32::try_from(resent).unwrap_or(u32::MAX);
    if resent > 0 {
        batch.record.tally.returned += resent;
        batch.record.tally.version += 1;
        batch.save_dispatch(db)?;
    }
    Ok(resent)
}
