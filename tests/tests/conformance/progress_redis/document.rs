//! `docs/redis.md`, read as data: the tests compare what it says with what Flotilla does.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A row of a table: its cells by the header of their column, without backticks.
pub(super) type Row = BTreeMap<String, String>;

/// The page.
pub(super) struct Document(String);

impl Document {
    pub(super) fn open() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/redis.md");
        Self(fs::read_to_string(path).expect("docs/redis.md is there"))
    }

    /// The first table under a heading.
    pub(super) fn table(&self, heading: &str) -> Vec<Row> {
        let mut lines = self
            .section(heading)
            .lines()
            .skip_while(|line| !line.starts_with('|'));
        let header = cells(lines.next().unwrap_or_else(|| panic!("{heading} has a table")));
        let rows = lines
            .skip(1)
            .take_while(|line| line.starts_with('|'))
            .map(|line| {
                let cells = cells(line);
                assert_eq!(cells.len(), header.len(), "{line}");
                header.iter().cloned().zip(cells).collect()
            });
        let rows: Vec<Row> = rows.collect();
        assert!(!rows.is_empty(), "the table under {heading} has rows");
        rows
    }

    /// The lines of the code block in this language.
    pub(super) fn code(&self, language: &str) -> Vec<&str> {
        let (_, block) = self
            .0
            .split_once(&format!("```{language}\n"))
            .expect("there is such a block");
        let (block, _) = block.split_once("```").expect("the block ends");
        block.lines().collect()
    }

    fn section(&self, heading: &str) -> &str {
        let start = format!("\n## {heading}\n");
        let (_, rest) = self
            .0
            .split_once(&start)
            .unwrap_or_else(|| panic!("there is a heading {heading}"));
        rest.split_once("\n## ").map_or(rest, |(section, _)| section)
    }
}

fn cells(line: &str) -> Vec<String> {
    let inner = line.trim().trim_matches('|');
    inner
        .split('|')
        .map(|cell| cell.trim().trim_matches('`').to_owned())
        .collect()
}
