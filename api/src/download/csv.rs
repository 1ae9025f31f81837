//! Items as a table that a spreadsheet opens.
//!
//! The columns are known before the rows are read: those of an item, those of the first items' inputs and outputs, and
//! `rest`, which has as JSON whatever has no column, so that nothing is lost where items differ.

use std::collections::{BTreeMap, HashMap};

use csv::{QuoteStyle, Terminator, WriterBuilder};
use flotilla_core::Error;
use serde_json::{Map, Value};

use crate::views::ItemView;

/// Columns of inputs and outputs, at most: spreadsheets end at 16,384.
const MOST_COLUMNS: usize = 1_000;
/// What has no column of its own.
const REST: &str = "rest";
/// The columns that every item has, as the API names them.
const OWN: [&str; 9] = [
    "index",
    "custom_id",
    "state",
    "attempts",
    "started_at",
    "finished_at",
    "duration_ms",
    "error.kind",
    "error.message",
];

/// The layout of a table.
#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<String>,
    /// Where each of them is.
    places: HashMap<String, usize>,
}

impl Table {
    /// A table for items like these.
    pub(super) fn of(items: &[ItemView]) -> Self {
        let own = OWN.map(str::to_owned);
        let mut columns: Vec<String> = own.into();
        let mut places: HashMap<String, usize> = columns.iter().cloned().zip(0..).collect();
        // Inputs first, then outputs.
        let cells: Vec<Cells> = items.iter().filter_map(|item| cells(item).ok()).collect();
        for prefix in ["input", "output"] {
            let named = cells.iter().flatten().map(|(name, _)| name);
            for name in named.filter(|name| name.split('.').next() == Some(prefix)) {
                if columns.len() < OWN.len() + MOST_COLUMNS && !places.contains_key(name) {
                    places.insert(name.clone(), columns.len());
                    columns.push(name.clone());
                }
            }
        }
        columns.push(REST.to_owned());
        Self { columns, places }
    }

    /// The names of the columns.
    pub(super) fn header(&self) -> Result<Vec<u8>, Error> {
        let names = self.columns.iter().map(|name| defused(name));
        written([names.collect()])
    }

    /// A row for each item.
    pub(super) fn rows(&self, items: &[ItemView]) -> Result<Vec<u8>, Error> {
        let rows: Result<Vec<_>, Error> = items.iter().map(|item| self.row(item)).collect();
        written(rows?)
    }

    fn row(&self, item: &ItemView) -> Result<Vec<String>, Error> {
        let mut row = vec![String::new(); self.columns.len()];
        let mut rest: BTreeMap<String, Value> = BTreeMap::new();
        for (name, value) in cells(item)? {
            match self.places.get(&name) {
                // Two paths may have one name: a dot may be part of a name.
                Some(&place) if row[place].is_empty() => row[place] = text(&value),
                _ => {
                    rest.insert(name, value);
                }
            }
        }
        if let (false, Some(last)) = (rest.is_empty(), row.last_mut()) {
            *last = serde_json::to_string(&rest).map_err(no_form)?;
        }
        Ok(row)
    }
}

type Cells = Vec<(String, Value)>;

/// Everything in an item by the path to it: `output.address.city`. Lists are one cell.
fn cells(item: &ItemView) -> Result<Cells, Error> {
    let mut cells = Vec::new();
    let item = serde_json::to_value(item).map_err(no_form)?;
    if let Value::Object(fields) = item {
        flatten(None, fields, &mut cells);
    }
    Ok(cells)
}

fn flatten(path: Option<&str>, fields: Map<String, Value>, cells: &mut Cells) {
    for (name, value) in fields {
        let path = path.map_or_else(|| name.clone(), |path| format!("{path}.{name}"));
        match value {
            Value::Object(fields) if !fields.is_empty() => flatten(Some(&path), fields, cells),
            Value::Null => {}
            value => cells.push((path, value)),
        }
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => defused(text),
        value => value.to_string(),
    }
}

