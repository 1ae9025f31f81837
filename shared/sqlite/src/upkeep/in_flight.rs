//! What messages stand for.

use std::collections::HashMap;

use flotilla_core::ids::{BatchId, ItemIndex};
use flotilla_core::ports::store::{InFlight, Known, Sent};
use rusqlite::{Connection, Row};

use crate::error::Done;
use crate::keys::{Id, Number, index_of};
use crate::rows::{Claimed, Text};

/// Of every batch that is under way.
pub(super) fn list(db: &Connection, known: &[Known], limit: u32) -> Done<Vec<InFlight>> {
    let known: HashMap<BatchId, &Known> = known.iter().map(|known| (known.batch, known)).collect();
    let sql = "
        SELECT b.number, b.id, b.pool, d.next_index
        FROM batches AS b JOIN batch_dispatch AS d ON d.batch = b.number
        WHERE b.state IN ('pending', 'processing', 'paused') AND d.next_index > 0
        ORDER BY b.id";
    let mut statement = db.prepare_cached(sql)?;
    let under_way = statement.query_map((), |row| {
        let Text(pool) = row.get("pool")?;
        Ok((
            row.get::<_, Number>("number")?,
            row.get::<_, Id>("id")?.0,
            pool,
            row.get::<_, ItemIndex>("next_index")?,
        ))
    })?;
    let mut all = Vec::new();
    for batch in under_way {
        let (number, batch, pool, next_index) = batch?;
        let known = known.get(&batch);
        let from = known.map_or(0, |known| known.seen);
        let seen = next_index.min(from.saturating_add(limit));
        let mut items = Vec::new();
        for &index in known.into_iter().flat_map(|known| &known.items) {
            items.extend(once(db, number, index..index.saturating_add(1))?);
        }
        items.extend(once(db, number, from..seen)?);
        items.extend(again(db, number)?);
        let claimed = Claimed::load(db, number)?;
        for sent in &mut items {
            sent.claimed = claimed.contains(number.key(sent.index));
        }
        all.push(InFlight {
            batch,
            pool,
            seen,
            items,
        });
    }
    Ok(all)
}

/// Those in this stretch that went out once and of which nothing was heard.
fn once(db: &Connection, number: Number, stretch: std::ops::Range<ItemIndex>) -> Done<Vec<Sent>> {
    let sql = "
        SELECT i.key FROM batch_items AS i
        WHERE i.key >= ?1 AND i.key < ?2
          AND NOT EXISTS (SELECT 1 FROM batch_outcomes AS o WHERE o.key = i.key)
          AND NOT EXISTS (SELECT 1 FROM item_retries AS r WHERE r.key = i.key)
          AND NOT EXISTS (SELECT 1 FROM item_leases AS l WHERE l.key = i.key)";
    let mut statement = db.prepare_cached(sql)?;
    let stretch = (number.key(stretch.start), number.key(stretch.end));
    let found = statement.query_map(stretch, |row| {
        Ok(Sent {
            index: index_of(row.get(0)?),
            attempt: 1,
            resends: 0,
            first: true,
            isolated: false,
            claimed: false,
        })
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// Those that went out again.
fn again(db: &Connection, number: Number) -> Done<Vec<Sent>> {
    let sql = "
        SELECT r.key, r.attempt, r.resends, r.losses FROM item_retries AS r
        WHERE r.key >= ?1 AND r.key < ?2 AND r.due_at IS NULL
          AND NOT EXISTS (SELECT 1 FROM item_leases AS l WHERE l.key = r.key)";
    let mut statement = db.prepare_cached(sql)?;
    let read = |row: &Row<'_>| {
        Ok(Sent {
            index: index_of(row.get("key")?),
            attempt: row.get("attempt")?,
            resends: row.get("resends")?,
            first: false,
            isolated: row.get::<_, u16>("losses")? > 0,
            claimed: false,
        })
    };
    let found = statement.query_map((number.key(0), number.end()), read)?;
    Ok(found.collect::<Result<_, _>>()?)
}
