//! What the keys are.

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::widgets::{Block, Clear, Paragraph};

const HELP: &str = "\
up down k j    choose a batch (also page up, page down, home, end)
enter          its details: counts, what holds it up, errors
p              pause it, or let it go on
c              cancel it, for good (asks)
+ -            more or fewer of its items in flight at once
r              run its failed items again (asks)
/              show only what has this in its name, id, job type or state
s              sort by newest, rate, failures, items left
esc            back; takes the filter away
q  Ctrl-C      end";

/// A window in the middle.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect) {
    let lines = u16::try_from(HELP.lines().count()).unwrap_or(u16::MAX);
    let window = area.centered(Constraint::Max(74), Constraint::Max(lines.saturating_add(2)));
    frame.render_widget(Clear, window);
    frame.render_widget(
        Paragraph::new(HELP).block(Block::bordered().title(" keys ")),
        window,
    );
}
