//! The file: whose it is, what is in it after a crash, and what is said when it can't be used.

#![expect(clippy::unwrap_used, reason = "all of it is tests")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use flotilla_core::batch::BatchSpec;
use flotilla_core::clock::{Clock, SystemClock};
use flotilla_core::ids::{BatchId, Space};
use flotilla_core::item::{ItemFilter, NewItem};
use flotilla_core::ports::store::{Dispatch, Intake, NewBatch, Reading, Store, Want};
use flotilla_core::{ErrorKind, Json};
use flotilla_sqlite::SqliteStore;
use rusqlite::Connection;

const BATCH: BatchId = BatchId(uuid::Uuid::from_u128(7));
const CHUNK: u32 = 50;

fn new_batch() -> NewBatch {
    NewBatch {
        id: BATCH,
        space: Space::default(),
        idempotency_key: None,
        created_at: SystemClock.now(),
    }
}

fn chunk(first: u32) -> Vec<NewItem> {
    let item = |n: u32| NewItem {
        custom_id: None,
        input: Json::of(&n).expect("a number is JSON"),
    };
    (first..first + CHUNK).map(item).collect()
}

async fn migrated(file: &Path) -> SqliteStore {
    let store = SqliteStore::open(file).expect("opens");
    store.migrate().await.expect("migrates");
    store
}

#[tokio::test]
async fn what_was_written_is_there_when_it_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("not/there/yet/flotilla.db");
    let store = migrated(&file).await;
    store.open_batch(new_batch()).await.unwrap();
    store.append_items(BATCH, 0, chunk(0)).await.unwrap();
    drop(store);
    let store = migrated(&file).await;
    assert_eq!(
        store
            .batch(&Space::default(), BATCH)
            .await
            .unwrap()
            .unwrap()
            .counts
            .total,
        CHUNK
    );
}

#[tokio::test]
async fn an_open_file_is_not_opened_twice() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("flotilla.db");
    let store = SqliteStore::open(&file).unwrap();
    let error = SqliteStore::open(&file).unwrap_err();
    let pid = std::process::id();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    assert!(
        error.to_string().contains(&format!(
            "flotilla.db is in use by this process already (pid {pid})"
        )),
        "{error}"
    );
    drop(store);
    SqliteStore::open(&file).unwrap();
}

#[tokio::test]
async fn a_schema_that_does_not_fit_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("flotilla.db");
    let store = SqliteStore::open(&file).unwrap();
    let error = store.ping().await.unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("it has no schema and this program needs schema version 1; run `flotilla migrate`"),
        "{error}"
    );
    assert_eq!(
        store.open_batch(new_batch()).await.unwrap_err().kind(),
        ErrorKind::Misconfigured
    );
    store.migrate().await.unwrap();
    store.ping().await.unwrap();
    drop(store);

    let later = "INSERT INTO refinery_schema_history SELECT 99, 'later', applied_on, '1' FROM refinery_schema_history";
    Connection::open(&file).unwrap().execute(later, []).unwrap();
    let store = SqliteStore::open(&file).unwrap();
    for error in [
        store.migrate().await.unwrap_err(),
        store.ping().await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
        assert!(error.to_string().contains("99"), "{error}");
    }
}

#[test]
fn other_files_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let foreign = folder.path().join("foreign.db");
    Connection::open(&foreign)
        .unwrap()
        .execute_batch("CREATE TABLE bookmarks (url TEXT)")
        .unwrap();
    let error = SqliteStore::open(&foreign).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    assert!(
        error
            .to_string()
            .contains("foreign.db: it is the database of another program"),
        "{error}"
    );

    let text = folder.path().join("notes.txt");
    std::fs::write(&text, "milk, bread, ".repeat(500)).unwrap();
    assert_eq!(SqliteStore::open(&text).unwrap_err().kind(), ErrorKind::Corrupt);
    assert!(std::fs::read_to_string(&text).unwrap().starts_with("milk"));
}

/// Twelve times, a process is killed while it writes. Whatever it was told is stored is stored, nothing is stored by half,
/// and the next process may open the file.
#[tokio::test]
async fn a_killed_process_loses_nothing_that_was_answered() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("flotilla.db");
    let mut stored = 0;
    for round in 1..=12 {
        let mut writer = start_writer(&file);
        let mut lines = BufReader::new(writer.0.stdout.take().unwrap())
            .lines()
            .map(Result::unwrap);
        assert!(lines.any(|line| line.starts_with("stored ")), "it began");
        if round == 1 {
            let error = SqliteStore::open(&file).unwrap_err().to_string();
            assert!(
                error.contains(&format!("another flotilla process (pid {})", writer.0.id())),
                "{error}"
            );
        }
        let mut answered = stored;
        for line in lines.by_ref().take(round * 3) {
            answered = line
                .strip_prefix("stored ")
                .map_or(answered, |n| n.parse().unwrap());
        }
        drop(writer);
        stored = check(&file, answered).await;
    }
    finish(&file, stored).await;
}

/// How many items are there: whole chunks, and all that were answered.
async fn check(file: &Path, answered: u32) -> u32 {
    let store = migrated(file).await;
    let total = store
        .batch(&Space::default(), BATCH)
        .await
        .unwrap()
        .unwrap()
        .counts
        .total;
    assert!(total >= answered && total % CHUNK == 0, "{total} of {answered}");
    total
}

/// What survived is one whole batch.
async fn finish(file: &Path, stored: u32) {
    let store = migrated(file).await;
    store
        .seal_batch(BATCH, BatchSpec::default(), SystemClock.now())
        .await
        .unwrap();
    let items = store
        .items(&Space::default(), BATCH, &ItemFilter::default(), u32::MAX)
        .await
        .unwrap();
    assert!(
        items
            .iter()
            .map(|item| item.input.to::<u32>().unwrap())
            .eq(0..stored)
    );
    let wants = [Want {
        batch: BATCH,
        items: stored,
    }];
    let claims = store
        .claim(&wants, std::time::Duration::from_secs(9), SystemClock.now())
        .await
        .unwrap();
    assert_eq!(claims[0].items.len(), stored as usize);
}

/// This test program again, as the process that is killed.
fn start_writer(file: &Path) -> Writer {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_process_that_is_killed", "--nocapture"])
        .env("FLOTILLA_TEST_FILE", file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    Writer(child)
}

/// Never outlives the test, however that ends.
struct Writer(Child);

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.0.kill().and_then(|()| self.0.wait()));
    }
}

/// Appends for as long as it lives. On its own it does nothing: see [`start_writer`].
#[tokio::test]
async fn the_process_that_is_killed() {
    let Some(file) = std::env::var_os("FLOTILLA_TEST_FILE") else {
        return;
    };
    let store = migrated(Path::new(&file)).await;
    store.open_batch(new_batch()).await.unwrap();
    let mut total = store
        .batch(&Space::default(), BATCH)
        .await
        .unwrap()
        .unwrap()
        .counts
        .total;
    loop {
        println!("\nstored {total}");
        store.append_items(BATCH, total, chunk(total)).await.unwrap();
        total += CHUNK;
    }
}
