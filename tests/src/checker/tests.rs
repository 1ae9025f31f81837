//! The checker is checked: evidence of a clean run passes, and every kind of violation that is planted is found.

use std::collections::BTreeMap;

use serde_json::json;

use super::*;

const ID: &str = "b-1";

/// Ten items: index 3 succeeds with its second attempt, 5 is hopeless, 7 is refused until its attempts are used up.
fn plan() -> Plan {
    let item = |index| match index {
        3 => ItemPlan {
            refusals: 1,
            ..ItemPlan::default()
        },
        5 => ItemPlan {
            hopeless: true,
            ..ItemPlan::default()
        },
        7 => ItemPlan {
            refusals: 9,
            ..ItemPlan::default()
        },
        _ => ItemPlan::default(),
    };
    Plan {
        upload: "u-1".into(),
        items: (0..10).map(item).collect(),
        max_attempts: 3,
    }
}

fn outcome(plan: &Plan, index: u32) -> Outcome {
    let (state, attempt) = plan.items[index as usize].end(plan.max_attempts);
    Outcome {
        index,
        state: state.into(),
        attempt,
        error_kind: (state == "failed").then(|| "handler".into()),
        fingerprint: (state == "failed").then(|| "f".into()),
        duration_us: Some(2_000),
        output_fits: true,
    }
}

fn call(index: u32, attempt: u32) -> Call {
    Call {
        batch: ID.into(),
        index,
        attempt,
        upload: "u-1".into(),
        position: index,
        answer: plan().items[index as usize].answer(attempt),
    }
}

/// What a run without faults leaves behind.
fn clean() -> Evidence {
    let plan = plan();
    let counts = json!({"total": 10, "pending": 0, "queued": 0, "processing": 0, "retrying": 0, "waiting": 0,
                        "succeeded": 8, "failed": 2, "cancelled": 0});
    let result = json!({
        "batch_id": ID, "revision": 1, "success_rate": 0.8, "avg_item_time_ms": 2.0,
        "result_summary": {"total": 10, "succeeded": 8, "failed": 2, "cancelled": 0, "attempts": 13,
                           "errors": [{"fingerprint": "f", "count": 2, "sample": "no"}]},
    });
    let live = [
        ("total", "10"),
        ("pending", "0"),
        ("queued", "0"),
        ("processing", "0"),
        ("retrying", "0"),
        ("waiting", "0"),
        ("succeeded", "8"),
        ("failed", "2"),
        ("cancelled", "0"),
        ("state", "completed"),
        ("version", "40"),
    ];
    let seen = Seen {
        state: "completed".into(),
        total: 10,
        inputs: Some(10),
        version: Some(40),
        counters: Some(Tally {
            succeeded: 8,
            failed: 2,
            cancelled: 0,
            unsettled: 0,
        }),
        outcomes: (0..10).map(|index| outcome(&plan, index)).collect(),
        results: vec![ResultRow {
            revision: 1,
            result: result.clone(),
        }],
        left_over: 0,
        ended_long_ago: false,
        live: Some(live.map(|(name, value)| (name.into(), value.into())).into()),
        api: Some(json!({"state": "completed", "counts": counts})),
        api_result: Some(result),
        audit: Some(json!({"adds_up": true, "findings": []})),
    };
    let calls = (0..10).flat_map(|index| {
        let last = plan.items[index as usize].end(plan.max_attempts).1;
        (1..=last).map(move |attempt| call(index, attempt))
    });
    Evidence {
        calls: calls.collect(),
        batches: vec![BatchEvidence {
            id: ID.into(),
            plan: plan.clone(),
            asked_again: false,
            cancelled: false,
            revisions: 1,
            seen: Some(seen),
        }],
        unknown_batches: Vec::new(),
        no_duplicates: true,
        losses: 0,
    }
}

/// The kinds of violations after `spoil`.
fn found(spoil: impl FnOnce(&mut Evidence)) -> Vec<String> {
    let mut evidence = clean();
    spoil(&mut evidence);
    let report = check(&evidence);
    let kinds = report.violations.iter().map(|violation| {
        let value = serde_json::to_value(violation).unwrap();
        value["violation"].as_str().unwrap().to_owned()
    });
    kinds.collect()
}

