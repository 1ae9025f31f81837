//! What is going on, in numbers.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use ratatui::widgets::Sparkline;

use super::super::state::Model;
use super::{bad, quiet, strong};
use crate::output::{number, text};

/// Whose it is, or that nobody answers; and the sum of it.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let [first, second] = Layout::vertical([Constraint::Length(1), Constraint::Length(1)]).areas(area);
    let line = match &model.lost {
        Some(why) => {
            let text = format!(" {}: trying again", text::clean(why, 200));
            Line::from(text).style(bad().add_modifier(Modifier::REVERSED | Modifier::BOLD))
        }
        None => Line::from(vec![
            Span::styled("flotilla ", strong()),
            Span::raw(format!("space {}", model.space)),
            Span::styled(format!("  {}", model.server), quiet()),
        ]),
    };
    frame.render_widget(line, first);
    frame.render_widget(totals(model), second);
}

fn totals(model: &Model) -> Line<'static> {
    let totals = model.totals();
    let (used, all) = totals.slots;
    let failed = format!("{} failed", number::compact(totals.failed));
    let parts = [
        Span::raw(format!("{} active", totals.active)),
        Span::styled(number::rate(totals.rate), strong()),
        Span::raw(format!("{} running", number::compact(totals.running))),
        Span::raw(format!("{} to go", number::compact(totals.backlog))),
        if totals.failed > 0 {
            Span::styled(failed, bad())
        } else {
            Span::raw(failed)
        },
        Span::raw(format!(
            "slots {}/{}",
            number::compact(used),
            number::compact(all)
        )),
    ];
    let mut spans = Vec::new();
    for part in parts {
        if !spans.is_empty() {
            spans.push(Span::styled(" · ", quiet()));
        }
        spans.push(part);
    }
    Line::from(spans)
}

/// Items per second over the last minutes, the latest to the right.
pub(super) fn chart(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    if area.height == 0 {
        return;
    }
    let [label, chart] = Layout::horizontal([Constraint::Length(14), Constraint::Min(0)]).areas(area);
    let shown = model.rates.len().min(chart.width.into());
    let rates: Vec<u64> = model
        .rates
        .iter()
        .skip(model.rates.len() - shown)
        .copied()
        .collect();
    let peak = rates.iter().copied().max().unwrap_or_default();
    let peak = format!("peak {}/s", number::compact(peak));
    let lines = vec![Line::from("items/s"), Line::from(peak)];
    frame.render_widget(ratatui::widgets::Paragraph::new(lines).style(quiet()), label);
    let pad = vec![0; usize::from(chart.width) - shown];
    let sparkline = Sparkline::default().data(pad.into_iter().chain(rates));
    frame.render_widget(sparkline.style(ratatui::style::Color::Cyan), chart);
}
