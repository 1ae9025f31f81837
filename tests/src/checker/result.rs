//! The result of a batch is written once, and is what its rows add up to.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::evidence::{BatchEvidence, Seen, Tally};
use super::{Report, Violation};

/// Groups of errors that a result names; the rest is one more group.
const MAX_GROUPS: usize = 50;

pub(super) fn check(batch: &BatchEvidence, seen: &Seen, rows: Tally, report: &mut Report) {
    let found: Vec<u32> = seen.results.iter().map(|row| row.revision).collect();
    if found != (1..=batch.revisions).collect::<Vec<_>>() {
        report.violations.push(Violation::Revisions {
            batch: batch.id.clone(),
            expected: batch.revisions,
            found,
        });
    }
    let Some(latest) = seen.results.last() else {
        return;
    };
    let mut differ = |what: &str, expected: Value, found: &Value| {
        let same = match (expected.as_f64(), found.as_f64()) {
            (Some(expected), Some(found)) => (expected - found).abs() <= 1e-6 * expected.abs().max(1.0),
            _ => expected == *found,
        };
        if !same {
            report.violations.push(Violation::CountsDiffer {
                batch: batch.id.clone(),
                place: "result",
                what: what.to_owned(),
                expected: expected.to_string(),
                found: found.to_string(),
            });
        }
    };
    let (result, summary) = (&latest.result, &latest.result["result_summary"]);
    differ("batch_id", json!(batch.id), &result["batch_id"]);
    differ("revision", json!(batch.revisions), &result["revision"]);
    differ("total", json!(seen.total), &summary["total"]);
    differ("succeeded", json!(rows.succeeded), &summary["succeeded"]);
    differ("failed", json!(rows.failed), &summary["failed"]);
    differ("cancelled", json!(rows.cancelled), &summary["cancelled"]);
    let attempts: u64 = seen.outcomes.iter().map(|row| u64::from(row.attempt)).sum();
    differ("attempts", json!(attempts), &summary["attempts"]);
    let rate = f64::from(rows.succeeded) / f64::from(seen.total.max(1));
    let rate = if seen.total == 0 { 1.0 } else { rate };
    differ("success_rate", json!(rate), &result["success_rate"]);
    if seen.inputs.is_some() {
        let us: i64 = seen.outcomes.iter().filter_map(|row| row.duration_us).sum();
        let average = us as f64 / 1_000.0 / f64::from(seen.total.max(1));
        differ("avg_item_time_ms", json!(average), &result["avg_item_time_ms"]);
    }
    let (of_rows, of_result) = groups(seen, summary);
    differ("errors", of_rows, &of_result);
    // What follows on a batch is told with its result, and not part of it.
    let told = seen.api_result.clone().map(|mut told| {
        if let Some(members) = told.as_object_mut() {
            members.remove("on_complete");
        }
        told
    });
    if told.as_ref().is_some_and(|told| told != result) {
        report.violations.push(Violation::ResultDiffers {
            batch: batch.id.clone(),
        });
    }
}

/// Failures by fingerprint, as the rows have them and as the result has them; only how many, where fingerprints can't be
/// seen, or are too many for the result to name all.
fn groups(seen: &Seen, summary: &Value) -> (Value, Value) {
    let mut of_rows: BTreeMap<&str, u64> = BTreeMap::new();
    for row in seen.outcomes.iter().filter(|row| row.state == "failed") {
        *of_rows
            .entry(row.fingerprint.as_deref().unwrap_or_default())
            .or_default() += 1;
    }
    let listed = summary["errors"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let of_result: BTreeMap<&str, u64> = listed
        .iter()
        .filter_map(|group| Some((group["fingerprint"].as_str()?, group["count"].as_u64()?)))
        .collect();
    if seen.inputs.is_some() && of_rows.len() <= MAX_GROUPS {
        return (json!(of_rows), json!(of_result));
    }
    let sum = |groups: &BTreeMap<&str, u64>| json!(groups.values().sum::<u64>());
    (sum(&of_rows), sum(&of_result))
}
