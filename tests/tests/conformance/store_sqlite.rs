//! SQLite as the `Store`.

use std::any::Any;
use std::sync::Arc;

use flotilla_core::ports::store::Store;
use flotilla_sqlite::SqliteStore;
use flotilla_tests::store_suite;

store_suite!(crate::store_sqlite::fresh);

/// A new database file in a folder of its own, which goes with the guard.
async fn fresh() -> (Arc<dyn Store>, Box<dyn Any + Send + Sync>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = SqliteStore::open(&folder.path().join("flotilla.db")).expect("a new file opens");
    store.migrate().await.expect("a new file migrates");
    (Arc::new(store), Box::new(folder))
}
