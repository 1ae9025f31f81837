use std::io::{Error, Read};

use encoding_rs::{GB18030, SHIFT_JIS, WINDOWS_1252};
use flotilla_core::item::NewItem;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::super::Format;
use super::super::OnInvalid;
use super::super::chunk::tests::{LIMITS, items_of};
use super::super::options::tests::{options, with_types};
use super::super::schema::tests::typed;
use super::*;

fn problem(body: &[u8]) -> String {
    format!("{:?}", items_of(Format::Csv, body, options(), 5).unwrap_err())
}

/// The inputs of the items in `body`, which comes in pieces of `step` bytes.
fn read(body: &[u8], dialect: &Dialect, schema: Option<&Value>, step: usize) -> Result<Vec<String>, Problem> {
    let mut rest = body;
    let pieces = std::iter::from_fn(move || {
        let (piece, behind) = rest.split_at_checked(step).unwrap_or((rest, &[]));
        rest = behind;
        (!piece.is_empty()).then_some(piece)
    });
    let mut items = Vec::new();
    let mut emit = |chunk: super::super::Chunk| {
        items.extend(chunk.items);
        Ok(())
    };
    let options = match schema {
        Some(schema) => of_schema(schema),
        None => options(),
    };
    let mut chunker = Chunker::new(LIMITS, OnInvalid::Reject, &mut emit);
    let read = parse(Pieces(pieces, &[]), dialect, &options, &mut chunker);
    let rest = chunker.finish(read, &options)?;
    items.extend(rest.items);
    let input = |item: NewItem| item.input.into_string();
    Ok(items.into_iter().map(input).collect())
}

/// For a job type whose items look like this.
fn of_schema(schema: &Value) -> Options {
    let mut options = with_types(typed(&schema.to_string()));
    options.set_query("job_type=typed").unwrap();
    options
}

struct Pieces<'a, I>(I, &'a [u8]);

