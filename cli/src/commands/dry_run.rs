//! What an upload would amount to, in words.

use std::fmt::Write;

use anyhow::Result;
use serde_json::Value;

use crate::client::Reply;
use crate::client::view::{DryRun, Estimate};
use crate::exit::Exit;
use crate::output::{self, Output, duration, item_errors, number, text};

/// Of an item, so many characters are shown.
const LONGEST: usize = 2_000;

/// Prints the answer to a dry run.
pub(super) fn report(reply: &Reply, output: Output) -> Result<Exit> {
    if output.is_json() {
        output::print(&reply.text)?;
    } else {
        output::print(&describe(&reply.to()?))?;
    }
    Ok(Exit::Fine)
}

fn describe(run: &DryRun) -> String {
    let mut out = format!("{}, {}", number::items(run.items), number::bytes(run.bytes));
    // Writing to a String can't fail, here and below.
    if run.skipped > 0 {
        let _ = write!(out, "; {} would be skipped", number::grouped(run.skipped));
    }
    out.push('\n');
    if let Some(estimate) = &run.estimate {
        let _ = writeln!(out, "{}", time(estimate));
    }
    if let Some(first) = &run.first {
        let _ = writeln!(out, "the first item: {}", text::clean(first.get(), LONGEST));
    }
    if !run.errors.is_empty() {
        let errors = item_errors::describe(&run.errors, run.errors_total);
        let _ = write!(out, "not valid:\n{errors}");
    }
    out.push_str("Nothing was stored.\n");
    out
}

fn time(estimate: &Estimate) -> String {
    let (low, high) = (
        duration::seconds(estimate.low_s),
        duration::seconds(estimate.high_s),
    );
    let range = if low == high {
        low
    } else {
        format!("{low} to {high}")
    };
    let from = match &estimate.based_on {
        Value::Null => String::new(),
        Value::String(from) => format!(", from {}", text::clean(from, 200)),
        from => format!(", from {}", text::clean(&from.to_string(), 200)),
    };
    format!("would take {range}{from}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_how_much_how_long_and_what() {
        let run = |json: &str| describe(&serde_json::from_str(json).unwrap());
        assert_eq!(
            run(
                r#"{"items": 1200, "skipped": 2, "bytes": 4096, "first": {"a": "x\ny"},
                "estimate": {"low_s": 30, "high_s": 61.5, "based_on": "3 batches"},
                "errors": [{"line": 3, "pointer": "/a", "detail": "must be a number"}], "errors_total": 2}"#
            ),
            "1,200 items, 4.0 KiB; 2 would be skipped\nwould take 30 s to 1 m 01 s, from 3 batches\n\
             the first item: {\"a\": \"x\\ny\"}\nnot valid:\n  line 3, /a: must be a number\n  and 1 more\nNothing was stored.\n"
        );
        assert_eq!(
            run(r#"{"items": 0, "skipped": 0, "bytes": 0, "estimate": null, "first": null, "errors": []}"#),
            "0 items, 0 B\nNothing was stored.\n"
        );
    }
}
