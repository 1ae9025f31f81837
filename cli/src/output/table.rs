//! Tables: columns as wide as their widest cell, numbers to the right, nothing else.

use std::fmt::Write;

/// On which side of its column a cell is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// A table to be printed.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub(crate) fn new(columns: &[(&'static str, Align)]) -> Self {
        Self {
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; it must have a cell per column.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.columns.len());
        self.rows.push(cells);
    }

    /// The table as text, every line with its end.
    pub(crate) fn render(&self) -> String {
        let widths = self.widths();
        let mut out = String::new();
        let head: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        self.line(&mut out, &head, &widths);
        for row in &self.rows {
            let cells: Vec<&str> = row.iter().map(String::as_str).collect();
            self.line(&mut out, &cells, &widths);
        }
        out
    }

    fn widths(&self) -> Vec<usize> {
        let of_column = |(at, (name, _)): (usize, &(&str, Align))| {
            let cells = self.rows.iter().filter_map(|row| row.get(at));
            cells
                .map(|cell| width(cell))
                .chain([width(name)])
                .max()
                .unwrap_or(0)
        };
        self.columns.iter().enumerate().map(of_column).collect()
    }

    fn line(&self, out: &mut String, cells: &[&str], widths: &[usize]) {
        let start = out.len();
        for ((cell, (_, align)), column) in cells.iter().zip(&self.columns).zip(widths) {
            let pad = column.saturating_sub(width(cell));
            // Writing to a String can't fail.
            let _ = match align {
                Align::Left => write!(out, "{cell}{:pad$}  ", ""),
                Align::Right => write!(out, "{:pad$}{cell}  ", ""),
            };
        }
        out.truncate(start + out[start..].trim_end().len());
        out.push('\n');
    }
}

fn width(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&[
            ("ID", Align::Left),
            ("ITEMS", Align::Right),
            ("NAME", Align::Left),
        ]);
        table.row(vec!["b-1".into(), "1,000".into(), "täglich".into()]);
        table.row(vec!["b-22".into(), "7".into(), String::new()]);
        assert_eq!(
            table.render(),
            "ID    ITEMS  NAME\nb-1   1,000  täglich\nb-22      7\n"
        );
    }
}
