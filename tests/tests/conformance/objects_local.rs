//! A local folder as the `Objects`.

use std::sync::Arc;

use flotilla_tests::conformance::objects::Fixture;
use flotilla_tests::objects_suite;
use object_store::local::LocalFileSystem;

objects_suite!(fresh);

/// A folder that goes with the fixture.
fn fresh() -> Fixture {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = LocalFileSystem::new_with_prefix(folder.path()).expect("the folder is there");
    Fixture::new(Arc::new(store), folder)
}
