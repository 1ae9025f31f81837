//! What [`Objects`] promises over any object storage.
//!
//! Each case gets an empty one. [`objects_suite!`](crate::objects_suite) makes one test of each.
//!
//! [`Objects`]: flotilla_core::ports::Objects

mod artifacts;

use std::any::Any;
use std::collections::BTreeSet;
use std::sync::Arc;

use flotilla_core::ports::Objects;
use flotilla_core::{BatchId, Ids, Space, SystemClock};
use futures_util::future::try_join_all;
use object_store::ObjectStore;

pub use artifacts::*;

/// An empty object storage.
pub struct Fixture {
    objects: Objects,
    ids: Ids,
    _guard: Box<dyn Any + Send + Sync>,
}

impl Fixture {
    /// Over `store`. `guard` keeps alive what it needs.
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>, guard: impl Any + Send + Sync) -> Self {
        let ids = Ids::new(Arc::new(SystemClock));
        Self {
            objects: Objects::new(store),
            ids,
            _guard: Box::new(guard),
        }
    }

    async fn put(&self, space: &Space, batch: BatchId, index: u32, attempt: u16, output: &str) -> String {
        let put = self
            .objects
            .put_output(space, batch, index, attempt, output.to_owned());
        put.await.expect("an output is written")
    }

    async fn get(&self, key: &str) -> Option<String> {
        let bytes = self.objects.get(key).await.expect("a key is read");
        bytes.map(|bytes| String::from_utf8(bytes).expect("an output is text"))
    }
}

/// Byte for byte, whatever it is.
pub async fn an_output_reads_back_exactly(fixture: Fixture) {
    let (space, batch) = (Space::default(), fixture.ids.batch());
    let odd = [
        "",
        "null",
        "{\"b\":1.50,\"a\":1e400,\"b\":2}",
        " \r\n\t\0\u{feff}",
        "\"\u{1f6a2} \u{202e} ü\"",
    ];
    for (index, output) in (0..).zip(odd) {
        let key = fixture.put(&space, batch, index, 1, output).await;
        assert_eq!(fixture.get(&key).await.as_deref(), Some(output));
    }
}

/// Larger than any buffer on the way.
pub async fn a_large_output_reads_back_exactly(fixture: Fixture) {
    let (space, batch) = (Space::default(), fixture.ids.batch());
    let mut large: String = (0..)
        .map(|n: u32| format!("{n:08x}"))
        .take(5 * 1024 * 1024 / 8)
        .collect();
    large.push('\u{1f6a2}');
    let key = fixture.put(&space, batch, 0, 1, &large).await;
    assert!(
        fixture.get(&key).await == Some(large),
        "5 MiB come back as they were"
    );
}

/// Nothing is not an error.
pub async fn an_unknown_key_reads_as_none(fixture: Fixture) {
    let (space, batch) = (Space::default(), fixture.ids.batch());
    let key = fixture.put(&space, batch, 10, 1, "1").await;
    let unknown = [
        key.replace("10.1", "1.1"),
        key.replace("10.1", "10.2"),
        key.replace(".json", ""),
        key.replace(&batch.to_string(), &fixture.ids.batch().to_string()),
        "never/heard/of".to_owned(),
    ];
    for key in unknown {
        assert_eq!(fixture.get(&key).await, None, "{key}");
    }
    fixture.objects.ping().await.expect("it answers");
}

/// Keys come from a database, but not even a forged one leads out of the storage.
pub async fn a_key_can_not_leave_the_storage(fixture: Fixture) {
    for key in [
        "../../../../../../etc/hostname",
        "/etc/hostname",
        "outputs/../../../../../../etc/hostname",
    ] {
        assert_eq!(fixture.get(key).await, None, "{key}");
    }
}

