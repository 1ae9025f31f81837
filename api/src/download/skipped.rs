//! What was left out of a batch, as one file.

use bytes::Bytes;
use flotilla_core::skipped::SkippedItem;
use flotilla_core::{BatchId, Error, Space};
use futures_util::stream::{Stream, try_unfold};
use serde::Serialize;

use super::Format;
use super::csv::defused;
use crate::app::App;
use crate::intake::writes::repeat;
use crate::params::MAX_LIMIT;

/// A row of the file.
#[derive(Serialize)]
struct Row<'a> {
    number: u32,
    position: u32,
    line: Option<u32>,
    reason: &'static str,
    detail: &'a str,
    pointer: Option<&'a str>,
    input: &'a str,
}

const COLUMNS: [&str; 7] = [
    "number", "position", "line", "reason", "detail", "pointer", "input",
];

/// A file under way.
pub(crate) struct Skipped {
    app: App,
    space: Space,
    batch: BatchId,
    after: Option<u32>,
    format: Format,
    /// The header of a table is still to be written.
    begins: bool,
}

impl Skipped {
    pub(crate) fn new(app: App, space: Space, batch: BatchId, after: Option<u32>, format: Format) -> Self {
        Self {
            app,
            space,
            batch,
            after,
            format,
            begins: after.is_none(),
        }
    }

    /// The file, piece by piece.
    pub(crate) fn pieces(self) -> impl Stream<Item = Result<Bytes, Error>> {
        try_unfold(Some(self), |file| async {
            let Some(mut file) = file else {
                return Ok(None);
            };
            let (piece, more) = file.piece().await?;
            Ok(Some((piece, more.then_some(file))))
        })
    }

    async fn piece(&mut self) -> Result<(Bytes, bool), Error> {
        let store = &self.app.deps.store;
        let read = || store.skipped(&self.space, self.batch, self.after, MAX_LIMIT);
        let rows = repeat("read what was skipped", read).await.0?;
        let written = match self.format {
            Format::Ndjson => lines(&rows),
            Format::Csv => table(&rows, self.begins),
        };
        self.begins = false;
        if let Some((number, _)) = rows.last() {
            self.after = Some(*number);
        }
        Ok((written?.into(), !rows.is_empty()))
    }
}

fn row((number, item): &(u32, SkippedItem)) -> Row<'_> {
    Row {
        number: *number,
        position: item.position,
        line: item.line,
        reason: item.reason.as_str(),
        detail: &item.detail,
        pointer: item.pointer.as_deref(),
        input: &item.input,
    }
}

fn lines(rows: &[(u32, SkippedItem)]) -> Result<Vec<u8>, Error> {
    let mut lines = Vec::new();
    for one in rows {
        serde_json::to_writer(&mut lines, &row(one)).map_err(unwritable)?;
        lines.push(b'\n');
    }
    Ok(lines)
}

fn table(rows: &[(u32, SkippedItem)], header: bool) -> Result<Vec<u8>, Error> {
    let mut table = csv::Writer::from_writer(Vec::new());
    if header {
        table.write_record(COLUMNS).map_err(unwritable)?;
    }
    for one in rows {
        let row = row(one);
        let fields = [
            row.number.to_string(),
            row.position.to_string(),
            row.line.map(|line| line.to_string()).unwrap_or_default(),
            row.reason.to_owned(),
            defused(row.detail),
            defused(row.pointer.unwrap_or_default()),
            defused(row.input),
        ];
        table.write_record(&fields).map_err(unwritable)?;
    }
    table.into_inner().map_err(|error| unwritable(error.into_error()))
}

fn unwritable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::corrupt("the download", "a row can't be written").because(error)
}
