//! What publishers have in hand.

use std::collections::HashSet;
use std::ops::Range;

use rusqlite::Connection;

use crate::error::Done;
use crate::keys::Number;

/// The items of a batch that are under a claim.
pub(crate) struct Claimed {
    stretches: Vec<Range<i64>>,
    again: HashSet<i64>,
}

impl Claimed {
    /// Of this batch.
    pub(crate) fn load(db: &Connection, batch: Number) -> Done<Self> {
        let sql = "SELECT first_key, end_key, again FROM dispatch_claims WHERE batch = ?1";
        let mut statement = db.prepare_cached(sql)?;
        let mut rows = statement.query([batch])?;
        let (mut stretches, mut again) = (Vec::new(), HashSet::new());
        while let Some(row) = rows.next()? {
            stretches.push(row.get(0)?..row.get(1)?);
            let keys: Vec<i64> = serde_json::from_str(&row.get::<_, String>(2)?)?;
            again.extend(keys);
        }
        Ok(Self { stretches, again })
    }

    /// True where the item at `key` is.
    pub(crate) fn contains(&self, key: i64) -> bool {
        self.again.contains(&key) || self.stretches.iter().any(|stretch| stretch.contains(&key))
    }
}
