//! The names of the columns.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use csv::StringRecord;

use crate::problem::{Kind, Problem};

/// The names of the columns, each of them once.
pub(super) struct Columns {
    names: Vec<String>,
    places: HashMap<String, usize>,
}

impl Columns {
    /// Reads the first record, which is on `line`.
    ///
    /// # Errors
    /// Where two columns have one name, or a name is none.
    pub(super) fn new(record: &StringRecord, line: u64) -> Result<Self, Problem> {
        let invalid = |column: usize, detail: String| {
            Problem::new(Kind::InvalidCsv, detail)
                .with("line", line)
                .with("column", column)
        };
        let mut places = HashMap::with_capacity(record.len());
        for (index, name) in record.iter().enumerate() {
            let column = index + 1;
            if name.contains('\0') {
                let detail = format!(
                    "the name of column {column} has a zero byte in it; if this is UTF-16, declare it: charset=utf-16le"
                );
                return Err(invalid(column, detail));
            }
            match places.entry(name.to_owned()) {
                Entry::Vacant(place) => place.insert(index),
                Entry::Occupied(first) => {
                    let (first, name) = (first.get() + 1, name.chars().take(80).collect::<String>());
                    let detail = format!("columns {first} and {column} have the same name {name:?}");
                    return Err(invalid(column, detail));
                }
            };
        }
        let names = record.iter().map(str::to_owned).collect();
        Ok(Self { names, places })
    }

    /// In their order.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// The place of the column of this name.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }
}
