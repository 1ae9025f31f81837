//! The same file gives the same results, whichever way it is processed.

use std::time::Duration;

use flotilla_tests::{Flotilla, Sandbox};
use serde_json::Value;

use crate::fleet::{Fleet, Size, up};
use crate::workload::{essence, mixed};

const ITEMS: u32 = 10_000;
const PATIENCE: Duration = Duration::from_secs(120);

/// Everything that a batch amounts to, times aside.
#[derive(Debug, PartialEq)]
struct Essence {
    items: Vec<Value>,
    errors: Value,
}

async fn processed(client: &crate::client::Client) -> Essence {
    let batch = client.submit("sleep", mixed(ITEMS)).await;
    let result = client.result(&batch, PATIENCE).await;
    let summary = &result["result_summary"];
    assert_eq!(summary["total"], ITEMS);
    let view = client.json(&format!("/v1/batches/{batch}")).await;
    let items = client.items(&batch).await;
    for state in ["succeeded", "failed", "cancelled"] {
        let rows = items.iter().filter(|item| item["state"] == state).count();
        assert_eq!(summary[state], rows, "the result counts the {state}");
        assert_eq!(view["counts"][state], rows, "the batch counts the {state}");
    }
    assert_eq!(view["state"], "completed");
    assert_eq!(view["percent"], 100.0);
    Essence {
        items: items.iter().map(essence).collect(),
        errors: summary["errors"].clone(),
    }
}

#[tokio::test]
async fn run_and_post_on_both_engines_agree() {
    let sandbox = Sandbox::new().await;
    let fleet = Fleet::start(
        &sandbox,
        Size {
            apis: 2,
            workers: 3,
            schedulers: 2,
        },
        "",
        &[],
    )
    .await;
    let distributed = processed(fleet.client()).await;
    drop(fleet);

    let embedded_folder = sandbox.folder().join("embedded");
    std::fs::create_dir_all(&embedded_folder).unwrap();
    let (client, process) = up(&embedded_folder, "", &[]).await;
    let embedded = processed(&client).await;
    drop(process);

    let file = sandbox.folder().join("items.ndjson");
    std::fs::write(&file, mixed(ITEMS)).unwrap();
    let file = file.display().to_string();
    let run = Flotilla::command(["run", &file, "--job-type", "sleep", "--out", "run.ndjson"])
        .cwd(sandbox.folder())
        .output(sandbox.folder(), PATIENCE)
        .await;
    assert_eq!(run.status.code(), Some(1), "some items fail: {}", run.stderr);
    let results = std::fs::read_to_string(sandbox.folder().join("run.ndjson")).unwrap();
    let lines: Vec<Value> = results
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();

    let failed = embedded
        .items
        .iter()
        .filter(|item| item["state"] == "failed")
        .count();
    assert_eq!(failed, 1_100, "the file has this many broken items");
    assert_eq!(embedded.items.len(), ITEMS as usize);
    assert!(
        embedded
            .items
            .iter()
            .enumerate()
            .all(|(position, item)| item["index"] == position)
    );
    assert_eq!(embedded, distributed);
    assert_eq!(lines.iter().map(essence).collect::<Vec<_>>(), embedded.items);
}
