//! What processes cost: CPU seconds and peak memory, from `/proc`.

use std::fs;

/// CPU time and memory of a process and of all processes below it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// User and system time, including that of children that have ended, in seconds.
    pub(crate) cpu_s: f64,
    /// The largest resident memory of any one process of the tree, in bytes: PostgreSQL's processes share most of theirs.
    pub(crate) peak_bytes: u64,
}

/// Linux counts CPU time in hundredths of a second, whatever its own tick is.
const TICKS_PER_S: f64 = 100.0;

impl Usage {
    /// Reads the tree below `pid`.
    pub(crate) fn of_tree(pid: u32) -> Self {
        let mut usage = Self::of_process(pid);
        for child in children(pid) {
            let of_child = Self::of_tree(child);
            usage.cpu_s += of_child.cpu_s;
            usage.peak_bytes = usage.peak_bytes.max(of_child.peak_bytes);
        }
        usage
    }

    /// What was used since `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            cpu_s: self.cpu_s - before.cpu_s,
            ..self
        }
    }

    /// Reads one process, without those below it.
    pub(crate) fn of_process(pid: u32) -> Self {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The name may contain spaces: fields are counted from the parenthesis after it.
        let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        let fields: Vec<f64> = after_name
            .split(' ')
            .map(|field| field.parse().unwrap_or(0.0))
            .collect();
        let ticks: f64 = fields.get(11..15).map_or(0.0, |times| times.iter().sum());
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peak
            .and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok())
            .unwrap_or(0);
        Self {
            cpu_s: ticks / TICKS_PER_S,
            peak_bytes: kib * 1024,
        }
    }
}

fn children(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<_>>()
        })
        .collect()
}
