//! The ended items of a batch that somebody means.

use flotilla_core::command::Selection;
use flotilla_core::item::ItemState;
use flotilla_core::tally::Ended;
use rusqlite::{Connection, Row, ToSql};

use crate::error::Done;
use crate::keys::unsigned;
use crate::rows::{BatchRow, Text};

/// A selection as SQL: a condition over `batch_outcomes AS o`, and its parameters.
pub(super) struct Selected {
    /// What must be true besides the state and the batch.
    rest: String,
    states: Vec<ItemState>,
    first: i64,
    end: i64,
    fingerprint: Option<String>,
    /// A JSON array.
    keys: Option<String>,
}

impl Selected {
    /// What `selection` means in `batch`.
    pub(super) fn new(batch: &BatchRow, selection: &Selection) -> Done<Self> {
        let mut states = selection.states.clone();
        if states.is_empty() {
            states.push(ItemState::Failed);
        }
        // Only what has ended has an outcome.
        states.retain(|state| state.is_terminal());
        states.sort_unstable_by_key(|state| state.as_str());
        states.dedup();
        let keys = selection.indices.as_ref().map(|indices| {
            let keys: Vec<i64> = indices.iter().map(|&index| batch.number.key(index)).collect();
            serde_json::to_string(&keys)
        });
        Ok(Self {
            rest: rest(selection),
            states,
            first: batch.number.key(0),
            end: batch.number.end(),
            fingerprint: selection.fingerprint.clone(),
            keys: keys.transpose()?,
        })
    }

    /// The states that are meant.
    pub(super) fn states(&self) -> &[ItemState] {
        &self.states
    }

    /// How many there are.
    pub(super) fn count(&self, db: &Connection) -> Done<u32> {
        let mut items = 0;
        for &state in &self.states {
            let those = those(state, &self.rest);
            let sql = format!("SELECT count(*) FROM batch_outcomes AS o WHERE {those}");
            let found: u32 = db
                .prepare_cached(&sql)?
                .query_row(&*self.values(&self.first), |row| row.get(0))?;
            items += found;
        }
        Ok(items)
    }

    /// The next ones in `state`, after the key `after` where there is one, with their keys.
    pub(super) fn next(
        &self,
        db: &Connection,
        state: ItemState,
        after: Option<i64>,
        limit: u32,
    ) -> Done<Vec<(i64, Ended)>> {
        let from = after.map_or(self.first, |after| after + 1);
        let mut values = self.values(&from);
        values.push((":limit", &limit));
        let mut statement = db.prepare_cached(&next(state, &self.rest))?;
        let found = statement.query_map(&*values, ended)?;
        Ok(found.collect::<Result<_, _>>()?)
    }

    fn values<'a>(&'a self, from: &'a i64) -> Vec<(&'static str, &'a dyn ToSql)> {
        let mut values: Vec<(&'static str, &dyn ToSql)> = vec![(":from", from), (":end", &self.end)];
        if let Some(fingerprint) = &self.fingerprint {
            values.push((":fingerprint", fingerprint));
        }
        if let Some(keys) = &self.keys {
            values.push((":keys", keys));
        }
        values
    }
}

fn rest(selection: &Selection) -> String {
    let mut rest = String::new();
    if selection.fingerprint.is_some() {
        rest += " AND o.fingerprint = :fingerprint";
    }
    if selection.indices.is_some() {
        rest += " AND o.key IN (SELECT value FROM json_each(:keys))";
    }
    if selection.dead {
        rest += " AND EXISTS (SELECT 1 FROM dead_letters AS d WHERE d.key = o.key)";
    }
    rest
}

/// There is an index of what did not succeed.
fn those(state: ItemState, rest: &str) -> String {
    let indexed = match state {
        ItemState::Succeeded => "",
        _ => " AND o.state <> 'succeeded'",
    };
    format!("o.state = '{state}'{indexed} AND o.key >= :from AND o.key < :end{rest}")
}

fn next(state: ItemState, rest: &str) -> String {
    format!(
        "SELECT o.key, o.state, o.attempt, o.duration_us, o.worker IS NOT NULL AS ran
         FROM batch_outcomes AS o WHERE {} ORDER BY o.key LIMIT :limit",
        those(state, rest)
    )
}

fn ended(row: &Row<'_>) -> rusqlite::Result<(i64, Ended)> {
    let ended = Ended {
        state: row.get::<_, Text<_>>("state")?.0,
        attempt: row.get("attempt")?,
        duration_us: unsigned(row.get("duration_us")?),
        ran: row.get("ran")?,
    };
    Ok((row.get("key")?, ended))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plans::{assert_direct, plan};

    #[test]
    fn no_chunk_scans_a_table() {
        let selections = [
            Selection::default(),
            Selection {
                fingerprint: Some("abc".into()),
                dead: true,
                ..Selection::default()
            },
            Selection {
                indices: Some(vec![1]),
                ..Selection::default()
            },
        ];
        for rest in selections.iter().map(rest) {
            for state in ItemState::ALL.into_iter().filter(|state| state.is_terminal()) {
                assert_direct(&next(state, &rest));
            }
            let failed = plan(&next(ItemState::Failed, &rest));
            assert!(failed[0].contains("batch_outcomes_unsuccessful"), "{failed:?}");
        }
    }
}