/// What is recorded is never overwritten by a duplicate or a later attempt.
pub async fn every_attempt_has_its_own_key(fixture: Fixture) {
    let (space, other) = (Space::default(), "other".parse::<Space>().expect("a space"));
    let (first, second) = (fixture.ids.batch(), fixture.ids.batch());
    let mut written = Vec::new();
    for space in [&space, &other] {
        for batch in [first, second] {
            for (index, attempt) in [(1, 1), (1, 11), (11, 1), (111, 1), (u32::MAX, u16::MAX)] {
                let output = format!("\"{space} {batch} {index} {attempt}\"");
                let key = fixture.put(space, batch, index, attempt, &output).await;
                written.push((key, output));
            }
        }
    }
    let keys: BTreeSet<_> = written.iter().map(|(key, _)| key).collect();
    assert_eq!(keys.len(), written.len(), "no two outputs share a key");
    for (key, output) in &written {
        assert_eq!(fixture.get(key).await.as_ref(), Some(output), "{key}");
    }
}

/// A worker that is not sure writes again.
pub async fn writing_again_changes_nothing(fixture: Fixture) {
    let (space, batch) = (Space::default(), fixture.ids.batch());
    let key = fixture.put(&space, batch, 0, 1, "[1]").await;
    assert_eq!(fixture.put(&space, batch, 0, 1, "[1]").await, key);
    assert_eq!(fixture.get(&key).await.as_deref(), Some("[1]"));
}

/// All outputs of one batch of one space, and nothing else; again is fine.
pub async fn removing_a_batch_removes_only_that_batch(fixture: Fixture) {
    // One space's name begins with the other's.
    let (space, other): (Space, Space) = (
        "team".parse().expect("a space"),
        "team-b".parse().expect("a space"),
    );
    let (gone, kept) = (fixture.ids.batch(), fixture.ids.batch());
    let (mut removed, mut left) = (Vec::new(), Vec::new());
    for index in 0..25 {
        removed.push(fixture.put(&space, gone, index, 1, "1").await);
        left.push(fixture.put(&space, kept, index, 1, "2").await);
        left.push(fixture.put(&other, gone, index, 1, "3").await);
    }
    for _ in 0..2 {
        fixture
            .objects
            .remove_batch(&space, gone)
            .await
            .expect("a batch is removed");
        for key in &removed {
            assert_eq!(fixture.get(key).await, None, "{key} is removed");
        }
        for key in &left {
            assert!(fixture.get(key).await.is_some(), "{key} is left");
        }
    }
    fixture
        .objects
        .remove_batch(&other, kept)
        .await
        .expect("a batch without outputs is removed");
}

/// Workers write at the same time; removers may too.
pub async fn concurrent_calls_do_not_disturb_each_other(fixture: Fixture) {
    let (space, batch, gone) = (Space::default(), fixture.ids.batch(), fixture.ids.batch());
    let puts = (0..40).map(|index| {
        fixture
            .objects
            .put_output(&space, batch, index, 1, index.to_string())
    });
    let keys = try_join_all(puts).await.expect("outputs are written");
    for index in 0..20 {
        fixture.put(&space, gone, index, 1, "x").await;
    }
    let removals = (0..4).map(|_| fixture.objects.remove_batch(&space, gone));
    try_join_all(removals)
        .await
        .expect("a batch may be removed by several at once");
    for (index, key) in keys.iter().enumerate() {
        assert_eq!(fixture.get(key).await, Some(index.to_string()));
    }
}

/// Runs the suite on what `$fresh` makes: a path to a `fn() -> Fixture`.
#[macro_export]
macro_rules! objects_suite {
    ($fresh:path) => {
        $crate::objects_cases! { $fresh,
            an_output_reads_back_exactly,
            a_large_output_reads_back_exactly,
            an_unknown_key_reads_as_none,
            a_key_can_not_leave_the_storage,
            every_attempt_has_its_own_key,
            writing_again_changes_nothing,
            removing_a_batch_removes_only_that_batch,
            concurrent_calls_do_not_disturb_each_other,
            a_file_reads_back_exactly,
            a_part_of_a_file_is_read_alone,
            every_name_can_be_kept,
            what_is_not_finished_is_not_there,
            every_run_has_keys_of_its_own,
            files_go_with_their_batch,
            a_file_comes_in_pieces,
        }
    };
}

/// One test per case.
#[doc(hidden)]
#[macro_export]
macro_rules! objects_cases {
    ($fresh:path, $($case:ident),+ $(,)?) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            $crate::conformance::objects::$case($fresh()).await;
        })+
    };
}
