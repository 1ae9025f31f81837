//! Processes that cannot be mistaken for another one that got the same pid later.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

/// A pid and when, in ticks since the machine started, its process began. Pids are used again; the pair is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) pid: u32,
    started: u64,
}

struct Stat {
    state: u8,
    parent: u32,
    started: u64,
}

impl Identity {
    /// The process that has this pid now.
    pub(super) fn of(pid: u32) -> Option<Self> {
        let stat = stat(pid)?;
        Some(Self {
            pid,
            started: stat.started,
        })
    }

    /// A process that ended but was not waited for by its parent is not running.
    pub(super) fn is_running(self) -> bool {
        stat(self.pid).is_some_and(|stat| stat.started == self.started && !matches!(stat.state, b'Z' | b'X'))
    }

    /// Sends a signal; a process that is gone does not need it.
    pub(super) fn signal(self, signal: Signal) {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid.filter(|_| self.is_running()) {
            let _ = kill_process(pid, signal);
        }
    }

    /// Whether the process has anything to do with a folder: by its command line, its working folder or its environment.
    pub(super) fn mentions(self, folder: &Path) -> bool {
        let proc = Path::new("/proc").join(self.pid.to_string());
        let needle = folder.as_os_str().as_bytes();
        let in_file = |name| fs::read(proc.join(name)).is_ok_and(|text| contains(&text, needle));
        let in_cwd = || fs::read_link(proc.join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder));
        in_file("cmdline") || in_cwd() || in_file("environ")
    }

    /// Every process that this one started, and that those started.
    pub(super) fn descendants(self) -> Vec<Self> {
        let all = all();
        let mut found: Vec<Self> = Vec::new();
        let mut parents = vec![self.pid];
        while let Some(parent) = parents.pop() {
            for (child, _) in all.iter().filter(|(_, its_parent)| *its_parent == parent) {
                parents.push(child.pid);
                found.push(*child);
            }
        }
        found
    }
}

/// Every process with its parent.
fn all() -> Vec<(Identity, u32)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| {
        stat(pid).map(|stat| {
            (
                Identity {
                    pid,
                    started: stat.started,
                },
                stat.parent,
            )
        })
    })
    .collect()
}

fn stat(pid: u32) -> Option<Stat> {
    parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The second field is the program's name in brackets, and may itself contain brackets and spaces.
fn parse(line: &str) -> Option<Stat> {
    let (_, rest) = line.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let state = *fields.first()?.as_bytes().first()?;
    Some(Stat {
        state,
        parent: fields.get(1)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
    })
}

fn contains(text: &[u8], needle: &[u8]) -> bool {
    text.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, id};

    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_confuse_the_parser() {
        let fields = (5..=22)
            .map(|field| field.to_string())
            .collect::<Vec<_>>()
            .join(" ");
        let stat = parse(&format!("7 (a) S 1 (b) R 4 {fields} 23")).unwrap();
        assert_eq!((stat.state, stat.parent, stat.started), (b'R', 4, 22));
    }

    #[test]
    fn a_process_is_recognised_until_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new("sleep")
            .arg("60")
            .current_dir(folder.path())
            .spawn()
            .unwrap();
        let identity = Identity::of(child.id()).unwrap();
        assert!(identity.is_running());
        assert!(identity.mentions(folder.path()));
        assert!(Identity::of(id()).unwrap().descendants().contains(&identity));
        let earlier = Identity {
            started: identity.started - 1,
            ..identity
        };
        earlier.signal(Signal::KILL);
        assert!(!earlier.is_running() && identity.is_running());
        identity.signal(Signal::KILL);
        child.wait().unwrap();
        assert!(!identity.is_running());
    }
}