/// Text that a spreadsheet would take for a formula, with an apostrophe that makes it text again. Numbers are none: they
/// come as numbers. See OWASP on CSV injection.
pub(super) fn defused(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

/// RFC 4180.
fn written(rows: impl IntoIterator<Item = Vec<String>>) -> Result<Vec<u8>, Error> {
    let mut writer = WriterBuilder::new()
        .quote_style(QuoteStyle::Necessary)
        .terminator(Terminator::CRLF)
        .from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).map_err(no_form)?;
    }
    writer
        .into_inner()
        .map_err(|error| Error::corrupt("an item", "it has no row").because(error.into_error()))
}

fn no_form(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::corrupt("an item", "it has no row").because(error)
}

#[cfg(test)]
mod tests {
    use flotilla_core::item::{Item, ItemState};
    use flotilla_core::item_line::ItemLine;

    use super::*;
    use flotilla_core::artifact::Owner;
    use flotilla_core::{BatchId, Json, Space};

    fn item(input: &str, output: &str) -> ItemView {
        let json = |text: &str| Json::parse(text).unwrap();
        let item = Item {
            index: 3,
            custom_id: Some("=1+1".into()),
            state: ItemState::Succeeded,
            attempts: 1,
            input: json(input),
            output: None,
            error: None,
            artifacts: Vec::new(),
            artifacts_left_out: false,
            started_at: None,
            finished_at: None,
            duration_us: Some(1_500),
        };
        let owner = Owner {
            space: Space::default(),
            batch: BatchId(uuid::Uuid::nil()),
        };
        ItemView(ItemLine::new(item, &owner, Ok(Some(json(output)))))
    }

    fn lines(table: &Table, items: &[ItemView]) -> Vec<String> {
        let text = [table.header().unwrap(), table.rows(items).unwrap()].concat();
        let text = String::from_utf8(text).unwrap();
        text.split_terminator("\r\n").map(str::to_owned).collect()
    }

    #[test]
    fn what_is_nested_becomes_columns() {
        let items = vec![item(
            r#"{"name": "Ada", "tags": [1, 2], "none": null}"#,
            r#"{"a": {"b": true, "c": "x, \"y\""}}"#,
        )];
        let table = Table::of(&items);
        assert_eq!(
            lines(&table, &items),
            [
                "index,custom_id,state,attempts,started_at,finished_at,duration_ms,error.kind,error.message,\
                 input.name,input.tags,output.a.b,output.a.c,rest",
                r#"3,'=1+1,succeeded,1,,,1.5,,,Ada,"[1,2]",true,"x, ""y""","#,
            ]
        );
    }

    #[test]
    fn what_has_no_column_is_not_lost() {
        let table = Table::of(&[item("1", r#""text""#)]);
        let later = item(r#"{"new": 5}"#, r#"{"b": "=A1", "a": {}}"#);
        let lines = lines(&table, &[later]);
        assert!(
            lines[0].ends_with("error.message,input,output,rest"),
            "{}",
            lines[0]
        );
        let rest = r#"{""input.new"":5,""output.a"":{},""output.b"":""=A1""}"#;
        assert!(lines[1].ends_with(&format!(",,,\"{rest}\"")), "{}", lines[1]);
    }

    #[test]
    fn no_cell_is_a_formula() {
        for (text, expected) in [
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\tx", "'\tx"),
            ("a=1", "a=1"),
            ("", ""),
        ] {
            assert_eq!(defused(text), expected);
        }
        assert_eq!(text(&serde_json::json!(-1.5)), "-1.5", "a number is a number");
    }

    #[test]
    fn columns_have_a_limit() {
        let wide: Map<String, Value> = (0..3_000).map(|n| (format!("c{n}"), n.into())).collect();
        let wide = serde_json::to_string(&wide).unwrap();
        let table = Table::of(&[item(&wide, "null")]);
        assert_eq!(table.columns.len(), OWN.len() + MOST_COLUMNS + 1);
        let row = table.row(&item(&wide, "null")).unwrap();
        let rest: Map<String, Value> = serde_json::from_str(row.last().unwrap()).unwrap();
        assert_eq!(rest.len(), 2_000);
    }
}
