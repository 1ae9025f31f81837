//! The embedded live view as the `Progress`.

use std::sync::Arc;

use flotilla_core::SystemClock;
use flotilla_embedded::progress::EmbeddedProgress;
use flotilla_tests::conformance::progress::Fixture;
use flotilla_tests::progress_suite;

progress_suite!(crate::progress_embedded::fresh);

/// Within one process there is one handle, which is shared.
async fn fresh() -> Fixture {
    let progress = Arc::new(EmbeddedProgress::new(Arc::new(SystemClock)));
    Fixture::new(progress.clone(), progress, ())
}
