//! Compares what was counted with what was recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::env::{self, consts::ARCH};

use anyhow::{Result, bail};

use crate::figures::Figures;
use crate::valgrind::Counts;

/// How far a figure may be from the recorded one. Most are the same to the instruction, on a machine that is busy or idle
/// and whatever the environment; the keys of hash maps move one by 0.1 %, the folder of the program another by 0.2 %. The
/// rest is room for what other changes to a crate do to inlining in it.
const TOLERANCE: f64 = 0.05;

/// Figures of one profile say nothing about another.
pub(crate) fn same_build() -> Result<()> {
    if !cfg!(debug_assertions) {
        bail!("the recorded figures are those of the dev profile, and this is another one");
    }
    Ok(())
}

/// Fails where one of `counts` differs by more than the tolerance, has no figure, or, where these are `all`, where there
/// is a figure and nothing to count. Cheaper is a difference too: unless the new figure is recorded, the gain can be lost
/// again unseen.
pub(crate) fn compare(recorded: &Figures, counts: &Counts, all: bool) -> Result<()> {
    let expected: BTreeMap<&str, u64> = recorded.here().collect();
    let counted = counts.keys().copied();
    let gone = expected.keys().copied().filter(|_| all);
    let names: BTreeSet<&str> = counted.chain(gone).collect();
    println!("{:16} {:>10} {:>10} {:>6}", "path", "recorded", "now", "ratio");
    let mut wrong = Vec::new();
    for name in names {
        let verdict = match (expected.get(name), counts.get(name)) {
            (Some(&expected), Some(&count)) => {
                let ratio = count as f64 / expected as f64;
                println!("{name:16} {expected:>10} {count:>10} {ratio:>6.3}");
                different(expected, count, ratio)
            }
            (None, Some(_)) => Some(format!("nothing is recorded for {ARCH}")),
            _ => Some("there is no such path any more".into()),
        };
        wrong.extend(verdict.map(|verdict| format!("  {name}: {verdict}\n")));
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let program =
        env::current_exe().map_or_else(|_| "flotilla-instructions".into(), |it| it.display().to_string());
    bail!(
        "instructions per item are not what was recorded, give or take {} %:\n{}\
         If that is meant, record it and say why in the commit:\n  {program} check --record",
        TOLERANCE * 100.0,
        wrong.concat()
    )
}

fn different(expected: u64, count: u64, ratio: f64) -> Option<String> {
    let how = match ratio - 1.0 {
        more if more > TOLERANCE => "dearer",
        less if less < -TOLERANCE => "cheaper",
        _ => return None,
    };
    Some(format!("{how}: {count} in place of {expected}, {ratio:.3} of it"))
}
