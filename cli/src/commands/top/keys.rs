//! What keys mean.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::state::Mode;

/// What somebody wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    Details,
    Pause,
    Cancel,
    More,
    Less,
    Retry,
    Filter,
    Sort,
    Help,
    Quit,
    Interrupt,
    /// What was asked is to be done.
    Yes,
    /// Back to where one was.
    Close,
    /// What was typed is to stay.
    Accept,
    Type(char),
    Erase,
}

/// What `key` means in this mode, if anything.
pub(super) fn command(mode: &Mode, key: KeyEvent) -> Option<Command> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return (key.code == KeyCode::Char('c')).then_some(Command::Interrupt);
    }
    match mode {
        Mode::Normal => normal(key.code),
        Mode::Filter => filter(key.code),
        Mode::Confirm(_) => Some(match key.code {
            KeyCode::Char('y' | 'Y') => Command::Yes,
            // Whatever is not a yes is a no.
            _ => Command::Close,
        }),
        Mode::Help => Some(Command::Close),
    }
}

fn normal(key: KeyCode) -> Option<Command> {
    Some(match key {
        KeyCode::Up | KeyCode::Char('k') => Command::Up,
        KeyCode::Down | KeyCode::Char('j') => Command::Down,
        KeyCode::PageUp => Command::PageUp,
        KeyCode::PageDown => Command::PageDown,
        KeyCode::Home | KeyCode::Char('g') => Command::First,
        KeyCode::End | KeyCode::Char('G') => Command::Last,
        KeyCode::Enter => Command::Details,
        KeyCode::Char('p') => Command::Pause,
        KeyCode::Char('c') => Command::Cancel,
        KeyCode::Char('+' | '=') => Command::More,
        KeyCode::Char('-') => Command::Less,
        KeyCode::Char('r') => Command::Retry,
        KeyCode::Char('/') => Command::Filter,
        KeyCode::Char('s') => Command::Sort,
        KeyCode::Char('?' | 'h') => Command::Help,
        KeyCode::Char('q') => Command::Quit,
        KeyCode::Esc => Command::Close,
        _ => return None,
    })
}

fn filter(key: KeyCode) -> Option<Command> {
    Some(match key {
        KeyCode::Enter => Command::Accept,
        KeyCode::Esc => Command::Close,
        KeyCode::Backspace => Command::Erase,
        KeyCode::Char(typed) => Command::Type(typed),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::top::state::{Deed, Question};

    #[test]
    fn the_same_key_means_what_the_mode_says() {
        let key = |code| KeyEvent::new(code, KeyModifiers::NONE);
        let confirm = Mode::Confirm(Question {
            id: "b".to_owned(),
            text: "cancel b?".to_owned(),
            deed: Deed::Cancel,
        });
        let c = key(KeyCode::Char('c'));
        assert_eq!(command(&Mode::Normal, c), Some(Command::Cancel));
        assert_eq!(command(&Mode::Filter, c), Some(Command::Type('c')));
        assert_eq!(command(&confirm, c), Some(Command::Close));
        assert_eq!(command(&confirm, key(KeyCode::Char('y'))), Some(Command::Yes));
        assert_eq!(
            command(&confirm, key(KeyCode::Enter)),
            Some(Command::Close),
            "not by accident"
        );
        assert_eq!(
            command(&Mode::Help, key(KeyCode::Char('q'))),
            Some(Command::Close)
        );
        let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        for mode in [Mode::Normal, Mode::Filter, confirm, Mode::Help] {
            assert_eq!(command(&mode, interrupt), Some(Command::Interrupt));
        }
    }
}
