//! Takes the screen, and gives it back however this ends.

use std::io::{Result, Stdout, Write, stdout};
use std::sync::Once;

use crossterm::cursor::Show;
use crossterm::execute;
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use ratatui::backend::CrosstermBackend;
use ratatui::{Frame, Terminal};

/// The whole screen. Dropping it shows again what was there before.
pub(super) struct Screen<W: Write>(Terminal<CrosstermBackend<W>>);

impl Screen<Stdout> {
    /// Takes it.
    pub(super) fn take() -> Result<Self> {
        give_back_on_panic();
        enable_raw_mode()?;
        let taken = execute!(stdout(), EnterAlternateScreen)
            .and_then(|()| Terminal::new(CrosstermBackend::new(stdout())))
            .map(Self);
        if taken.is_err() {
            give_back();
        }
        taken
    }
}

impl<W: Write> Screen<W> {
    /// Shows something else.
    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> Result<()> {
        self.0.draw(draw).map(drop)
    }
}

impl<W: Write> Drop for Screen<W> {
    fn drop(&mut self) {
        give_back();
    }
}

/// Where that fails there is no terminal any more.
fn give_back() {
    let _ = disable_raw_mode();
    let _ = execute!(stdout(), LeaveAlternateScreen, Show);
}

/// A message of a panic has to be read, so the screen is given back before it is written.
fn give_back_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let next = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            next(panic);
        }));
    });
}
