//! Files that came of items.

use flotilla_core::artifact::{self, Artifact, MAX_FILES, MAX_LISTED_BYTES};
use flotilla_core::item::{Item, ItemFilter};
use flotilla_core::{BatchId, ItemIndex};

use super::fixture::Fixture;
use super::samples::{failure, success};

fn files(count: usize) -> Vec<Artifact> {
    (0..count)
        .map(|n| Artifact {
            name: format!("é \"{n}\"/漢.png"),
            key: format!("exports/suite/x/{n}"),
            bytes: 5_000_000_000 + n as u64,
            media_type: "image/png".into(),
            sha256: "ab".repeat(32),
        })
        .collect()
}

async fn alone(t: &Fixture, batch: BatchId, index: ItemIndex) -> Item {
    let filter = ItemFilter::of(index);
    let mut items = t.store.items(&t.space, batch, &filter, 1).await.expect("reads");
    items.remove(0)
}

/// With the outcome that they belong to; and the first outcome stays.
pub async fn files_are_recorded_with_the_outcome(t: Fixture) {
    let id = t.dispatched(4).await;
    let (mut one, mut two, mut failed) = (success(id, 0), success(id, 1), failure(id, 2, "no"));
    one.artifacts = files(1);
    two.artifacts = files(7);
    // What other programs report may make no sense.
    failed.artifacts = files(2);
    t.record(vec![one.clone(), two, failed, success(id, 3)]).await;
    one.artifacts = files(3);
    t.record(vec![one]).await;
    let items = t.items(id).await;
    let found: Vec<_> = items.iter().map(|item| item.artifacts.clone()).collect();
    assert_eq!(found, [files(1), files(7), Vec::new(), Vec::new()]);
    assert!(items.iter().all(|item| !item.artifacts_left_out));
    assert_eq!(alone(&t, id, 1).await.artifacts, files(7));
}

/// As many as there may be: a page of such items would have no bound, so there they are left out.
pub async fn long_lists_are_read_alone(t: Fixture) {
    let id = t.dispatched(3).await;
    let mut many = success(id, 1);
    many.artifacts = files(MAX_FILES);
    assert!(artifact::size(&many.artifacts) > MAX_LISTED_BYTES);
    t.record(vec![success(id, 0), many, success(id, 2)]).await;
    let items = t.items(id).await;
    let listed = items
        .iter()
        .map(|item| (item.artifacts.len(), item.artifacts_left_out));
    assert!(listed.eq([(0, false), (0, true), (0, false)]));
    let item = alone(&t, id, 1).await;
    assert_eq!((item.index, item.artifacts_left_out), (1, false));
    assert_eq!(item.artifacts, files(MAX_FILES));
}
