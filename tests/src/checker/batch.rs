//! One batch: every item has one end, the one that its handler said, and every place says the same.

use std::collections::BTreeMap;

use serde_json::Value;

use super::calls::{Attempt, Calls};
use super::evidence::{Answer, BatchEvidence, ItemPlan, Outcome, Seen, Tally};
use super::{Report, Violation, result};

pub(super) fn check(batch: &BatchEvidence, calls: &Calls<'_>, losses: u32, report: &mut Report) {
    let items = batch.plan.items.len() as u32;
    report.attempted += u64::from(items);
    let Some(seen) = &batch.seen else {
        report.lost += u64::from(items);
        report.violations.push(Violation::BatchLost {
            batch: batch.id.clone(),
            upload: batch.plan.upload.clone(),
            items,
        });
        return;
    };
    let rows = seen.inputs.unwrap_or(items);
    if (seen.total, rows) != (items, items) {
        report.lost += u64::from(items.saturating_sub(rows.min(seen.total)));
        report.violations.push(Violation::ItemsDiffer {
            batch: batch.id.clone(),
            uploaded: items,
            total: seen.total,
            rows,
        });
    }
    let tally = check_items(batch, seen, calls, losses, report);
    if let Some(audit) = seen.audit.as_ref().filter(|audit| audit["adds_up"] != true) {
        report.violations.push(Violation::Audit {
            batch: batch.id.clone(),
            findings: audit["findings"].to_string(),
        });
    }
    let ended = matches!(seen.state.as_str(), "completed" | "failed" | "cancelled");
    if !ended {
        report.stuck += 1;
        report.violations.push(Violation::BatchStuck {
            batch: batch.id.clone(),
            state: seen.state.clone(),
            unsettled: items.saturating_sub(tally.succeeded + tally.failed + tally.cancelled),
        });
        return;
    }
    check_counts(batch, seen, tally, report);
    result::check(batch, seen, tally, report);
    if seen.left_over > 0 {
        report.violations.push(Violation::LeftOver {
            batch: batch.id.clone(),
            rows: seen.left_over,
        });
    }
}

/// Answers how many rows there are of each kind.
fn check_items(
    batch: &BatchEvidence,
    seen: &Seen,
    calls: &Calls<'_>,
    losses: u32,
    report: &mut Report,
) -> Tally {
    let mut ends: BTreeMap<u32, u32> = BTreeMap::new();
    let mut tally = Tally::default();
    for outcome in &seen.outcomes {
        *ends.entry(outcome.index).or_default() += 1;
        match outcome.state.as_str() {
            "succeeded" => tally.succeeded += 1,
            "failed" => tally.failed += 1,
            "cancelled" => tally.cancelled += 1,
            _ => tally.unsettled += 1,
        }
        let Some(&plan) = batch.plan.items.get(outcome.index as usize) else {
            report.unexpected += 1;
            report.violations.push(Violation::UnknownItem {
                batch: batch.id.clone(),
                index: outcome.index,
            });
            continue;
        };
        let called = calls.of(&batch.id, outcome.index);
        report
            .violations
            .extend(end(batch, plan, outcome, called, losses));
    }
    for index in 0..batch.plan.items.len() as u32 {
        match ends.get(&index).copied().unwrap_or(0) {
            0 => {
                report.lost += 1;
                report.violations.push(Violation::ItemLost {
                    batch: batch.id.clone(),
                    index,
                });
            }
            1 => {
                let hit = calls
                    .of(&batch.id, index)
                    .is_some_and(|attempts| attempts.values().any(|attempt| attempt.calls > 1));
                report.recovered += u64::from(hit || batch.asked_again);
            }
            ends => report.violations.push(Violation::ManyEnds {
                batch: batch.id.clone(),
                index,
                ends,
            }),
        }
        if let Some(attempts) = calls.of(&batch.id, index) {
            report.violations.extend(budget(batch, index, attempts, losses));
        }
    }
    report.succeeded += u64::from(tally.succeeded);
    report.failed += u64::from(tally.failed);
    report.cancelled += u64::from(tally.cancelled);
    tally
}

