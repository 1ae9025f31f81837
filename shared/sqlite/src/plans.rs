//! How SQLite would go about a statement, for tests: what reads all of a table is slow one day.

use rusqlite::Connection;

/// The steps of the plan of `sql`, on the schema of this version.
pub(crate) fn plan(sql: &str) -> Vec<String> {
    let mut db = Connection::open_in_memory().unwrap();
    crate::migrate::run(&mut db).unwrap();
    let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    for parameter in 1..=plan.parameter_count() {
        plan.raw_bind_parameter(parameter, 0).unwrap();
    }
    let mut rows = plan.raw_query();
    let mut steps = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        steps.push(row.get("detail").unwrap());
    }
    steps
}

/// No step reads a table from end to end, or sorts.
#[track_caller]
pub(crate) fn assert_direct(sql: &str) {
    let steps = plan(sql);
    let slow = |step: &&String| {
        let list = step.contains("json_each");
        (step.contains("SCAN") && !list) || step.contains("TEMP B-TREE")
    };
    assert_eq!(steps.iter().find(slow), None, "{sql}");
}
