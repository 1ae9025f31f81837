//! `docs/amqp.md` is read by people who write workers in other languages: it must say what this crate does.

use std::time::Duration;

use flotilla_core::message::{ItemMessage, MAX_PROPERTY, Report, VERSION, Verdict, header};
use flotilla_core::ports::broker::{DELIVERY_LIMIT, ISOLATED_DELIVERY_LIMIT, SUSPECT_AFTER, Topology};
use flotilla_core::{BatchId, Json, Pool, Space};

use crate::topology::{Argument, EXCHANGES, declared};

const DOCS: &str = include_str!("../../../docs/amqp.md");

/// The row of a table whose first cell is `name`.
fn row(name: &str) -> Option<Vec<&'static str>> {
    let start = format!("| `{name}` |");
    let row = DOCS.lines().find(|line| line.starts_with(&start))?;
    Some(
        row.split('|')
            .map(|cell| cell.trim().trim_matches('`'))
            .skip(1)
            .collect(),
    )
}

#[test]
fn every_argument_is_documented() {
    let topology = Topology {
        pools: vec![Pool::default()],
        shards: 1,
    };
    let columns = [
        "flotilla.work",
        "flotilla.isolate",
        "flotilla.reports",
        "flotilla.dead",
        "flotilla.parked",
    ];
    for queue in declared(&topology) {
        let column = columns
            .iter()
            .position(|prefix| queue.name.starts_with(prefix))
            .unwrap();
        for (name, argument) in &queue.arguments {
            let value = match argument {
                Argument::Text(text) => (*text).to_owned(),
                Argument::Number(number) => number.to_string(),
                Argument::Flag => "true".to_owned(),
            };
            let row = row(name).unwrap_or_else(|| panic!("{name} is not documented"));
            assert_eq!(row[column + 1], value, "{name} of {}", queue.name);
        }
        let documented = row("x-delivery-limit").unwrap()[column + 1];
        let declares = queue
            .arguments
            .iter()
            .any(|(name, _)| *name == "x-delivery-limit");
        assert_eq!(!documented.is_empty(), declares, "{}", queue.name);
    }
    for exchange in EXCHANGES {
        assert!(row(exchange).is_some(), "{exchange}");
    }
}

#[test]
fn what_an_item_says_is_documented() {
    for name in [header::ENVELOPE, header::TRACEPARENT] {
        assert_eq!(
            row(name).unwrap_or_else(|| panic!("{name} is not documented"))[1],
            "text"
        );
    }
    let item = ItemMessage {
        batch: BatchId::LOWEST,
        index: 0,
        attempt: 1,
        max_attempts: 3,
        timeout: Duration::from_secs(30),
        space: Space::default(),
        job_type: "x".repeat(MAX_PROPERTY + 1),
        pool: Pool::default(),
        traceparent: None,
        epoch: 4,
        isolated: true,
        callback: Some("https://flotilla.test/v1/callbacks/abc".into()),
        input: Json::null(),
    };
    let mut json = Vec::new();
    item.write_envelope(&mut json).unwrap();
    let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&json).unwrap();
    for (name, value) in fields {
        let documented = row(&name).unwrap_or_else(|| panic!("{name} is not documented"));
        let kind = match value {
            serde_json::Value::Number(_) => "integer",
            serde_json::Value::Bool(_) => "boolean",
            _ => "text",
        };
        assert_eq!(documented[1], kind, "{name}");
    }
    assert!(DOCS.contains(&format!("version of this contract: `{VERSION}`")));
}

#[test]
fn the_reports_shown_can_be_read() {
    let examples: Vec<_> = DOCS
        .split("```json\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    let reports = examples
        .iter()
        .map(|example| Report::decode(example.as_bytes()).unwrap());
    let reports: Vec<_> = reports.collect();
    assert_eq!(reports.len(), 3);
    assert_eq!(reports[0].items.len(), 2);
    assert_eq!(reports[1].items.len(), 4);
    let heartbeat = reports[2].heartbeat.as_ref().unwrap();
    assert_eq!(heartbeat.doing.len(), 1);
}

/// The name of a verdict. A new one breaks this, and has to be documented.
fn name(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Done(_) => "done",
        Verdict::Fail(_) => "fail",
        Verdict::Retry { .. } => "retry",
        Verdict::Waiting(_) => "waiting",
        Verdict::Leased { .. } => "leased",
        Verdict::Cancelled => "cancelled",
        Verdict::Released => "released",
        Verdict::Lost => "lost",
    }
}

#[test]
fn every_verdict_is_documented_as_it_is_read() {
    let (_, table) = DOCS.split_once("| verdict | says |").unwrap();
    let shown = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let shown = shown.map(|line| line.split('`').nth(1).unwrap());
    let names = shown.map(|shown| {
        let error = r#"{"kind": "handler", "message": "no"}"#;
        let example = shown
            .replace(r#"{"kind": KIND, "message": TEXT}"#, error)
            .replace("ANY JSON", "[1]")
            .replace("TEXT", r#""text""#)
            .replace("PERCENT", "50")
            .replace(": N", ": 7");
        let report = format!(
            r#"{{"v":1,"worker":"w","items":[{{"batch":"01938f6e-0000-7000-8000-000000000007","index":0,"attempt":1,
            "started_at":"2026-11-21T20:00:00Z","duration_us":0,"verdict":{example}}}]}}"#
        );
        let report = Report::decode(report.as_bytes()).unwrap_or_else(|error| panic!("{example}: {error}"));
        name(&report.items[0].verdict)
    });
    let all = [
        "done",
        "fail",
        "retry",
        "waiting",
        "leased",
        "cancelled",
        "released",
        "lost",
    ];
    assert_eq!(names.collect::<Vec<_>>(), all);
}

#[test]
fn the_limits_in_the_prose_are_those_of_the_code() {
    let after =
        format!("came back {DELIVERY_LIMIT} times ({ISOLATED_DELIVERY_LIMIT} times to an isolation queue)");
    let suspect = format!("came back {SUSPECT_AFTER} times or more");
    let example = format!("came_back >= {SUSPECT_AFTER} and");
    for said in [after, suspect, example] {
        assert!(DOCS.contains(&said), "{said}");
    }
}
