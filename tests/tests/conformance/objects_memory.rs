//! Process memory as the `Objects`.

use std::sync::Arc;

use flotilla_tests::conformance::objects::Fixture;
use flotilla_tests::objects_suite;
use object_store::memory::InMemory;

objects_suite!(fresh);

fn fresh() -> Fixture {
    Fixture::new(Arc::new(InMemory::new()), ())
}