fn seen(evidence: &mut Evidence) -> &mut Seen {
    evidence.batches[0].seen.as_mut().unwrap()
}

fn live(evidence: &mut Evidence) -> &mut BTreeMap<String, String> {
    seen(evidence).live.as_mut().unwrap()
}

#[test]
fn a_clean_run_passes() {
    let report = check(&clean());
    assert!(report.is_clean(), "{}", report.complaints());
    let expected = Report {
        attempted: 10,
        succeeded: 8,
        failed: 2,
        ..Report::default()
    };
    assert_eq!(report, expected);
}

#[test]
fn an_empty_batch_passes() {
    let mut evidence = clean();
    evidence.calls.clear();
    evidence.batches[0].plan.items.clear();
    let result = json!({"batch_id": ID, "revision": 1, "success_rate": 1.0, "avg_item_time_ms": 0.0,
        "result_summary": {"total": 0, "succeeded": 0, "failed": 0, "cancelled": 0, "attempts": 0, "errors": []}});
    *seen(&mut evidence) = Seen {
        state: "completed".into(),
        inputs: Some(0),
        results: vec![ResultRow { revision: 1, result }],
        ..Seen::default()
    };
    let report = check(&evidence);
    assert!(report.is_clean(), "{}", report.complaints());
}

#[test]
fn a_lost_batch_is_found() {
    let mut evidence = clean();
    evidence.batches[0].seen = None;
    let report = check(&evidence);
    assert_eq!(report.lost, 10);
    assert!(matches!(report.violations[..], [Violation::BatchLost { .. }]));
}

#[test]
fn a_lost_item_is_found() {
    let mut evidence = clean();
    seen(&mut evidence).outcomes.remove(4);
    let report = check(&evidence);
    assert_eq!(report.lost, 1);
    assert!(report.violations.contains(&Violation::ItemLost {
        batch: ID.into(),
        index: 4
    }));
}

#[test]
fn a_stuck_batch_is_found() {
    let kinds = found(|evidence| seen(evidence).state = "processing".into());
    assert_eq!(kinds, ["batch_stuck"]);
}

#[test]
fn missing_inputs_are_found() {
    assert!(found(|evidence| seen(evidence).inputs = Some(9)).contains(&"items_differ".into()));
    assert!(found(|evidence| seen(evidence).total = 11).contains(&"items_differ".into()));
}

#[test]
fn a_second_end_is_found() {
    let kinds = found(|evidence| {
        let again = seen(evidence).outcomes[2].clone();
        seen(evidence).outcomes.push(again);
    });
    assert!(kinds.contains(&"many_ends".into()), "{kinds:?}");
}

#[test]
fn an_item_that_nobody_submitted_is_found() {
    let kinds = found(|evidence| {
        let mut outcome = seen(evidence).outcomes[2].clone();
        outcome.index = 10;
        seen(evidence).outcomes.push(outcome);
    });
    assert!(kinds.contains(&"unknown_item".into()), "{kinds:?}");
}

#[test]
fn a_wrong_end_is_found() {
    for (index, state, attempt) in [
        (0, "failed", 1),
        (5, "succeeded", 1),
        (0, "cancelled", 1),
        (3, "succeeded", 1),
        (0, "succeeded", 2),
        (0, "queued", 1),
    ] {
        let kinds = found(|evidence| {
            let outcome = &mut seen(evidence).outcomes[index];
            (outcome.state, outcome.attempt) = (state.into(), attempt);
        });
        assert!(
            kinds.contains(&"wrong_end".into()),
            "{index} {state} {attempt}: {kinds:?}"
        );
    }
}

#[test]
fn cancelling_excuses_only_cancelled_items() {
    let cancelled = |evidence: &mut Evidence| {
        evidence.batches[0].cancelled = true;
        seen(evidence).outcomes[0].state = "cancelled".into();
        seen(evidence).outcomes[0].attempt = 0;
        seen(evidence).outcomes[1].state = "failed".into();
    };
    let wrong: Vec<String> = found(cancelled)
        .into_iter()
        .filter(|kind| kind == "wrong_end")
        .collect();
    assert_eq!(wrong.len(), 1);
}

