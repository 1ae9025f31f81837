//! Which dead letters somebody means.

use flotilla_core::dead_letter::DeadFilter;
use flotilla_core::ids::{BatchId, Space};
use rusqlite::{Connection, OptionalExtension, ToSql};

use crate::error::Done;
use crate::keys::{Id, Number};

/// In this order they are listed: each of the two indexes has it.
pub(super) const ORDER: &str = "ORDER BY d.id DESC, d.key";

/// A filter as SQL. What is being removed is not found.
pub(super) struct Filter {
    /// `FROM dead_letters AS d … WHERE …`
    pub(super) from: String,
    values: Vec<(&'static str, Box<dyn ToSql>)>,
}

impl Filter {
    /// What `filter` means in `space`. `None` where it can't mean anything: there is no such batch.
    pub(super) fn new(db: &Connection, space: &Space, filter: &DeadFilter) -> Done<Option<Self>> {
        // CROSS JOIN keeps the order of the tables.
        let from = "
            FROM dead_letters AS d
            CROSS JOIN batches AS b ON b.number = d.key >> 32 AND b.deleted_at IS NULL
            WHERE d.space = :space";
        let mut all = Self {
            from: from.to_owned(),
            values: vec![(":space", Box::new(space.as_str().to_owned()))],
        };
        if let Some(batch) = filter.batch {
            let Some(number) = number(db, space, batch)? else {
                return Ok(None);
            };
            all.and("d.id = :batch", ":batch", Id(batch));
            if let Some(indices) = &filter.indices {
                let keys: Vec<i64> = indices.iter().map(|&index| number.key(index)).collect();
                let keys = serde_json::to_string(&keys)?;
                all.and("d.key IN (SELECT value FROM json_each(:keys))", ":keys", keys);
            }
        }
        if let Some(job_type) = &filter.job_type {
            all.and("d.job_type = :job_type", ":job_type", job_type.clone());
        }
        if let Some(fingerprint) = &filter.fingerprint {
            all.and(
                "d.fingerprint = :fingerprint",
                ":fingerprint",
                fingerprint.clone(),
            );
        }
        if let Some((batch, index)) = filter.after {
            all.and("d.id <= :after", ":after", Id(batch));
            let later = "(d.id < :after OR (d.key & 0xffffffff) > :after_index)";
            all.and(later, ":after_index", index);
        }
        Ok(Some(all))
    }

    fn and(&mut self, condition: &str, name: &'static str, value: impl ToSql + 'static) {
        self.from += " AND ";
        self.from += condition;
        self.values.push((name, Box::new(value)));
    }

    /// The parameters, with one more.
    pub(super) fn values<'a>(&'a self, name: &'a str, value: &'a dyn ToSql) -> Vec<(&'a str, &'a dyn ToSql)> {
        let own = self.values.iter().map(|(name, value)| (*name, &**value));
        own.chain([(name, value)]).collect()
    }
}

fn number(db: &Connection, space: &Space, id: BatchId) -> Done<Option<Number>> {
    let sql = "SELECT number FROM batches WHERE space = ?1 AND id = ?2 AND deleted_at IS NULL";
    Ok(db
        .prepare_cached(sql)?
        .query_row((space.as_str(), Id(id)), |row| row.get(0))
        .optional()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plans::assert_direct;

    fn page(filter: &DeadFilter) -> String {
        let mut db = Connection::open_in_memory().unwrap();
        crate::migrate::run(&mut db).unwrap();
        let filter = Filter::new(&db, &Space::default(), filter).unwrap().unwrap();
        format!("SELECT d.* {} {ORDER} LIMIT :limit", filter.from)
    }

    /// A page of a space costs no more because of other spaces and other batches.
    #[test]
    fn no_page_scans_a_table() {
        for after in [None, Some((BatchId(uuid::Uuid::nil()), 7))] {
            for fingerprint in [None, Some("abc".to_owned())] {
                assert_direct(&page(&DeadFilter {
                    after,
                    fingerprint,
                    ..DeadFilter::default()
                }));
            }
        }
    }
}
