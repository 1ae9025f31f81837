//! More about the batch that keys are about.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::super::state::{Model, Row, name};
use super::{bad, below, quiet, title};
use crate::output::{number, text};

/// Counts by state, what holds it up, and how items failed.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    if area.height == 0 {
        return;
    }
    let (head, rest) = below(area);
    let Some(row) = model.chosen() else {
        title(frame, head, " DETAILS".to_owned());
        return;
    };
    let batch = &row.batch;
    title(
        frame,
        head,
        format!(" DETAILS {}  {}", name(batch), text::clean(&batch.job_type, 40)),
    );
    let mut lines = vec![counts(row)];
    lines.extend(row.reasons.iter().map(|reason| {
        let count = number::grouped(reason.count.into());
        Line::from(vec![
            Span::raw(format!("{count:>9} ")),
            Span::styled(format!("{} ", text::clean(&reason.code, 30)), quiet()),
            Span::raw(text::clean(&reason.detail, 200)),
        ])
    }));
    lines.extend(model.errors.iter().map(|group| {
        let count = number::grouped(group.count.into());
        let text = format!("{count:>9} × {}", text::clean(&group.sample, 200));
        Line::from(text).style(bad())
    }));
    if model.errors.is_empty() {
        lines.push(Line::from("no errors").style(quiet()));
    }
    frame.render_widget(Paragraph::new(lines), rest);
}

fn counts(row: &Row) -> Line<'static> {
    let counts = &row.batch.counts;
    let states = [
        (counts.pending, "pending"),
        (counts.queued, "queued"),
        (counts.processing, "processing"),
        (counts.retrying, "retrying"),
        (counts.waiting, "waiting"),
        (counts.succeeded, "succeeded"),
        (counts.failed, "failed"),
        (counts.cancelled, "cancelled"),
    ];
    let there = states.iter().filter(|(count, _)| *count > 0);
    let parts = there.map(|(count, state)| format!("{} {state}", number::grouped((*count).into())));
    Line::from(parts.collect::<Vec<_>>().join(" · "))
}
