//! Taking the items of a batch away.

use serde_json::Value;

use crate::engine::{Deployment, Engine, PATIENCE, on_both_engines};
use crate::workload::mixed;

on_both_engines!(everything_can_be_taken_away);

/// Several pages of items.
const ITEMS: u32 = 2_500;

async fn everything_can_be_taken_away(engine: Engine) {
    let deployment = Deployment::start(engine, "").await;
    let client = deployment.client();
    let batch = client.submit("sleep", mixed(ITEMS)).await;
    client.result(&batch, PATIENCE).await;
    let items = client.items(&batch).await;
    assert_eq!(items.len(), ITEMS as usize);

    let lines = |text: &str| -> Vec<Value> {
        let lines = text.lines().map(serde_json::from_str);
        lines.collect::<Result<_, _>>().unwrap()
    };
    let (code, whole, error) = deployment.cli(&["download", &batch]).await;
    assert_eq!((code, &*error), (0, ""));
    assert!(
        lines(&whole) == items,
        "the file has all items as the API shows them"
    );

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("failed.ndjson");
    let name = file.display().to_string();
    let failed = ["download", &batch, "--state", "failed", "--out", &name];
    let (code, nothing, error) = deployment.cli(&failed).await;
    assert_eq!((code, &*nothing, &*error), (0, "", ""));
    let failed: Vec<Value> = items
        .iter()
        .filter(|item| item["state"] == "failed")
        .cloned()
        .collect();
    assert!(!failed.is_empty() && lines(&std::fs::read_to_string(file).unwrap()) == failed);

    let (code, table, error) = deployment.cli(&["download", &batch, "--format", "csv"]).await;
    assert_eq!((code, &*error), (0, ""));
    assert!(
        table.starts_with("index,custom_id,state,attempts,"),
        "{table:.200}"
    );
    let rows = table.split_terminator("\r\n").skip(1);
    let states: Vec<(&str, &str)> = rows
        .map(|row| {
            let mut cells = row.split(',');
            (cells.next().unwrap_or_default(), cells.nth(1).unwrap_or_default())
        })
        .collect();
    assert_eq!(states.len(), items.len());
    for (item, (index, state)) in items.iter().zip(states) {
        assert_eq!(
            (&*item["index"].to_string(), item["state"].as_str()),
            (index, Some(state))
        );
    }

    let name = folder.path().join("none.ndjson").display().to_string();
    let (code, _, error) = deployment.cli(&["download", "none", "--out", &name]).await;
    assert!(code != 0 && error.contains("no batch"), "{code}: {error}");
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        1,
        "whole or absent"
    );
    deployment.end().await;
}
