//! What the tests process, and the ledger in which the handler notes every call.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// A handler that notes each item that it gets in a file, and answers with the item. It runs for many items, one JSON
/// per line, so that ten thousand of them take seconds.
pub(crate) struct Ledger {
    file: PathBuf,
    script: PathBuf,
}

impl Ledger {
    pub(crate) fn new(folder: &Path) -> Self {
        let (file, script) = (folder.join("ledger"), folder.join("ledger.sh"));
        // A line shorter than a page is appended whole, whoever else appends.
        let text = format!(
            "while IFS= read -r item; do printf '%s\\n' \"$item\" >> '{}'; printf '%s\\n' \"$item\"; done\n",
            file.display()
        );
        std::fs::write(&script, text).expect("the script can be written");
        Self { file, script }
    }

    /// `flotilla.toml` with the job type `ledger`.
    pub(crate) fn config(&self) -> String {
        format!(
            "[job_types.ledger]\nhandler = {{ kind = \"exec\", mode = \"lines\", command = [\"sh\", \"{}\"] }}\n",
            self.script.display()
        )
    }

    /// Its length in bytes: grows with every call.
    pub(crate) fn len(&self) -> u64 {
        std::fs::metadata(&self.file).map_or(0, |file| file.len())
    }

    /// How often each item was handled.
    pub(crate) fn calls(&self) -> BTreeMap<String, u32> {
        let mut calls = BTreeMap::new();
        for line in std::fs::read_to_string(&self.file).unwrap_or_default().lines() {
            *calls.entry(line.to_owned()).or_default() += 1;
        }
        calls
    }
}

/// `count` items for the job type `ledger`, all different.
pub(crate) fn plain(count: u32) -> String {
    (0..count).map(|n| format!("{{\"n\":{n}}}\n")).collect()
}

/// `count` items for the job type `sleep`, some of which fail with one of two errors, in different spellings of JSON.
pub(crate) fn mixed(count: u32) -> String {
    (0..count)
        .map(|n| match n % 10 {
            3 => format!("{{\"ms\":0,\"fail\":\"record {n} is broken\",\"custom_id\":\"c{n}\"}}\n"),
            7 if n % 100 == 7 => format!("{{\"fail\":true,\"ms\":1,\"n\":{n}}}\n"),
            5 => format!("{{ \"ms\": 0, \"text\": \"ü \\u00e9 \\\"{n}\\\" €\" }}\n"),
            _ => format!("{{\"ms\":0,\"n\":{n}}}\n"),
        })
        .collect()
}

/// What must be the same however an item was processed: everything but times and attempts.
pub(crate) fn essence(item: &Value) -> Value {
    json!({
        "index": item["index"],
        "custom_id": item["custom_id"],
        "state": item["state"],
        "output": item["output"],
        "error": item["error"],
    })
}
