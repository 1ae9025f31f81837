//! `flotilla up` with nothing installed.

use std::time::Duration;

use flotilla_tests::eventually;
use serde_json::Value;

use crate::fleet::up;
use crate::workload::{Ledger, plain};

const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test]
async fn every_item_runs_once() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::new(folder.path());
    let (client, _process) = up(folder.path(), &ledger.config(), &[]).await;
    let batch = client.submit("ledger", plain(5_000)).await;
    let result = client.result(&batch, PATIENCE).await;
    assert_eq!(result["result_summary"]["succeeded"], 5_000, "{result}");
    let calls = ledger.calls();
    assert_eq!(calls.len(), 5_000);
    assert!(calls.values().all(|&calls| calls == 1));
}

/// The process is killed in the middle of a batch, three times. The next one goes on where it stopped: every item has
/// one outcome, and only those that were under way run again.
#[tokio::test]
async fn a_killed_process_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::new(folder.path());
    let items = 20_000;
    let (mut client, mut process) = up(folder.path(), &ledger.config(), &[]).await;
    let batch = client.submit("ledger", plain(items)).await;
    for kill in 1..=3 {
        eventually("some progress", PATIENCE, || async {
            let settled = settled(&client.json(&format!("/v1/batches/{batch}")).await);
            (settled >= u64::from(kill * items / 5)).then_some(())
        })
        .await;
        process.kill();
        (client, process) = up(folder.path(), &ledger.config(), &[]).await;
    }
    let result = client.result(&batch, PATIENCE).await;
    assert_eq!(result["result_summary"]["succeeded"], items, "{result}");
    assert_eq!(result["revision"].as_u64().unwrap_or(1), 1);

    let all = client.items(&batch).await;
    assert_eq!(all.len(), items as usize);
    assert!(
        all.iter()
            .all(|item| item["state"] == "succeeded" && item["output"] == item["input"])
    );
    let calls = ledger.calls();
    assert_eq!(calls.len(), items as usize, "every item was handled");
    let again = calls.values().filter(|&&calls| calls > 1).count();
    assert!(
        again < items as usize / 2,
        "{again} items ran again, more than can have been under way"
    );
}

fn settled(batch: &Value) -> u64 {
    batch["counts"]["succeeded"].as_u64().unwrap_or(0) + batch["counts"]["failed"].as_u64().unwrap_or(0)
}
