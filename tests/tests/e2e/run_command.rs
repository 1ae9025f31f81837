//! `flotilla run`: the on-ramp.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use flotilla_core::Space;
use flotilla_core::batch::BatchFilter;
use flotilla_core::item::{ItemFilter, ItemState};
use flotilla_core::ports::store::Reading;
use flotilla_sqlite::SqliteStore;
use flotilla_tests::{Flotilla, Signal, eventually};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(120);

fn results(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).expect("the results were written");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a result is JSON"))
        .collect()
}

/// The command of the README, on the file that comes with the project.
#[tokio::test]
async fn the_example_of_the_readme() {
    let folder = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let command = readme
        .lines()
        .find_map(|line| line.strip_prefix("cargo run -- run "))
        .expect("the README's command");
    let (input, exec) = command.split_once(" --exec ").expect("FILE --exec 'CMD'");
    let exec = exec.trim().trim_matches('\'');
    std::os::unix::fs::symlink(root.join("examples"), folder.path().join("examples")).unwrap();
    let run = Flotilla::command(["run", input, "--exec", exec, "--out", "out.ndjson"])
        .cwd(folder.path())
        .output(folder.path(), PATIENCE)
        .await;
    assert_eq!(run.status.code(), Some(1), "{}{}", run.stdout, run.stderr);
    let results = results(&folder.path().join("out.ndjson"));
    assert_eq!(results.len(), 1_000);
    let failed: Vec<_> = results.iter().filter(|item| item["state"] == "failed").collect();
    assert!((10..40).contains(&failed.len()), "{} failed", failed.len());
    let said = format!("{}{}", run.stdout, run.stderr);
    assert!(
        said.contains("no email address") && said.contains("unknown country"),
        "errors are grouped: {said}"
    );
    assert_eq!(results[0]["custom_id"], "C10000");
    assert_eq!(results[0]["output"]["name"], "Vera Yılmaz");
}

#[tokio::test]
async fn success_exits_with_0_and_writes_results_in_input_order() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("in.csv"), "word,n\none,1\ntwo,2\nthree,3\n").unwrap();
    let run = Flotilla::command(["run", "in.csv", "--exec", "printf '%s-%s' {word} {n}"])
        .cwd(folder.path())
        .output(folder.path(), PATIENCE)
        .await;
    assert_eq!(run.status.code(), Some(0), "{}", run.stderr);
    let outputs: Vec<Value> = results(&folder.path().join("in.csv.results.ndjson"))
        .into_iter()
        .map(|item| item["output"].clone())
        .collect();
    assert_eq!(outputs, ["one-1", "two-2", "three-3"]);
}

/// Stopped by Ctrl-C, then killed: the same command goes on, and finished items do not run again.
#[tokio::test]
async fn the_same_command_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let items = 300;
    let lines: String = (0..items).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    std::fs::write(folder.path().join("in.ndjson"), lines).unwrap();
    std::fs::write(
        folder.path().join("step.sh"),
        "echo \"$1\" >> ledger\nsleep 0.02\necho \"$1\"\n",
    )
    .unwrap();
    let command = || {
        Flotilla::command([
            "run",
            "in.ndjson",
            "--exec",
            "sh step.sh {n}",
            "--concurrency",
            "4",
        ])
        .cwd(folder.path())
    };
    let ledger = || std::fs::read_to_string(folder.path().join("ledger")).unwrap_or_default();
    let reached = |lines: usize| {
        eventually("some items to run", PATIENCE, move || async move {
            (ledger().lines().count() >= lines).then_some(())
        })
    };

    let mut stopped = command().start(folder.path());
    reached(50).await;
    stopped.signal(Signal::INT);
    assert_eq!(
        stopped.wait(PATIENCE).await.code(),
        Some(130),
        "{}",
        stopped.log()
    );
    let after_stop = ledger().lines().count();
    assert!(after_stop < items as usize, "it stopped early");

    let mut killed = command().start(folder.path());
    reached(after_stop + 50).await;
    killed.kill();
    let known = settled(folder.path()).await;

    let finished = command().output(folder.path(), PATIENCE).await;
    assert_eq!(finished.status.code(), Some(0), "{}", finished.stderr);
    assert!(
        finished.stderr.contains("resum"),
        "it says that it goes on: {}",
        finished.stderr
    );
    let results = results(&folder.path().join("in.ndjson.results.ndjson"));
    assert_eq!(results.len(), items as usize);
    assert!(
        results
            .iter()
            .enumerate()
            .all(|(n, item)| item["index"] == n && item["output"] == n)
    );
    let mut calls: BTreeMap<u32, u32> = BTreeMap::new();
    for line in ledger().lines() {
        *calls.entry(line.parse().unwrap()).or_default() += 1;
    }
    assert!(known.len() >= after_stop, "what ended before Ctrl-C is known");
    for index in known {
        assert_eq!(
            calls[&index], 1,
            "item {index} had its outcome when the process was killed"
        );
    }
}

/// The items whose outcomes a killed run has left in its database.
async fn settled(folder: &Path) -> Vec<u32> {
    let runs: Vec<_> = std::fs::read_dir(folder.join(".flotilla"))
        .unwrap()
        .map(|entry| entry.unwrap().path().join("flotilla.db"))
        .filter(|database| database.exists())
        .collect();
    let [database] = runs.as_slice() else {
        panic!("one database was expected: {runs:?}");
    };
    let (store, space) = (SqliteStore::open(database).unwrap(), Space::default());
    let batches = store.batches(&space, &BatchFilter::default(), 10).await.unwrap();
    let filter = ItemFilter::in_state(Some(ItemState::Succeeded));
    let items = store.items(&space, batches[0].id, &filter, 1_000).await.unwrap();
    items.iter().map(|item| item.index).collect()
}

#[tokio::test]
async fn mistakes_are_told_in_words() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bad.csv"), "a,b\n1,2\n3\n").unwrap();
    for (arguments, expected) in [
        (vec!["run", "nowhere.csv", "--exec", "cat"], "nowhere.csv"),
        (vec!["run", "bad.csv", "--exec", "cat"], "line 3"),
        (vec!["run", "bad.csv"], "--exec"),
        (vec!["run", "bad.csv", "--job-type", "nonsense"], "echo"),
    ] {
        let run = Flotilla::command(arguments.clone())
            .cwd(folder.path())
            .output(folder.path(), PATIENCE)
            .await;
        assert_eq!(run.status.code(), Some(2), "{arguments:?}: {}", run.stderr);
        assert!(run.stderr.contains(expected), "{arguments:?}: {}", run.stderr);
    }
}
