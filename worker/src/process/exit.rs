//! Exit statuses in words.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use flotilla_core::outcome::{ItemError, ItemErrorKind};
use rustix::process::Signal;

/// How a process that failed ended, and the last that it said.
pub(crate) fn describe(status: ExitStatus, last_words: &str) -> ItemError {
    let what = match (status.code(), status.signal()) {
        (Some(126), _) => "exit code 126 (a command is not executable)".to_owned(),
        (Some(127), _) => "exit code 127 (a command was not found)".to_owned(),
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("killed by signal {}", name(signal)),
        (None, None) => status.to_string(),
    };
    // The end of what it said is worth more than the beginning.
    let room = ItemError::MAX_MESSAGE - what.len() - ": …".len();
    let message = if last_words.is_empty() {
        format!("{what}, without a word on stderr")
    } else if last_words.len() <= room {
        format!("{what}: {last_words}")
    } else {
        let start = last_words.ceil_char_boundary(last_words.len() - room);
        format!("{what}: …{}", &last_words[start..])
    };
    ItemError::new(ItemErrorKind::Handler, message)
}

/// `9 (SIGKILL, …)`: the number, and the name where it is one that ends processes.
fn name(signal: i32) -> String {
    let name = match Signal::from_named_raw(signal) {
        Some(Signal::KILL) => "SIGKILL, perhaps for want of memory",
        Some(Signal::TERM) => "SIGTERM",
        Some(Signal::INT) => "SIGINT",
        Some(Signal::ABORT) => "SIGABRT",
        Some(Signal::SEGV) => "SIGSEGV",
        Some(Signal::BUS) => "SIGBUS",
        Some(Signal::ILL) => "SIGILL",
        Some(Signal::FPE) => "SIGFPE",
        Some(Signal::PIPE) => "SIGPIPE",
        Some(Signal::XCPU) => "SIGXCPU",
        _ => return signal.to_string(),
    };
    format!("{signal} ({name})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_is_told_in_words() {
        let message = |raw, words| describe(ExitStatus::from_raw(raw), words).message;
        assert_eq!(message(3 << 8, "no such file"), "exit code 3: no such file");
        assert_eq!(message(1 << 8, ""), "exit code 1, without a word on stderr");
        assert_eq!(
            message(11, ""),
            "killed by signal 11 (SIGSEGV), without a word on stderr"
        );
        assert!(message(9, "").contains("SIGKILL, perhaps for want of memory"));
    }

    #[test]
    fn the_end_of_long_words_is_kept() {
        let words = format!("{} the end", "é".repeat(2_000));
        let error = describe(ExitStatus::from_raw(1 << 8), &words);
        assert!(error.message.starts_with("exit code 1: …é") && error.message.ends_with("the end"));
        assert!(error.message.len() <= ItemError::MAX_MESSAGE);
    }
}
