//! Connections that can't be made, and those that break.

use std::time::Duration;

use flotilla_core::ErrorKind;
use flotilla_core::ports::store::Store;
use flotilla_postgres::PostgresOptions;
use flotilla_tests::{Sandbox, eventually_ok, free_port};

use super::{fixture, open};

/// The operator is told where it looked and what to do, and nobody is told the password.
async fn refusal(url: &str) -> (ErrorKind, String) {
    let options = PostgresOptions {
        connect_timeout: Duration::from_secs(2),
        ..PostgresOptions::default()
    };
    let error = open(url, &options).ping().await.expect_err("it can't be reached");
    let text = error.chain();
    assert!(!text.contains("s3cret"), "{text}");
    (error.kind(), text)
}

#[tokio::test]
async fn a_wrong_address_is_explained() {
    let port = free_port();
    let (kind, text) = refusal(&format!("postgres://me:s3cret@127.0.0.1:{port}/flotilla")).await;
    assert_eq!(kind, ErrorKind::Unavailable);
    assert!(text.contains(&format!("127.0.0.1:{port}/flotilla")), "{text}");
}

#[tokio::test]
async fn a_wrong_database_or_user_is_explained() {
    let sandbox = Sandbox::new().await;
    let url = sandbox.postgres_url();
    let (kind, text) = refusal(&url.replace(sandbox.name(), "no_such_database")).await;
    assert_eq!(
        (kind, text.contains("no such database")),
        (ErrorKind::Misconfigured, true),
        "{text}"
    );
    let (kind, text) = refusal(&url.replace("postgres@", "nobody:s3cret@")).await;
    assert_eq!(
        (kind, text.contains("user and password")),
        (ErrorKind::Misconfigured, true),
        "{text}"
    );
}

/// The server speaks no TLS, and its URL insists on it: nothing is sent in the clear.
#[tokio::test]
async fn encryption_is_not_given_up() {
    let sandbox = Sandbox::new().await;
    let (_, text) = refusal(&format!("{}?sslmode=require", sandbox.postgres_url())).await;
    assert!(text.contains("TLS"), "{text}");
}

/// All connections die at once, as with a restart: the calls after that have new ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_connections_are_replaced() {
    let (t, sandbox) = fixture(PostgresOptions::default()).await;
    let id = t.sealed(3).await;
    sandbox
        .sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
            &[],
        )
        .await;
    // The call that finds its connection broken says so; trying again is the caller's business.
    eventually_ok("a new connection", Duration::from_secs(10), || async {
        match t.store.ping().await {
            Ok(()) => Ok(()),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", error.chain());
                Err(error)
            }
        }
    })
    .await;
    t.finish(id).await;
}
