//! The fleet.

use std::collections::BTreeMap;

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::text::Span;
use ratatui::widgets::{Cell, Paragraph, Row as Cells, Table};

use super::super::state::Model;
use super::{bar, below, quiet, title};
use crate::client::view::{DoingView, WorkerView};
use crate::output::{number, text};

/// How high it would like to be.
pub(super) fn height(model: &Model) -> u16 {
    u16::try_from(model.workers.len().max(1))
        .unwrap_or(u16::MAX)
        .saturating_add(1)
}

/// The table.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    if area.height == 0 {
        return;
    }
    let (head, rest) = below(area);
    let room = usize::from(rest.height);
    let more = model.workers.len().saturating_sub(room);
    let more = if more > 0 {
        format!(", {more} more below")
    } else {
        String::new()
    };
    title(frame, head, format!(" WORKERS {}{more}", model.workers.len()));
    if model.workers.is_empty() {
        let text = "no workers: nothing runs until one is started (flotilla worker)";
        frame.render_widget(Paragraph::new(text).style(quiet()), rest);
        return;
    }
    let widths = [
        Constraint::Length(20),
        Constraint::Length(18),
        Constraint::Length(9),
        Constraint::Fill(1),
    ];
    let table = Table::new(model.workers.iter().take(room).map(cells), widths);
    frame.render_widget(table, rest);
}

fn cells(worker: &WorkerView) -> Cells<'static> {
    let (used, slots) = (worker.running.into(), worker.concurrency.into());
    let slots = format!(
        "{} {}/{}",
        bar(used, slots, 8),
        number::compact(used),
        number::compact(slots)
    );
    let state = if worker.draining {
        Span::styled("draining", super::warning())
    } else {
        Span::raw(text::clean(&worker.pools.join(","), 9))
    };
    Cells::new([
        Cell::from(text::tail(&worker.id, 20)),
        Cell::from(slots),
        Cell::from(state),
        Cell::from(doing(&worker.doing)),
    ])
}

/// `12 thumbnail, 3 enrich`: what it does for this space.
fn doing(items: &[DoingView]) -> String {
    let mut by_type: BTreeMap<&str, u64> = BTreeMap::new();
    for item in items {
        *by_type.entry(&item.job_type).or_default() += 1;
    }
    let parts = by_type
        .iter()
        .map(|(job_type, count)| format!("{} {}", number::compact(*count), text::clean(job_type, 30)));
    parts.collect::<Vec<_>>().join(", ")
}
