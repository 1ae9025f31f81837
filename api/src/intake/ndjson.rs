//! `application/x-ndjson`: one item per line.

use std::io::{BufRead, BufReader, Read};

use flotilla_core::Json;

use super::{Chunker, Options, read_failed};
use crate::problem::{Kind, Problem};

/// Reads a whole body.
pub(crate) fn parse(body: impl Read, options: &Options, chunker: &mut Chunker<'_>) -> Result<(), Problem> {
    let mut reader = BufReader::with_capacity(64 << 10, body);
    // Room for blanks and a line end around an item that is just short enough.
    let most = chunker.max_item_bytes() as u64 + 64;
    let mut line = Vec::new();
    for number in 1_u32.. {
        line.clear();
        let read = reader.by_ref().take(most).read_until(b'\n', &mut line);
        match read.map_err(read_failed)? {
            0 => break,
            n if n as u64 == most && line.last() != Some(&b'\n') => {
                return Err(chunker.too_large().with("line", number));
            }
            _ => {}
        }
        let text = line.trim_ascii();
        if !text.is_empty() {
            match Json::parse_bytes(text.to_vec()) {
                Ok(item) => chunker.push(item, Some(number), options),
                Err(error) => {
                    let problem = malformed(&error, number, chunker.position());
                    chunker.malformed(problem, Some(number), text, options)
                }
            }
            .map_err(|problem| match problem.member("line") {
                Some(_) => problem,
                None => problem.with("line", number),
            })?;
        }
    }
    Ok(())
}

fn malformed(error: &serde_json::Error, line: u32, position: u32) -> Problem {
    let mut detail = error.to_string();
    // The parser saw one line and calls it the first.
    if let Some(end) = detail.find(" at line 1 column") {
        detail.truncate(end);
    }
    let problem = Problem::new(
        Kind::InvalidJson,
        format!("item {position} (line {line}): {detail}; every line must be one JSON value"),
    )
    .with("item", position)
    .with("line", line);
    match error.column() {
        0 => problem,
        column => problem.with("column", column),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::super::chunk::tests::items_of;
    use super::super::options::tests::options;

    fn problem(body: &[u8]) -> String {
        format!("{:?}", items_of(Format::Ndjson, body, options(), 5).unwrap_err())
    }

    #[test]
    fn lines_are_items() {
        let body = "\u{feff}{\"a\": 1.50}\r\n\n  [ 2 ]\t\n\"last, without an end\"";
        let (items, _) = items_of(Format::Ndjson, body.as_bytes(), options(), 1).unwrap();
        let inputs: Vec<_> = items.iter().map(|item| item.input.as_str()).collect();
        assert_eq!(inputs, [r#"{"a": 1.50}"#, "[ 2 ]", r#""last, without an end""#]);
        assert!(items_of(Format::Ndjson, b"", options(), 1).unwrap().0.is_empty());
    }

    #[test]
    fn what_is_wrong_is_located() {
        let text = problem(b"1\n\n{\"a\": tru}\n");
        for part in ["InvalidJson", "item 1 (line 3)", "\"column\": Number(10)"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(problem(b"1\n2 3\n").contains("line 2"));
        assert!(problem(b"1\n\"\xff\"\n").contains("not valid UTF-8"));
        assert!(problem(b"1\n{\"a\": ").contains("EOF"));
    }

    #[test]
    fn an_endless_line_is_cut_off() {
        let mut body = vec![b'1', b'\n', b'"'];
        body.resize(1_000_000, b'x');
        let text = problem(&body);
        assert!(
            text.contains("ItemTooLarge") && text.contains("\"line\": Number(2)"),
            "{text}"
        );
        let just = format!("\"{}\"   \r\n2", "x".repeat(998));
        assert_eq!(
            items_of(Format::Ndjson, just.as_bytes(), options(), 9)
                .unwrap()
                .0
                .len(),
            2
        );
    }
}
