//! `docs/amqp.md` is read by people who write workers in other languages: it must say what this crate does.

use flotilla_core::Pool;
use flotilla_core::message::{Report, header};
use flotilla_core::ports::broker::Topology;

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
fn every_header_is_documented() {
    for name in [
        header::VERSION,
        header::BATCH,
        header::INDEX,
        header::ATTEMPT,
        header::MAX_ATTEMPTS,
        header::TIMEOUT_MS,
        header::SPACE,
        header::POOL,
        header::JOB_TYPE,
        header::TRACEPARENT,
    ] {
        let kind = row(name).unwrap_or_else(|| panic!("{name} is not documented"))[1];
        let expected = if crate::wire::NUMBERS.contains(&name) {
            "integer"
        } else {
            "text"
        };
        assert_eq!(kind, expected, "{name}");
    }
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
    assert_eq!(reports.len(), 2);
    assert_eq!(reports[0].items.len(), 2);
    assert!(reports[1].heartbeat.is_some());
}
