//! Named places where tests end a process, as a crash of its machine would.
//!
//! Without the feature `crash-points`, which only the tests ask for, all of this is nothing: no code, no registry, no
//! environment variable. With it, `FAILPOINTS` says what happens where, in the notation of the crate `fail`:
//!
//! * `api.accept.after_commit=return` aborts the process there;
//! * `worker.handled=100*off->return` aborts it when it comes there for the 101st time;
//! * `scheduler.received=1*sleep(5000)` holds its thread up once, `=pause` for good.

/// Every point, in the order in which an item passes them.
pub const POINTS: [&str; 13] = [
    // A chunk of an upload is stored, and the batch is not accepted yet.
    "api.upload.chunk",
    // The whole upload is stored …
    "api.accept.before_commit",
    // … and accepted, and the client does not know it yet.
    "api.accept.after_commit",
    // Items are claimed and none is published.
    "publisher.claimed",
    // The broker has confirmed some items of a claim, and others not. Within one process: after each 256 items.
    "publisher.publishing",
    // It has confirmed all, and the claim is not marked.
    "publisher.confirmed",
    "publisher.marked",
    // A worker has a delivery and has not looked at it.
    "worker.received",
    // The handler is done, and nobody knows it.
    "worker.handled",
    // The broker has confirmed the report, and the deliveries are not acknowledged.
    "worker.reported",
    // A scheduler has reports (or dead letters) that are not recorded.
    "scheduler.received",
    // They are recorded and not shown.
    "scheduler.committed",
    // They are shown and not acknowledged.
    "scheduler.shown",
];

#[cfg(feature = "crash-points")]
mod armed {
    use super::POINTS;

    /// What was asked for happens until this is dropped.
    #[derive(Debug)]
    pub struct Armed {
        _scenario: fail::FailScenario<'static>,
    }

    /// Does from now on what `FAILPOINTS` says.
    ///
    /// # Panics
    /// Where it names no point or no action: a test that is misspelt must not pass.
    #[must_use]
    pub fn arm() -> Armed {
        let scenario = fail::FailScenario::setup();
        for (name, _) in fail::list() {
            assert!(
                POINTS.contains(&name.as_str()),
                "FAILPOINTS: there is no point {name:?}, only {POINTS:?}"
            );
        }
        Armed { _scenario: scenario }
    }

    /// A named place. See [`POINTS`].
    pub fn point(name: &'static str) {
        fail::fail_point!(name, |_| {
            eprintln!("aborting at {name}");
            std::process::abort()
        });
    }
}

#[cfg(not(feature = "crash-points"))]
mod armed {
    /// Nothing.
    #[derive(Debug)]
    pub struct Armed;

    /// Does nothing: this program has no points.
    #[must_use]
    pub fn arm() -> Armed {
        Armed
    }

    /// Nothing.
    #[inline(always)]
    pub fn point(_name: &'static str) {}
}

pub use armed::{Armed, arm, point};