#[test]
fn an_end_without_a_call_is_found() {
    let kinds = found(|evidence| evidence.calls.retain(|call| call.index != 6));
    assert_eq!(kinds, ["never_called"]);
    let kinds = found(|evidence| {
        evidence.calls.retain(|call| (call.index, call.attempt) != (3, 2));
    });
    assert_eq!(kinds, ["never_called"]);
    let kinds = found(|evidence| {
        let call = evidence.calls.iter_mut().find(|call| call.index == 6).unwrap();
        call.answer = Answer::Later;
    });
    assert_eq!(kinds, ["never_called"]);
}

/// Attempt 1 was given up for lost, and ended before attempt 2 began.
#[test]
fn a_lost_attempt_that_succeeds_counts_under_the_next_number() {
    let late = |losses| {
        found(|evidence| {
            evidence.losses = losses;
            let outcome = seen(evidence)
                .outcomes
                .iter_mut()
                .find(|outcome| outcome.index == 6);
            outcome.unwrap().attempt += 1;
            let seen = seen(evidence);
            for result in [&mut seen.results[0].result, seen.api_result.as_mut().unwrap()] {
                result["result_summary"]["attempts"] = json!(14);
            }
        })
    };
    assert_eq!(late(2), [""; 0]);
    assert_eq!(late(0), ["wrong_end"]);
}

#[test]
fn a_wrong_output_is_found() {
    let kinds = found(|evidence| seen(evidence).outcomes[1].output_fits = false);
    assert_eq!(kinds, ["wrong_output"]);
}

#[test]
fn an_attempt_over_the_budget_is_found() {
    let kinds = found(|evidence| evidence.calls.push(call(7, 4)));
    assert_eq!(kinds, ["over_budget"]);
}

#[test]
fn a_skipped_attempt_is_found() {
    let kinds = found(|evidence| {
        evidence.calls.retain(|call| (call.index, call.attempt) != (7, 2));
    });
    assert_eq!(kinds, ["attempt_skipped"]);
}

#[test]
fn counters_that_differ_from_rows_are_found() {
    let kinds = found(|evidence| seen(evidence).counters.as_mut().unwrap().succeeded = 9);
    assert_eq!(kinds, ["counts_differ"]);
    let kinds = found(|evidence| seen(evidence).counters.as_mut().unwrap().unsettled = 1);
    assert_eq!(kinds, ["counts_differ"]);
}

#[test]
fn an_api_that_differs_from_rows_is_found() {
    let kinds = found(|evidence| seen(evidence).api.as_mut().unwrap()["counts"]["queued"] = json!(1));
    assert_eq!(kinds, ["counts_differ"]);
    let kinds = found(|evidence| seen(evidence).api.as_mut().unwrap()["state"] = json!("processing"));
    assert_eq!(kinds, ["counts_differ"]);
}

#[test]
fn a_live_view_that_differs_from_the_store_is_found() {
    for (field, value) in [
        ("succeeded", "7"),
        ("state", "processing"),
        ("version", "39"),
        ("queued", "1"),
    ] {
        let kinds = found(|evidence| drop(live(evidence).insert(field.into(), value.into())));
        assert_eq!(kinds, ["counts_differ"], "{field}");
    }
    assert_eq!(found(|evidence| live(evidence).clear()), ["not_shown"]);
    let long_ago = found(|evidence| {
        live(evidence).clear();
        seen(evidence).ended_long_ago = true;
    });
    assert_eq!(long_ago, [""; 0]);
}

