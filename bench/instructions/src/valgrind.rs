//! Counts with valgrind: how many instructions a path takes, without those of the start of the program.

use std::collections::BTreeMap;
use std::env;
use std::io::ErrorKind;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result, bail};

use crate::paths::Path;

/// Runs at once: more than that disturb others on the machine, and not the figures.
const AT_ONCE: usize = 2;

/// Instructions per item, by the name of the path.
pub(crate) type Counts = BTreeMap<&'static str, u64>;

/// Counts `paths`.
pub(crate) fn count(paths: &[&'static Path]) -> Result<Counts> {
    let next = AtomicUsize::new(0);
    let some = || {
        let mut counts = Vec::new();
        while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
            counts.push((path.name, per_item(path)?));
        }
        Ok(counts)
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(some)).collect();
        let mut counts = Counts::new();
        for one in running {
            let counted: Result<Vec<_>> = one.join().expect("a thread that counts does not panic");
            counts.extend(counted?);
        }
        Ok(counts)
    })
}

/// What the second half of twice as many turns takes: whatever happens once is in both runs.
fn per_item(path: &Path) -> Result<u64> {
    let (some, twice) = (total(path, path.turns)?, total(path, 2 * path.turns)?);
    let items = u64::from(path.turns) * u64::from(path.items);
    Ok(twice.saturating_sub(some) / items)
}

/// All instructions of a run of this program.
fn total(path: &Path, turns: u32) -> Result<u64> {
    let program = env::current_exe().context("where this program is")?;
    let output = Command::new("valgrind")
        // Nobody's ~/.valgrindrc or $VALGRIND_OPTS.
        .args(["--command-line-only=yes", "--tool=callgrind"])
        .arg("--callgrind-out-file=/dev/null")
        .arg(program)
        .args(["run", path.name, "--times", &turns.to_string()])
        .output();
    let output = match output {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("valgrind is missing. Install it and try again:  apt-get install valgrind")
        }
        other => other.context("start valgrind")?,
    };
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said
        .lines()
        .find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok());
    match collected {
        Some(instructions) if output.status.success() => Ok(instructions),
        _ => bail!("{} under valgrind: {}\n{said}", path.name, output.status),
    }
}
