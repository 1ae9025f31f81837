//! The file: whose it is, what is in it after a crash, and what is said when it can't be used.

#![expect(clippy::unwrap_used, reason = "all of it is tests")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{self, Child, Stdio};
use std::time::Duration;

use flotilla_core::attempt::Attempt;
use flotilla_core::batch::BatchSpec;
use flotilla_core::clock::{Clock, SystemClock};
use flotilla_core::command::{Actor, Command};
use flotilla_core::ids::{BatchId, Space};
use flotilla_core::item::{ItemFilter, NewItem};
use flotilla_core::limits::Ceilings;
use flotilla_core::message::{Verdict, Waiting};
use flotilla_core::outcome::{ItemError, ItemErrorKind, Output};
use flotilla_core::ports::store::{
    Claim, Dispatch, Intake, Ledger, NewBatch, Reading, Steer, Store, Upkeep, Want,
};
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
    let pid = process::id();
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
            .ends_with("it has no schema and this program needs schema version 7; run `flotilla migrate`"),
        "{error}"
    );
    assert_eq!(
        store.open_batch(new_batch()).await.unwrap_err().kind(),
        ErrorKind::Misconfigured
    );
    store.migrate().await.unwrap();
    store.ping().await.unwrap();
    drop(store);

    let later = "INSERT INTO refinery_schema_history SELECT 99, 'later', applied_on, '1' FROM refinery_schema_history LIMIT 1";
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

/// Whatever table a later version adds: nothing of a batch is left behind in it.
#[tokio::test]
async fn a_removed_batch_leaves_no_row() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("flotilla.db");
    let store = migrated(&file).await;
    let now = SystemClock.now();
    store.open_batch(new_batch()).await.unwrap();
    store.append_items(BATCH, 0, chunk(0)).await.unwrap();
    let spec = BatchSpec {
        max_attempts: 3,
        callback_timeout: Some(Duration::from_secs(60)),
        ..BatchSpec::default()
    };
    store.seal_batch(BATCH, spec, now).await.unwrap();
    claim(&store, CHUNK).await;
    let error = || ItemError::new(ItemErrorKind::Handler, "no");
    let verdicts = [
        Verdict::Done(Output::Inline(Json::null())),
        Verdict::Fail(error()),
        Verdict::Retry {
            error: error(),
            after_ms: None,
        },
        Verdict::Waiting(Waiting::default()),
        Verdict::Leased { ttl_ms: 1_000 },
        Verdict::Lost,
    ];
    let told = (0..).zip(verdicts).map(|(index, verdict)| Attempt {
        batch: BATCH,
        index,
        attempt: 1,
        verdict,
        started_at: now,
        duration_us: 1,
        worker: None,
        artifacts: Vec::new(),
    });
    store.record(told.collect(), now).await.unwrap();
    let space = Space::default();
    let (delete, by) = (Command::Delete { force: true }, Actor::system());
    store.command(&space, BATCH, &delete, &by, now).await.unwrap();
    assert!(
        rows(&file).len() > 8,
        "there is something to remove: {:?}",
        rows(&file)
    );
    let later = now + Duration::from_secs(1);
    for _ in 0..2 {
        store.sweep(BATCH, 1_000, later, later).await.unwrap();
    }
    for _ in 0..1_000 {
        if store.purge(BATCH, 7).await.unwrap() {
            break;
        }
    }
    assert_eq!(rows(&file), []);
}

/// Tables that are not empty, but for those that have nothing to do with batches.
fn rows(file: &Path) -> Vec<(String, u32)> {
    let db = Connection::open(file).unwrap();
    let tables = "
        SELECT name FROM sqlite_schema
        WHERE type = 'table' AND name NOT IN ('refinery_schema_history', 'sqlite_sequence', 'secrets')";
    let mut tables = db.prepare(tables).unwrap();
    let names = tables.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let count = |name: String| {
        let sql = format!("SELECT count(*) FROM {name}");
        let rows = db.query_row(&sql, [], |row| row.get(0)).unwrap();
        (name, rows)
    };
    let all = names.map(|name| count(name.unwrap()));
    all.filter(|(_, rows)| *rows > 0).collect()
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
    let claims = claim(&store, stored).await;
    assert_eq!(claims[0].items.len(), stored as usize);
}

async fn claim(store: &SqliteStore, items: u32) -> Vec<Claim> {
    let wants = [Want {
        batch: BATCH,
        items,
        suspects: 0,
    }];
    let (none, lease) = (Ceilings::default(), Duration::from_secs(9));
    store
        .claim(&wants, &none, lease, SystemClock.now())
        .await
        .unwrap()
}

/// This test program again, as the process that is killed.
fn start_writer(file: &Path) -> Writer {
    let child = process::Command::new(std::env::current_exe().unwrap())
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