#[test]
fn a_result_that_differs_from_rows_is_found() {
    for (path, value) in [
        ("/result_summary/succeeded", json!(9)),
        ("/result_summary/failed", json!(1)),
        ("/result_summary/attempts", json!(12)),
        ("/result_summary/errors", json!([])),
        ("/success_rate", json!(0.9)),
        ("/avg_item_time_ms", json!(2.1)),
        ("/batch_id", json!("b-2")),
        ("/revision", json!(2)),
    ] {
        let kinds = found(|evidence| {
            let result = &mut seen(evidence).results[0].result;
            *result.pointer_mut(path).unwrap() = value;
            seen(evidence).api_result = None;
        });
        assert_eq!(kinds, ["counts_differ"], "{path}");
    }
    let kinds = found(|evidence| seen(evidence).api_result.as_mut().unwrap()["success_rate"] = json!(1));
    assert_eq!(kinds, ["result_differs"]);
}

#[test]
fn missing_and_additional_results_are_found() {
    assert_eq!(found(|evidence| seen(evidence).results.clear()), ["revisions"]);
    let kinds = found(|evidence| {
        let mut again = seen(evidence).results[0].clone();
        again.revision = 2;
        seen(evidence).results.insert(0, again);
    });
    assert_eq!(kinds, ["revisions"]);
}

#[test]
fn what_is_left_over_is_found() {
    assert_eq!(found(|evidence| seen(evidence).left_over = 1), ["left_over"]);
}

#[test]
fn a_call_that_nobody_asked_for_is_found() {
    let kinds = found(|evidence| {
        let mut call = call(0, 1);
        (call.batch, call.upload) = ("b-2".into(), "cut-off".into());
        evidence.calls.push(call);
    });
    assert_eq!(kinds, ["unexpected_call"]);
    let kinds = found(|evidence| {
        let mut call = call(0, 1);
        call.index = 10;
        evidence.calls.push(call);
    });
    assert_eq!(kinds, ["unexpected_call"]);
    let kinds = found(|evidence| {
        let mut call = call(0, 1);
        call.position = 1;
        evidence.calls.push(call);
    });
    assert_eq!(kinds, ["wrong_item"]);
}

#[test]
fn a_batch_that_nobody_was_promised_is_found() {
    let kinds = found(|evidence| evidence.unknown_batches.push("b-9".into()));
    assert_eq!(kinds, ["unexpected_batch"]);
}

#[test]
fn an_audit_that_finds_something_is_found() {
    let kinds = found(|evidence| seen(evidence).audit = Some(json!({"adds_up": false, "findings": [{}]})));
    assert_eq!(kinds, ["audit"]);
}

/// An item that workers were lost with goes on with the next number, and with as many attempts as it had left.
#[test]
fn a_loss_takes_a_number_and_no_attempt() {
    let shift = |evidence: &mut Evidence, index: u32, by: u32| {
        for call in evidence.calls.iter_mut().filter(|call| call.index == index) {
            call.attempt += by;
        }
        let batch = seen(evidence);
        batch.outcomes[index as usize].attempt += by;
        let attempts = &mut batch.results[0].result["result_summary"]["attempts"];
        *attempts = json!(attempts.as_u64().unwrap() + u64::from(by));
        batch.api_result = None;
    };
    for (losses, by, index, kind) in [
        (2, 2, 0, None),
        (2, 2, 7, None),
        (2, 3, 0, Some("wrong_end")),
        (2, 3, 7, Some("over_budget")),
        (0, 1, 0, Some("wrong_end")),
        (0, 1, 7, Some("over_budget")),
    ] {
        let kinds = found(|evidence| {
            evidence.losses = losses;
            shift(evidence, index, by);
        });
        match kind {
            None => assert!(kinds.is_empty(), "{index} {by}: {kinds:?}"),
            Some(kind) => assert!(kinds.contains(&kind.into()), "{index} {by}: {kinds:?}"),
        }
    }
}

#[test]
fn a_duplicate_counts_and_needs_an_excuse() {
    let kinds = found(|evidence| evidence.calls.push(call(0, 1)));
    assert_eq!(kinds, ["called_again"]);
    let mut evidence = clean();
    evidence.no_duplicates = false;
    evidence.calls.extend([call(0, 1), call(0, 1), call(3, 2)]);
    let report = check(&evidence);
    assert!(report.is_clean(), "{}", report.complaints());
    assert_eq!((report.duplicated, report.recovered), (3, 2));
}
