//! The schema: missing, of another version, made by several processes at once.

use flotilla_core::ErrorKind;
use flotilla_core::ids::{BatchId, Space};
use flotilla_core::ports::store::{Reading, Store};
use flotilla_postgres::PostgresOptions;
use flotilla_tests::Sandbox;
use tokio::task::JoinSet;

use super::open;

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

#[tokio::test]
async fn another_version_is_refused() {
    let sandbox = Sandbox::new().await;
    let store = open(&sandbox.postgres_url(), &PostgresOptions::default());
    store.migrate().await.expect("migrates");
    store.ping().await.expect("the schema fits");
    sandbox
        .sql("UPDATE flotilla_schema_history SET version = 9999 WHERE version = (SELECT max(version) FROM flotilla_schema_history)", &[])
        .await;
    for refused in [store.ping().await, store.migrate().await] {
        let error = refused.expect_err("a newer program made this schema");
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{}", error.chain());
    }
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
