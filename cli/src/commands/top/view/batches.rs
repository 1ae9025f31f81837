//! The batches.

use flotilla_core::BatchState;
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row as Cells, Table, TableState};

use super::super::state::{Model, Row, name};
use super::{bad, bar, below, quiet, title};
use crate::output::{eta, number, progress, text};

/// From this width on there is a column of reasons.
const WIDE: u16 = 120;

/// The table.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let (head, rest) = below(area);
    let visible = model.visible();
    let filter = match model.filter.as_str() {
        "" => String::new(),
        filter => format!("  filter: {}", text::clean(filter, 40)),
    };
    let order = model.sort.name();
    title(
        frame,
        head,
        format!(" BATCHES {}  by {order}{filter}", visible.len()),
    );
    if visible.is_empty() {
        let text = if model.filter.is_empty() {
            "no batches yet: flotilla submit FILE --job-type NAME"
        } else {
            "no batch fits the filter; esc takes it away"
        };
        frame.render_widget(Paragraph::new(text).style(quiet()), rest);
        return;
    }
    let is_wide = area.width >= WIDE;
    let mut widths = vec![
        Constraint::Length(10),
        Constraint::Fill(1),
        Constraint::Length(10),
        Constraint::Length(13),
        Constraint::Length(6),
        Constraint::Length(20),
    ];
    let mut names = vec!["STATE", "BATCH", "", "DONE", "FAILED", "RATE AND TIME LEFT"];
    if is_wide {
        widths.push(Constraint::Fill(2));
        names.push("WHY");
    }
    let selected = visible
        .iter()
        .position(|row| Some(&row.batch.id) == model.selected.as_ref());
    let table = Table::new(visible.into_iter().map(|row| cells(row, is_wide)), widths)
        .header(Cells::new(names).style(quiet()))
        .row_highlight_style(Style::new().add_modifier(Modifier::BOLD))
        .highlight_symbol("▶ ");
    frame.render_stateful_widget(table, rest, &mut TableState::new().with_selected(selected));
}

fn cells(row: &Row, is_wide: bool) -> Cells<'static> {
    let batch = &row.batch;
    let counts = &batch.counts;
    let (done, total) = (counts.settled().into(), counts.total.into());
    let failed = Span::raw(number::compact(counts.failed.into()));
    let pace = pace(row);
    let tail = match why_of(row) {
        Some(why) if !is_wide => why,
        _ => pace,
    };
    let mut cells = vec![
        Cell::from(Span::styled(batch.state.as_str(), colour(batch.state))),
        Cell::from(name(batch)),
        Cell::from(format!("{} {:>3.0}%", bar(done, total, 5), batch.percent.floor())),
        Cell::from(format!("{}/{}", number::compact(done), number::compact(total))),
        Cell::from(if counts.failed > 0 {
            failed.style(bad())
        } else {
            failed
        }),
        Cell::from(tail),
    ];
    if is_wide {
        cells.push(Cell::from(why_of(row).unwrap_or_default()));
    }
    Cells::new(cells)
}

fn pace(row: &Row) -> String {
    let batch = &row.batch;
    match batch.state {
        BatchState::Processing => format!("{:<7} {}", number::rate(batch.rate_per_s), eta::range(batch.eta)),
        _ => String::new(),
    }
}

/// Why it does not move.
fn why_of(row: &Row) -> Option<String> {
    let batch = &row.batch;
    if batch.state.is_final() {
        return batch.error.as_deref().map(|error| text::clean(error, 160));
    }
    let paused = batch.paused.as_ref().map(progress::why);
    paused.or_else(|| row.why.clone())
}

/// The line about the batch that keys are about: all of its name, and all of the reason.
pub(super) fn why(model: &Model) -> Line<'static> {
    let Some(row) = model.chosen() else {
        return Line::default();
    };
    let batch = &row.batch;
    let limit = batch
        .concurrency
        .map(|limit| format!("at most {limit} in flight"));
    let parts = [Some(batch.id.clone()), why_of(row), limit];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    Line::from(parts.join(" · ")).style(Style::new().fg(Color::Cyan))
}

/// The colour of a state. Its name says the same.
fn colour(state: BatchState) -> Style {
    match state {
        BatchState::Completed => Style::new().fg(Color::Green),
        BatchState::Failed => bad(),
        BatchState::Paused | BatchState::Cancelling | BatchState::Cancelled => Style::new().fg(Color::Yellow),
        BatchState::Processing => Style::new().fg(Color::Cyan),
        BatchState::Open | BatchState::Pending => Style::new(),
    }
}
