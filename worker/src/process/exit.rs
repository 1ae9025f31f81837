//! Exit statuses in words.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use flotilla_core::job_type::{ExecSpec, optional_byte_size};
use flotilla_core::message::Verdict;
use flotilla_core::outcome::{ItemError, ItemErrorKind};
use rustix::process::Signal;

use crate::handlers::failed;

/// What exit statuses mean to a job type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exits {
    permanent: Vec<u8>,
    waiting: Option<u8>,
    /// What a process may map, in bytes.
    memory: Option<u64>,
}

impl Exits {
    pub(crate) fn new(spec: &ExecSpec) -> Self {
        Self {
            permanent: spec.permanent_exit_codes.clone(),
            waiting: spec.waiting_exit_code,
            memory: spec.memory,
        }
    }

    /// True where a process says with it that the item waits.
    pub(crate) fn is_waiting(&self, status: ExitStatus) -> bool {
        status.code().is_some() && status.code() == self.waiting.map(i32::from)
    }

    /// What a process that failed makes of its attempt. Nobody knows why it did unless it says so: then another attempt
    /// is in vain.
    pub(crate) fn failure(&self, status: ExitStatus, last_words: &str) -> Verdict {
        let error = self.describe(status, last_words);
        let permanent = |code| self.permanent.iter().any(|known| i32::from(*known) == code);
        match status.code() {
            Some(code) if permanent(code) => Verdict::Fail(error),
            _ => failed(error),
        }
    }

    /// How it ended, and the last that it said.
    fn describe(&self, status: ExitStatus, last_words: &str) -> ItemError {
        let mut what = match (status.code(), status.signal()) {
            (Some(126), _) => "exit code 126 (a command is not executable)".to_owned(),
            (Some(127), _) => "exit code 127 (a command was not found)".to_owned(),
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("killed by signal {}", name(signal)),
            (None, None) => status.to_string(),
        };
        if let Some(memory) = self.memory.filter(|_| wants_memory(status, last_words)) {
            let memory = optional_byte_size::text(memory);
            what.push_str(&format!(
                ", perhaps because it needs more than its memory = \"{memory}\""
            ));
        }
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
}

/// True where it looks as if a process had got less memory than it asked for: the kernel does not say so, and programs
/// put it in many ways.
fn wants_memory(status: ExitStatus, last_words: &str) -> bool {
    const PHRASES: [&str; 6] = [
        "memory",
        "bad_alloc",
        "enomem",
        "failed to map",
        "cannot map",
        "mmap",
    ];
    let words = last_words.to_lowercase();
    let crashed = matches!(
        status.signal().and_then(Signal::from_named_raw),
        Some(Signal::ABORT | Signal::SEGV | Signal::BUS | Signal::TRAP | Signal::KILL)
    );
    crashed || PHRASES.iter().any(|phrase| words.contains(phrase))
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

    fn exits(change: fn(&mut ExecSpec)) -> Exits {
        let mut spec = ExecSpec::new(vec!["x".into()]);
        change(&mut spec);
        Exits::new(&spec)
    }

    fn describe(raw: i32, words: &str) -> String {
        exits(|_| ()).describe(ExitStatus::from_raw(raw), words).message
    }

    #[test]
    fn an_exit_is_told_in_words() {
        assert_eq!(describe(3 << 8, "no such file"), "exit code 3: no such file");
        assert_eq!(describe(1 << 8, ""), "exit code 1, without a word on stderr");
        assert_eq!(
            describe(11, ""),
            "killed by signal 11 (SIGSEGV), without a word on stderr"
        );
        assert!(describe(9, "").contains("SIGKILL, perhaps for want of memory"));
    }

    #[test]
    fn the_end_of_long_words_is_kept() {
        let words = format!("{} the end", "é".repeat(2_000));
        let message = describe(1 << 8, &words);
        assert!(message.starts_with("exit code 1: …é") && message.ends_with("the end"));
        assert!(message.len() <= ItemError::MAX_MESSAGE);
    }

    #[test]
    fn only_a_permanent_exit_code_forbids_another_attempt() {
        let exits = exits(|spec| {
            spec.permanent_exit_codes = vec![64, 3];
            spec.waiting_exit_code = Some(75);
        });
        for (raw, permanent) in [
            (3 << 8, true),
            (64 << 8, true),
            (1 << 8, false),
            (65 << 8, false),
            (9, false),
        ] {
            let verdict = exits.failure(ExitStatus::from_raw(raw), "");
            assert_eq!(matches!(verdict, Verdict::Fail(_)), permanent, "{raw}");
            assert_eq!(matches!(verdict, Verdict::Retry { .. }), !permanent, "{raw}");
        }
        assert!(exits.is_waiting(ExitStatus::from_raw(75 << 8)));
        assert!(!exits.is_waiting(ExitStatus::from_raw(9)));
    }

    #[test]
    fn want_of_memory_is_hinted_at_where_there_is_a_ceiling() {
        let hint = "perhaps because it needs more than its memory = \"512MiB\"";
        let exits = exits(|spec| spec.memory = Some(512 << 20));
        let said = |raw, words| exits.describe(ExitStatus::from_raw(raw), words).message;
        for (raw, words) in [
            (1 << 8, "MemoryError"),
            (2 << 8, "xz: Cannot allocate memory"),
            (
                127 << 8,
                "error while loading shared libraries: failed to map segment",
            ),
            (6, ""),
            (11, "boom"),
        ] {
            assert!(said(raw, words).contains(hint), "{words}");
        }
        assert!(!said(1 << 8, "no such file").contains("memory"));
        assert!(!describe(1 << 8, "Cannot allocate memory").contains(hint));
    }
}
