//! `text/csv`: a row with names, then one item per row: an object with a text for every name.

mod rows;

use std::io::Read;

use csv::ByteRecord;
use flotilla_core::Json;
use serde::{Serialize, Serializer};

use self::rows::Rows;
use super::{Chunker, Options};
use crate::problem::{Kind, Problem};

/// Reads a whole body.
pub(crate) fn parse(body: impl Read, options: &Options, chunker: &mut Chunker<'_>) -> Result<(), Problem> {
    let mut rows = Rows::new(body, chunker.max_item_bytes());
    let mut record = ByteRecord::new();
    if !rows.next(&mut record, chunker)? {
        return Err(Problem::new(
            Kind::InvalidCsv,
            "the body is empty; the first row must have the names of the columns",
        )
        .with("line", 1));
    }
    let names = Names::new(&record)?;
    while rows.next(&mut record, chunker)? {
        let line = u32::try_from(rows.line_of(&record)).unwrap_or(u32::MAX);
        match names.item(&record, chunker) {
            Ok(item) => chunker.push(item, Some(line), options),
            Err(problem) => {
                let problem = problem.with("line", line);
                chunker.malformed(problem, Some(line), record.as_slice(), options)
            }
        }
        .map_err(|problem| match problem.member("line") {
            Some(_) => problem,
            None => problem.with("line", line),
        })?;
    }
    Ok(())
}

/// The names of the columns.
struct Names(Vec<String>);

impl Names {
    fn new(record: &ByteRecord) -> Result<Self, Problem> {
        let invalid = |detail: String| Problem::new(Kind::InvalidCsv, detail).with("line", 1);
        let mut names: Vec<String> = Vec::with_capacity(record.len());
        for (column, name) in record.iter().enumerate() {
            let column = column + 1;
            let name = str::from_utf8(name).map_err(|_| {
                invalid(format!("the name of column {column} is not UTF-8")).with("column", column)
            })?;
            if let Some(first) = names.iter().position(|other| other == name) {
                let detail = format!("columns {} and {column} have the same name {name:?}", first + 1);
                return Err(invalid(detail).with("column", column));
            }
            names.push(name.to_owned());
        }
        Ok(Self(names))
    }

    fn item(&self, record: &ByteRecord, chunker: &Chunker<'_>) -> Result<Json, Problem> {
        let index = chunker.position();
        let invalid = |detail: String| {
            Problem::new(Kind::InvalidCsv, format!("item {index}: {detail}")).with("item", index)
        };
        let (expected, found) = (self.0.len(), record.len());
        if expected != found {
            let detail = format!("the row has {found} fields, but there are {expected} columns");
            return Err(invalid(detail).with("expected", expected).with("found", found));
        }
        let fields: Result<Vec<&str>, usize> = record
            .iter()
            .enumerate()
            .map(|(column, field)| str::from_utf8(field).map_err(|_| column + 1))
            .collect();
        let fields = fields.map_err(|column| {
            invalid(format!("the field in column {column} is not UTF-8")).with("column", column)
        })?;
        let row = Row {
            names: &self.0,
            fields: &fields,
        };
        Json::of(&row).map_err(|error| invalid(error.to_string()))
    }
}

struct Row<'a> {
    names: &'a [String],
    fields: &'a [&'a str],
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.names.iter().zip(self.fields))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::super::chunk::tests::items_of;
    use super::super::options::tests::options;

    fn problem(body: &[u8]) -> String {
        format!("{:?}", items_of(Format::Csv, body, options(), 5).unwrap_err())
    }

    #[test]
    fn rows_are_items() {
        let body = "\u{feff}custom_id,path\r\na,\"x \"\"y\"\"\nz\"\n\n,b.png";
        let (items, _) = items_of(Format::Csv, body.as_bytes(), options(), 1).unwrap();
        let inputs: Vec<_> = items.iter().map(|item| item.input.as_str()).collect();
        assert_eq!(
            inputs,
            [
                r#"{"custom_id":"a","path":"x \"y\"\nz"}"#,
                r#"{"custom_id":"","path":"b.png"}"#
            ]
        );
        assert_eq!(items[0].custom_id.as_deref(), Some("a"));
        assert_eq!(items[1].custom_id.as_deref(), None);
    }

    #[test]
    fn what_is_wrong_is_located() {
        for (body, parts) in [
            (
                &b"a,b\n1,2\n3\n"[..],
                &["InvalidCsv", "item 1", "1 fields", "\"line\": Number(3)"][..],
            ),
            (
                b"a,b\n1,2,3\n",
                &["3 fields, but there are 2 columns", "\"item\": Number(0)"],
            ),
            (
                b"a,b,a\n1,2,3\n",
                &["columns 1 and 3 have the same name", "\"line\": Number(1)"],
            ),
            (
                b"a,b\n1,\xff\n",
                &["column 2 is not UTF-8", "\"line\": Number(2)"],
            ),
            (b"", &["the body is empty"]),
        ] {
            let problem = problem(body);
            assert!(parts.iter().all(|part| problem.contains(part)), "{problem}");
        }
    }

    #[test]
    fn lines_are_counted_as_an_editor_counts_them() {
        for end in ["\n", "\r\n"] {
            for step in [1, 7, usize::MAX] {
                let rows = ["a,b", "1,2", "", "", "3,\"x\n\ny\"", "4,5", "6"];
                let body = rows.join(end);
                for body in [body.clone(), body + end] {
                    let problem = items_of(Format::Csv, body.as_bytes(), options(), step).unwrap_err();
                    assert!(
                        format!("{problem:?}").contains("\"line\": Number(9)"),
                        "{body:?} {step}: {problem:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn an_endless_field_is_cut_off() {
        let mut body = b"a\n1\n\"".to_vec();
        body.resize(1_000_000, b'x');
        let text = problem(&body);
        assert!(
            text.contains("ItemTooLarge") && text.contains("\"item\": Number(1)"),
            "{text}"
        );
    }
}