impl<'a, I: Iterator<Item = &'a [u8]>> Read for Pieces<'a, I> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Error> {
        if self.1.is_empty() {
            self.1 = self.0.next().unwrap_or_default();
        }
        self.1.read(buf)
    }
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
            b"\n\na,b,a\n1,2,3\n",
            &["columns 1 and 3 have the same name", "\"line\": Number(3)"],
        ),
        (
            b"a,b\n1,\xff\n",
            &[
                "item 0",
                "column 2 is not UTF-8",
                "charset=windows-1252",
                "\"line\": Number(2)",
                "\"column\": Number(2)",
            ],
        ),
        (
            b"a,gr\xf6\xdfe\n1,2\n",
            &["name of column 2 is not UTF-8", "charset=windows-1252"],
        ),
        (
            b"a\0,\0b\0\n\0",
            &["column 1 has a zero byte", "charset=utf-16le"],
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
                for body in [body.as_bytes().to_vec(), utf16(&body)] {
                    let problem = items_of(Format::Csv, &body, options(), step).unwrap_err();
                    assert!(
                        format!("{problem:?}").contains("\"line\": Number(9)"),
                        "{body:?} {step}: {problem:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn an_endless_field_is_cut_off() {
    for (start, item) in [("a\n1\n\"", 1), ("a;b\n1;\"", 0), ("\"", 0), ("\n\n\n\"a;", 0)] {
        let mut body = start.as_bytes().to_vec();
        body.resize(1_000_000, b'x');
        let text = problem(&body);
        assert!(
            text.contains("ItemTooLarge") && text.contains(&format!("\"item\": Number({item})")),
            "{text}"
        );
    }
}

#[test]
fn a_mapping_cannot_make_an_item_longer_than_it_may_be() {
    let body = format!("a\n{}\n", "x".repeat(900));
    let map = json!({"b": "{a}".repeat(1_000_000)}).to_string();
    let dialect = Dialect::new(None, None, Some(&map)).unwrap();
    let refused = read(body.as_bytes(), &dialect, None, 100).unwrap_err();
    assert_eq!(refused.kind(), Kind::ItemTooLarge);
    assert!(
        format!("{refused:?}").contains("\"line\": Number(2)"),
        "{refused:?}"
    );
}

#[test]
fn a_table_as_excel_writes_it() {
    let body = b"Kunde;Gr\xf6\xdfe;Aktiv\r\nM\xfcller, Anna;1.50;WAHR\r\n\x80;;TRUE\r\n";
    let map = r#"{"name": "Kunde", "size": "Gr\u00f6\u00dfe", "active": "Aktiv", "label": "{Kunde} ({Gr\u00f6\u00dfe})"}"#;
    let schema =
        json!({"properties": {"size": {"type": "number"}, "active": {"type": ["boolean", "string"]}}});
    let dialect = Dialect::new(Some("windows-1252"), None, Some(map)).unwrap();
    assert_eq!(
        read(body, &dialect, Some(&schema), 3).unwrap(),
        [
            "{\"name\":\"M\u{fc}ller, Anna\",\"size\":1.50,\"active\":\"WAHR\",\"label\":\"M\u{fc}ller, Anna (1.50)\"}",
            "{\"name\":\"\u{20ac}\",\"active\":true,\"label\":\"\u{20ac} ()\"}",
        ]
    );
}

#[test]
fn a_column_alone_has_no_delimiter() {
    let read = |delimiter| {
        let dialect = Dialect::new(None, delimiter, None).unwrap();
        read(b"name\nDoe, Jane; Dr.\n", &dialect, None, 4)
    };
    assert_eq!(read(None).unwrap(), [r#"{"name":"Doe, Jane; Dr."}"#]);
    assert!(read(Some("comma")).is_err());
}

#[test]
fn tabs_are_what_tab_separated_values_have() {
    let body = b"a,b\tc,d,e\n1,2\t3\n";
    let (items, _) = items_of(Format::Tsv, body, options(), 4).unwrap();
    assert_eq!(items[0].input.as_str(), r#"{"a,b":"1,2","c,d,e":"3"}"#);
    let said = Dialect::new(None, Some(";"), None).unwrap().or_tabs();
    assert_eq!(
        read(b"a\t;b\n1;2", &said, None, 9).unwrap(),
        [r#"{"a\t":"1","b":"2"}"#]
    );
}

/// With a mark in front, as Excel and Windows write it.
fn utf16(text: &str) -> Vec<u8> {
    let marked = std::iter::once('\u{feff}').chain(text.chars());
    let mut units = [0; 2];
    let bytes = marked.flat_map(|c| {
        let units: Vec<u16> = c.encode_utf16(&mut units).to_vec();
        units.into_iter().flat_map(u16::to_le_bytes)
    });
    bytes.collect()
}

/// How a program writes a table, and what it says about it.
#[derive(Debug, Clone)]
struct Writing {
    delimiter: u8,
    says_delimiter: bool,
    charset: Option<&'static str>,
    terminator: csv::Terminator,
    quote_style: csv::QuoteStyle,
}

impl Writing {
    fn write(&self, table: &[Vec<String>]) -> Vec<u8> {
        let mut writer = csv::WriterBuilder::new()
            .delimiter(self.delimiter)
            .terminator(self.terminator)
            .quote_style(self.quote_style)
            .from_writer(Vec::new());
        table.iter().for_each(|row| writer.write_record(row).unwrap());
        let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
        let encoded = |encoding: &'static encoding_rs::Encoding| encoding.encode(&text).0.into_owned();
        match self.charset {
            Some("windows-1252") => encoded(WINDOWS_1252),
            Some("gb18030") => encoded(GB18030),
            Some("shift_jis") => encoded(SHIFT_JIS),
            Some("utf-16le") => utf16(&text).split_off(2),
            Some("utf-16be") => utf16(&text)
                .chunks(2)
                .flat_map(|unit| [unit[1], unit[0]])
                .collect(),
            Some("mark") => utf16(&text),
            _ => text.into_bytes(),
        }
    }

    fn dialect(&self) -> Dialect {
        let delimiter = (self.delimiter as char).to_string();
        let charset = self.charset.filter(|charset| *charset != "mark");
        Dialect::new(charset, self.says_delimiter.then_some(&delimiter), None).unwrap()
    }

    /// Characters that the charset has.
    fn characters(&self) -> BoxedStrategy<String> {
        let some = match self.charset {
            Some("windows-1252") => "aZ9 ,;|\t\"'\r\n{}\u{e4}\u{df}\u{20ac}\u{2026}\u{178}",
            Some("shift_jis") => "aZ9 ,;|\t\"'\r\n{}\u{30bd}\u{8868}\u{3042}",
            _ => "aZ9 ,;|\t\"'\r\n{}\u{e4}\u{20ac}\u{1f600}\0\u{feff}",
        };
        let some = select(some.chars().collect::<Vec<_>>());
        let text = proptest::collection::vec(some, 0..12);
        text.prop_map(|text| text.into_iter().collect()).boxed()
    }
}

fn writings() -> impl Strategy<Value = Writing> {
    let charsets = vec![
        None,
        Some("utf-8"),
        Some("mark"),
        Some("utf-16le"),
        Some("utf-16be"),
        Some("windows-1252"),
        Some("gb18030"),
        Some("shift_jis"),
    ];
    let ends = vec![
        csv::Terminator::CRLF,
        csv::Terminator::Any(b'\n'),
        csv::Terminator::Any(b'\r'),
    ];
    (
        select(&b",;\t|:"[..]),
        any::<bool>(),
        select(charsets),
        select(ends),
        select(&[csv::QuoteStyle::Necessary, csv::QuoteStyle::Always][..]),
    )
        .prop_map(
            |(delimiter, says_delimiter, charset, terminator, quote_style)| Writing {
                delimiter,
                says_delimiter: says_delimiter || delimiter == b':',
                charset,
                terminator,
                quote_style,
            },
        )
}

/// A writing, and a table with its names in front.
fn tables() -> impl Strategy<Value = (Writing, Vec<Vec<String>>)> {
    (writings(), 1..4_usize, 0..6_usize).prop_flat_map(|(writing, columns, rows)| {
        let field = writing.characters();
        // What is detected must be there to be seen, and nothing else more often.
        let name = if writing.says_delimiter {
            field.clone()
        } else {
            field
                .prop_map(|name| name.replace([',', ';', '|', '\t'], ""))
                .boxed()
        };
        let names = proptest::collection::vec(name, columns).prop_map(|names| {
            let numbered = names.into_iter().enumerate();
            let numbered = numbered.map(|(n, name)| format!("{n}{}", name.replace('\0', "")));
            numbered.collect::<Vec<_>>()
        });
        let row = proptest::collection::vec(writing.characters(), columns);
        let rows = proptest::collection::vec(row, rows);
        (Just(writing), names, rows).prop_map(|(writing, names, rows)| {
            let table = std::iter::once(names).chain(rows).collect();
            (writing, table)
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_programs_write_reads_back((writing, table) in tables(), step in 1..40_usize) {
        let body = writing.write(&table);
        let items = read(&body, &writing.dialect(), None, step).unwrap();
        let (names, rows) = table.split_first().unwrap();
        let expected: Vec<Value> = rows
            .iter()
            .map(|row| names.iter().cloned().zip(row.iter().map(|field| json!(field))).collect())
            .collect();
        let items: Vec<Value> = items.iter().map(|item| serde_json::from_str(item).unwrap()).collect();
        prop_assert_eq!(items, expected);
    }

    #[test]
    fn no_bytes_make_it_panic(body in proptest::collection::vec(select(&b"a,;\"\r\n\xff\xfe\0{"[..]), 0..40), charset in 0..4) {
        let charset = ["utf-8", "utf-16le", "windows-1252", "gb18030"][charset as usize];
        let _ = read(&body, &Dialect::new(Some(charset), None, None).unwrap(), None, 3);
    }
}
