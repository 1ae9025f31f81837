//! PostgreSQL as the `Store`: the suite, and what only a server can suffer.

#[path = "store_postgres/audit.rs"]
mod audit;
#[path = "store_postgres/connections.rs"]
mod connections;
#[path = "store_postgres/locks.rs"]
mod locks;
#[path = "store_postgres/server.rs"]
mod server;
#[path = "store_postgres/steering.rs"]
mod steering;
#[path = "store_postgres/upgrade.rs"]
mod upgrade;
#[path = "store_postgres/versions.rs"]
mod versions;

use std::any::Any;
use std::sync::Arc;

use flotilla_core::ports::store::Store;
use flotilla_postgres::{PostgresOptions, PostgresStore};
use flotilla_tests::conformance::store::Fixture;
use flotilla_tests::{Sandbox, store_suite};

store_suite!(crate::store_postgres::fresh);

/// A database of its own, which goes with the guard.
async fn fresh() -> (Arc<dyn Store>, Box<dyn Any + Send + Sync>) {
    let sandbox = Sandbox::new().await;
    let store = open(&sandbox.postgres_url(), &PostgresOptions::default());
    store.migrate().await.expect("an empty database migrates");
    (Arc::new(store), Box::new(sandbox))
}

fn open(url: &str, options: &PostgresOptions) -> PostgresStore {
    PostgresStore::connect(&url.parse().expect("a URL"), options).expect("the URL is understood")
}

/// A store whose every call has the same connection, and a way around it.
async fn fixture(options: PostgresOptions) -> (Fixture, Arc<Sandbox>) {
    let sandbox = Arc::new(Sandbox::new().await);
    let store = open(
        &sandbox.postgres_url(),
        &PostgresOptions {
            pool_size: 1,
            ..options
        },
    );
    store.migrate().await.expect("an empty database migrates");
    let guard = Arc::clone(&sandbox);
    (Fixture::new(Arc::new(store), Box::new(guard)), sandbox)
}
