//! The distributed engine: two APIs, three workers, two schedulers.

use std::collections::BTreeMap;
use std::time::Duration;

use flotilla_tests::{Sandbox, eventually, free_port};

use crate::fleet::{Fleet, Size};
use crate::workload::{Ledger, plain};

const ITEMS: u32 = 10_000;
const PATIENCE: Duration = Duration::from_secs(120);
const FULL: Size = Size {
    apis: 2,
    workers: 3,
    schedulers: 2,
};

/// Three workers share the work, no item runs twice, every item is published once, and rows, counts, result and the
/// live view say the same.
#[tokio::test]
async fn every_item_runs_once_and_everything_adds_up() {
    let sandbox = Sandbox::new().await;
    let ledger = Ledger::new(sandbox.folder());
    let fleet = Fleet::start(&sandbox, FULL, &ledger.config(), &[]).await;
    let batch = fleet.client().submit("ledger", plain(ITEMS)).await;
    let result = fleet.client().result(&batch, PATIENCE).await;
    assert_eq!(result["success_rate"], 1.0, "{result}");

    let calls = ledger.calls();
    assert_eq!(calls.len(), ITEMS as usize);
    let twice: Vec<_> = calls.iter().filter(|(_, calls)| **calls != 1).collect();
    assert!(twice.is_empty(), "no fault, so no item runs twice: {twice:?}");

    rows_add_up(&sandbox, &batch).await;
    workers_share(&sandbox).await;
    eventually("the broker's own count of publishes", PATIENCE, || async {
        let published = sandbox
            .management()
            .published_to("flotilla.work.v2.default")
            .await;
        assert!(published <= u64::from(ITEMS), "{published} publishes");
        (published == u64::from(ITEMS)).then_some(())
    })
    .await;
    redis_shows(&sandbox, &batch).await;
    sandbox.drop_all().await;
}

async fn rows_add_up(sandbox: &Sandbox, batch: &str) {
    let rows = sandbox
        .sql(
            "SELECT (SELECT count(*) FROM batch_items)::int4,
                    (SELECT count(*) FROM batch_outcomes WHERE state = 'succeeded')::int4,
                    (SELECT succeeded FROM batch_counters)::int4,
                    (SELECT count(*) FROM batch_results)::int4,
                    (SELECT count(*) FROM dispatch_claims)::int4,
                    (SELECT id::text FROM batches)",
            &[],
        )
        .await;
    let row = &rows[0];
    let numbers: Vec<i32> = (0..5).map(|column| row.get(column)).collect();
    let items = ITEMS.cast_signed();
    assert_eq!(numbers, [items, items, items, 1, 0]);
    assert_eq!(row.get::<_, String>(5), batch);
}

async fn workers_share(sandbox: &Sandbox) {
    let rows = sandbox
        .sql(
            "SELECT worker, count(*)::int4 FROM batch_outcomes GROUP BY worker",
            &[],
        )
        .await;
    let shares: BTreeMap<String, i32> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(shares.len(), 3, "{shares:?}");
    assert!(
        shares.values().all(|&share| share > ITEMS.cast_signed() / 20),
        "{shares:?}"
    );
}

/// Reads the live view as a dashboard would: with plain Redis commands.
async fn redis_shows(sandbox: &Sandbox, batch: &str) {
    let key = format!("{}:progress:{batch}", sandbox.name());
    let progress = eventually("the last snapshot", PATIENCE, || async {
        let mut redis = sandbox.redis().await;
        let fields: BTreeMap<String, String> = redis::cmd("HGETALL")
            .arg(&key)
            .query_async(&mut redis)
            .await
            .expect("Redis answers");
        (fields.get("state").map(String::as_str) == Some("completed")).then_some(fields)
    })
    .await;
    let items = ITEMS.to_string();
    for (field, value) in [
        ("total", items.as_str()),
        ("succeeded", &items),
        ("queued", "0"),
        ("percent", "100"),
    ] {
        assert_eq!(progress[field], value, "{field}: {progress:?}");
    }
}

/// The live view is a convenience: a fleet starts and works while it is away.
#[tokio::test]
async fn a_fleet_starts_without_a_live_view() {
    let sandbox = Sandbox::new().await;
    let nobody = format!("redis://127.0.0.1:{}/", free_port());
    let size = Size {
        apis: 1,
        workers: 1,
        schedulers: 1,
    };
    let fleet = Fleet::start(&sandbox, size, "", &[("FLOTILLA_PROGRESS_URL", nobody)]).await;
    let ready = fleet.client().json("/readyz").await;
    assert_eq!(ready["status"], "degraded", "{ready}");
    let batch = fleet.client().submit("echo", plain(2_500)).await;
    let result = fleet.client().result(&batch, PATIENCE).await;
    assert_eq!(result["result_summary"]["succeeded"], 2_500, "{result}");
}

/// A batch that is uploaded to one API is seen, page by page, through the other.
#[tokio::test]
async fn any_api_answers_for_any_batch() {
    let sandbox = Sandbox::new().await;
    let fleet = Fleet::start(
        &sandbox,
        Size {
            apis: 2,
            workers: 1,
            schedulers: 1,
        },
        "",
        &[],
    )
    .await;
    let batch = fleet.apis[0].0.submit("echo", plain(2_500)).await;
    let other = &fleet.apis[1].0;
    other.result(&batch, PATIENCE).await;
    let items = other.items(&batch).await;
    assert_eq!(items.len(), 2_500);
    assert!(
        items
            .iter()
            .all(|item| item["output"] == item["input"] && item["attempts"] == 1)
    );
    let listed = other.json("/v1/batches").await;
    assert_eq!(listed["batches"][0]["id"], batch.as_str());
}