/// Attempts are numbered from 1, up to what the batch allows, without a gap but for those that workers were lost with before
/// they began.
fn budget(
    batch: &BatchEvidence,
    index: u32,
    attempts: &BTreeMap<u32, Attempt>,
    losses: u32,
) -> Option<Violation> {
    let (&last, _) = attempts.last_key_value()?;
    let (id, allowed) = (batch.id.clone(), batch.plan.max_attempts + losses);
    if last > allowed {
        return Some(Violation::OverBudget {
            batch: id,
            index,
            attempt: last,
            allowed,
        });
    }
    (attempts.len() as u32 + losses < last).then_some(Violation::AttemptSkipped {
        batch: id,
        index,
        attempt: last,
    })
}

/// The end of an item is the one that its handler said, in a call that was really made.
fn end(
    batch: &BatchEvidence,
    plan: ItemPlan,
    outcome: &Outcome,
    called: Option<&BTreeMap<u32, Attempt>>,
    losses: u32,
) -> Option<Violation> {
    let (id, index, attempt) = (batch.id.clone(), outcome.index, outcome.attempt);
    if outcome.state == "cancelled" && batch.cancelled {
        return None;
    }
    let (state, first) = plan.end(batch.plan.max_attempts);
    if outcome.state != state || !(first..=first + losses).contains(&attempt) {
        let kind = outcome.error_kind.as_deref().unwrap_or("no error");
        return Some(Violation::WrongEnd {
            batch: id,
            index,
            expected: format!("{state} with attempt {first}"),
            found: format!("{} with attempt {attempt} ({kind})", outcome.state),
        });
    }
    // An attempt that was given up for lost may succeed after all, when the next one has its number already: it counts, and
    // under that number.
    let since = if state == "succeeded" {
        attempt.saturating_sub(losses)
    } else {
        attempt
    };
    let mut answers = called
        .into_iter()
        .flat_map(|attempts| attempts.range(since..=attempt));
    let said_so = answers.any(|(_, one)| match one.answer {
        Answer::Done => state == "succeeded",
        Answer::Later | Answer::Never => state == "failed",
    });
    if !said_so {
        return Some(Violation::NeverCalled {
            batch: id,
            index,
            attempt,
        });
    }
    (!outcome.output_fits).then_some(Violation::WrongOutput { batch: id, index })
}

/// The counters, the live view and the API count what the rows count.
fn check_counts(batch: &BatchEvidence, seen: &Seen, rows: Tally, report: &mut Report) {
    let mut differ = |place: &'static str, what: &str, expected: String, found: String| {
        if expected != found {
            report.violations.push(Violation::CountsDiffer {
                batch: batch.id.clone(),
                place,
                what: what.to_owned(),
                expected,
                found,
            });
        }
    };
    if let Some(counters) = seen.counters {
        differ("counters", "all", format!("{rows:?}"), format!("{counters:?}"));
    }
    let counts = [
        ("total", seen.total),
        ("succeeded", rows.succeeded),
        ("failed", rows.failed),
        ("cancelled", rows.cancelled),
        ("pending", 0),
        ("queued", 0),
        ("processing", 0),
        ("retrying", 0),
        ("waiting", 0),
    ];
    let text = |value: Option<&Value>| match value {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => "nothing".to_owned(),
    };
    if let Some(api) = &seen.api {
        differ("api", "state", seen.state.clone(), text(api.get("state")));
        for (what, count) in counts {
            differ("api", what, count.to_string(), text(api["counts"].get(what)));
        }
    }
    let Some(live) = &seen.live else { return };
    if live.is_empty() {
        if seen.ended_long_ago {
            return;
        }
        report.violations.push(Violation::NotShown {
            batch: batch.id.clone(),
        });
        return;
    }
    let field = |name: &str| live.get(name).cloned().unwrap_or_else(|| "nothing".to_owned());
    differ("live view", "state", seen.state.clone(), field("state"));
    if let Some(version) = seen.version {
        differ("live view", "version", version.to_string(), field("version"));
    }
    for (what, count) in counts {
        differ("live view", what, count.to_string(), field(what));
    }
}
