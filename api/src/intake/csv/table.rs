//! Rows as items.

use csv::StringRecord;
use flotilla_core::Json;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value as Schema;

use super::super::Chunker;
use super::columns::Columns;
use super::mapping::{Mapping, Source};
use super::types::{Types, Value};
use crate::problem::{Kind, Problem};

/// What the rows of a table become.
pub(super) struct Table {
    columns: usize,
    fields: Vec<Field>,
    types: Types,
    /// Fields may be longer than their row.
    is_mapped: bool,
}

struct Field {
    name: String,
    source: Source,
    /// What a template says of the row at hand.
    written: String,
}

impl Table {
    /// Decides what becomes of each column.
    ///
    /// # Errors
    /// Where the mapping does not go with these columns.
    pub(super) fn new(
        columns: &Columns,
        mapping: &Mapping,
        schema: Option<&Schema>,
    ) -> Result<Self, Problem> {
        let (names, sources): (Vec<String>, Vec<Source>) = mapping.fields(columns)?.into_iter().unzip();
        let types = Types::of(schema, &names);
        let fields = names.into_iter().zip(sources).map(|(name, source)| Field {
            name,
            source,
            written: String::new(),
        });
        Ok(Self {
            columns: columns.names().len(),
            fields: fields.collect(),
            types,
            is_mapped: !mapping.is_empty(),
        })
    }

    /// The item that a row is.
    ///
    /// # Errors
    /// Where it has too few or too many fields, or is too long.
    pub(super) fn item(&mut self, record: &StringRecord, chunker: &Chunker<'_>) -> Result<Json, Problem> {
        let (expected, found) = (self.columns, record.len());
        if expected != found {
            let detail = format!("the row has {found} fields, but there are {expected} columns");
            return Err(invalid(chunker, &detail)
                .with("expected", expected)
                .with("found", found));
        }
        if self.is_mapped {
            self.write_templates(record, chunker)?;
        }
        let row = Row { table: self, record };
        Json::of(&row).map_err(|error| invalid(chunker, &error.to_string()))
    }

    /// A short row and a mapping can make a long item, so its length is looked at before it is written. Texts are no longer
    /// than their JSON, except for the blanks around a number.
    fn write_templates(&mut self, record: &StringRecord, chunker: &Chunker<'_>) -> Result<(), Problem> {
        let length: usize = self.fields.iter().map(|field| field.source.len(record)).sum();
        if length > 2 * chunker.max_item_bytes() {
            return Err(chunker.too_large());
        }
        for field in &mut self.fields {
            if let Source::Template(template) = &field.source {
                template.write(record, &mut field.written);
            }
        }
        Ok(())
    }
}

/// Something is wrong with the item that comes next.
pub(super) fn invalid(chunker: &Chunker<'_>, detail: &str) -> Problem {
    let index = chunker.position();
    Problem::new(Kind::InvalidCsv, format!("item {index}: {detail}")).with("item", index)
}

struct Row<'a> {
    table: &'a Table,
    record: &'a StringRecord,
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut item = serializer.serialize_map(None)?;
        for (index, field) in self.table.fields.iter().enumerate() {
            let text = match &field.source {
                Source::Column(column) => &self.record[*column],
                Source::Template(_) => &field.written,
            };
            match self.table.types.value(index, text) {
                Value::Text(text) => item.serialize_entry(&field.name, text)?,
                Value::Json(json) => item.serialize_entry(&field.name, json)?,
                Value::Bool(bool) => item.serialize_entry(&field.name, &bool)?,
                Value::Null => item.serialize_entry(&field.name, &())?,
                Value::Absent => {}
            }
        }
        item.end()
    }
}
