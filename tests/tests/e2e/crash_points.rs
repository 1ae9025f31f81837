//! The points at which tests crash a process: they are where they are said to be, and a crash at any of them is one
//! that the next process mends.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use flotilla_core::crash::POINTS;
use flotilla_tests::{Flotilla, http_client};

use crate::client::Client;
use crate::fleet::up;
use crate::workload::{Ledger, plain};

const PATIENCE: Duration = Duration::from_secs(120);
/// More than the embedded broker takes under one lock.
const ITEMS: u32 = 3_000;
const SIGABRT: i32 = 6;

/// Where the product's code is.
const SOURCES: [&str; 5] = [
    "../shared",
    "../api/src",
    "../worker/src",
    "../scheduler/src",
    "../cli/src",
];

#[test]
fn every_point_is_somewhere_in_the_code() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeSet::new();
    for folder in SOURCES {
        collect(&root.join(folder), &mut found);
    }
    assert_eq!(found, POINTS.iter().map(|&name| name.to_owned()).collect());
}

fn collect(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let names = text.split("crash::point(\"").skip(1);
            found.extend(names.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
        }
    }
}

#[tokio::test]
async fn a_process_with_a_misspelt_point_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let output = Flotilla::command(["--version"])
        .env("FAILPOINTS", "worker.handeld=return")
        .output(folder.path(), PATIENCE)
        .await;
    assert!(!output.status.success());
    assert!(
        output.stderr.contains("no point \"worker.handeld\""),
        "{}",
        output.stderr
    );
}

/// Everything in one process, which crashes at each of the points in turn. What the next one finds is a batch with every
/// item processed, or none; never a part of one.
#[tokio::test]
async fn a_crash_at_any_point_is_mended_by_the_next_process() {
    for point in POINTS {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::new(folder.path());
        let crash = [("FAILPOINTS", format!("{point}=return"))];
        let (client, mut process) = up(folder.path(), &ledger.config(), &crash).await;
        let submitted = submit(&client).await;
        let status = process.wait(PATIENCE).await;
        assert_eq!(status.signal(), Some(SIGABRT), "{point}");
        assert!(process.log().contains(&format!("aborting at {point}")), "{point}");

        let (client, _process) = up(folder.path(), &ledger.config(), &[]).await;
        let listed = client.json("/v1/batches").await;
        let batches = listed["batches"].as_array().unwrap();
        assert!(!submitted || batches.len() == 1, "{point}: {listed}");
        let accepted = !matches!(point, "api.upload.chunk" | "api.accept.before_commit");
        assert_eq!(batches.len(), usize::from(accepted), "{point}: {listed}");
        for batch in batches {
            let result = client.result(batch["id"].as_str().unwrap(), PATIENCE).await;
            assert_eq!(result["result_summary"]["succeeded"], ITEMS, "{point}: {result}");
            assert_eq!(ledger.calls().len(), ITEMS as usize, "{point}");
        }
    }
}

#[tokio::test]
async fn a_point_can_be_passed_a_number_of_times() {
    let folder = tempfile::tempdir().unwrap();
    let crash = [("FAILPOINTS", "worker.handled=100*off->return".to_owned())];
    let (client, mut process) = up(folder.path(), "", &crash).await;
    let first = client.submit("echo", plain(100)).await;
    client.result(&first, PATIENCE).await;
    assert!(process.exited().is_none());
    submit_as(&client, "echo").await;
    assert_eq!(process.wait(PATIENCE).await.signal(), Some(SIGABRT));
}

/// True where the batch was accepted before the process crashed.
async fn submit(client: &Client) -> bool {
    submit_as(client, "ledger").await
}

async fn submit_as(client: &Client, job_type: &str) -> bool {
    let answer = http_client()
        .post(format!("{}/v1/batches?job_type={job_type}", client.server))
        .header("content-type", "application/x-ndjson")
        .body(plain(ITEMS))
        .send()
        .await;
    answer.is_ok_and(|answer| answer.status().is_success())
}
