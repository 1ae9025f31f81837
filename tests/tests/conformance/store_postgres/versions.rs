//! The schema: missing, of another version, made by several processes at once.

use flotilla_core::ErrorKind;
use flotilla_core::ids::{BatchId, Space};
use flotilla_core::ports::store::{Reading, Store};
use flotilla_postgres::PostgresOptions;
use flotilla_tests::Sandbox;
use tokio::task::JoinSet;

use super::{fixture, open};

#[tokio::test]
async fn a_missing_schema_says_what_to_do() {
    let sandbox = Sandbox::new().await;
    let store = open(&sandbox.postgres_url(), &PostgresOptions::default());
    let unknown = BatchId(uuid::Uuid::nil());
    let ping = store.ping().await.expect_err("there is no schema");
    let read = store
        .batch(&Space::default(), unknown)
        .await
        .expect_err("there are no tables");
    for error in [ping, read] {
        let text = error.chain();
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{text}");
        assert!(
            text.contains("flotilla migrate") && text.contains(sandbox.name()),
            "{text}"
        );
    }
}

/// What a later version would note in the history of the schema.
async fn migrated_by_a_later_version(sandbox: &Sandbox, name: &str) {
    sandbox
        .sql(
            "INSERT INTO flotilla_schema_history
             SELECT max(version) + 1, $1, max(applied_on), '1' FROM flotilla_schema_history",
            &[&name],
        )
        .await;
}

/// While a fleet is upgraded, processes of both versions work on the later schema; one of the earlier version may start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_version_that_only_added_is_worked_with() {
    let (t, sandbox) = fixture(PostgresOptions::default()).await;
    let id = t.dispatched(3).await;
    migrated_by_a_later_version(&sandbox, "more").await;
    for store in [
        &*t.store,
        &open(&sandbox.postgres_url(), &PostgresOptions::default()) as &dyn Store,
    ] {
        store.ping().await.expect("the schema has what it needs");
        store.migrate().await.expect("there is nothing to do");
    }
    t.finish(id).await;
    let newest = "SELECT name FROM flotilla_schema_history ORDER BY version DESC LIMIT 1";
    assert_eq!(sandbox.sql(newest, &[]).await[0].get::<_, String>(0), "more");
}

#[tokio::test]
async fn a_later_version_that_broke_with_this_one_is_refused() {
    let sandbox = Sandbox::new().await;
    let store = open(&sandbox.postgres_url(), &PostgresOptions::default());
    store.migrate().await.expect("migrates");
    migrated_by_a_later_version(&sandbox, "breaking_everything").await;
    store.migrate().await.expect("there is nothing to do");
    let error = store
        .ping()
        .await
        .expect_err("it is not the schema of this program");
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{}", error.chain());
    assert!(
        error.chain().contains("use the version of Flotilla that made it"),
        "{}",
        error.chain()
    );
}

#[tokio::test]
async fn a_schema_of_somebody_else_is_refused() {
    let sandbox = Sandbox::new().await;
    let store = open(&sandbox.postgres_url(), &PostgresOptions::default());
    store.migrate().await.expect("migrates");
    sandbox
        .sql(
            "UPDATE flotilla_schema_history SET checksum = '1' WHERE version = 1",
            &[],
        )
        .await;
    let error = store
        .migrate()
        .await
        .expect_err("the first migration was another one");
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{}", error.chain());
}

/// As when a fleet starts: each process migrates, one does the work, the others wait for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_database_is_migrated_by_many_at_once() {
    let sandbox = Sandbox::new().await;
    let mut processes = JoinSet::new();
    for _ in 0..6 {
        let store = open(&sandbox.postgres_url(), &PostgresOptions::default());
        processes.spawn(async move {
            store.migrate().await?;
            store.ping().await
        });
    }
    for migrated in processes.join_all().await {
        migrated.expect("migrates");
    }
}
