//! The screen: what is known and chosen, as text.

mod batches;
mod details;
mod head;
mod help;
mod workers;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;

use super::state::{Mode, Model};
use crate::output::text;

/// What fits on a screen of 80 columns.
const KEYS: &str = "⏎ details  p pause  c cancel  +/- limit  r retry  / find  s sort  ? help  q quit";

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame<'_>, model: &Model) {
    let area = frame.area();
    let chart = match area.height {
        0..20 => 0,
        20..36 => 2,
        _ => 4,
    };
    // The details take the place of the workers where there is no room for both.
    let (details, workers) = match (model.shows_details, area.height) {
        (false, height) => (0, workers::height(model).min(height / 4)),
        (true, 0..32) => (area.height / 2, 0),
        (true, height) => (height / 3, workers::height(model).min(height / 5)),
    };
    let [head, chart, batches, details, workers, why, foot] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(chart),
        Constraint::Min(3),
        Constraint::Length(details),
        Constraint::Length(workers),
        Constraint::Length(1),
        Constraint::Length(1),
    ])
    .areas(area);
    head::draw(frame, head, model);
    head::chart(frame, chart, model);
    batches::draw(frame, batches, model);
    details::draw(frame, details, model);
    workers::draw(frame, workers, model);
    frame.render_widget(batches::why(model), why);
    frame.render_widget(foot_line(model), foot);
    if model.mode == Mode::Help {
        help::draw(frame, area);
    }
}

fn foot_line(model: &Model) -> Line<'_> {
    match &model.mode {
        Mode::Filter => Line::from(format!("filter: {}▏", text::clean(&model.filter, 60))),
        Mode::Confirm(question) => Line::from(format!("{} y/n", question.text)).style(warning()),
        Mode::Normal | Mode::Help => match model.notice() {
            Some(notice) => Line::from(text::clean(notice, 200)).style(warning()),
            None => Line::from(KEYS).style(quiet()),
        },
    }
}

/// The title of a part of the screen, over its whole width.
fn title(frame: &mut Frame<'_>, area: Rect, text: String) {
    let style = Style::new().add_modifier(Modifier::REVERSED);
    frame.render_widget(Line::from(text).style(style), area);
}

/// What is below the title.
fn below(area: Rect) -> (Rect, Rect) {
    let [title, rest] = Layout::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(area);
    (title, rest)
}

fn quiet() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

fn strong() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

fn warning() -> Style {
    Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD)
}

fn bad() -> Style {
    Style::new().fg(Color::Red)
}

/// `━━━━────`: so many of `width`, and one where there is anything. Full is full only when it is.
fn bar(done: u64, of: u64, width: usize) -> String {
    let all = u64::try_from(width).unwrap_or(u64::MAX);
    let full = (done.min(of) * all).checked_div(of).unwrap_or_default();
    let full = full.max(u64::from(done > 0)).min(all);
    let full = usize::try_from(full).unwrap_or(width);
    format!("{}{}", "━".repeat(full), "─".repeat(width - full))
}

#[cfg(test)]
mod tests;
