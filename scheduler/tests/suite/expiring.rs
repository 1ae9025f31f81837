//! What batches leave, when their time is over.

use std::io::Read;
use std::time::Duration;

use flate2::read::GzDecoder;
use flotilla_core::command::{Actor, Selection};
use flotilla_core::item::ItemFilter;
use flotilla_core::message::Verdict;
use flotilla_core::outcome::Output;
use flotilla_core::ports::Objects;
use flotilla_core::ports::store::Reopened;
use flotilla_core::retention::{Part, Retention};
use flotilla_core::{BatchId, BatchSpec, Json, Space};
use flotilla_scheduler::reconcile::{Deletions, ExpiredBatches, Expiries, Task};
use futures_util::TryStreamExt;

use crate::support::{World, done, report, spec};

const HOUR: Duration = Duration::from_secs(3_600);

/// An ended batch whose first item has a long output.
async fn ended(world: &World, items: u32, retention: Retention) -> BatchId {
    let spec = BatchSpec { retention, ..spec() };
    let id = world.sealed(items, spec).await;
    let messages = world.dispatch(id, items).await;
    let (objects, space) = (&world.deps.objects, Space::default());
    let long = objects.put_output(&space, id, 0, 1, "\"long\"".into());
    let long = Output::Stored {
        key: long.await.unwrap(),
        bytes: 6,
    };
    let verdict = |message: &flotilla_core::message::ItemMessage| match message.index {
        0 => Verdict::Done(long.clone()),
        _ => done(message),
    };
    world.record(report(&messages, verdict)).await;
    assert!(world.batch(id).await.unwrap().state.is_final());
    id
}

async fn contents(world: &World, id: BatchId) -> Vec<(String, bool)> {
    let all = ItemFilter::default();
    let items = world.store.items(&Space::default(), id, &all, 10_000).await;
    let items = items.unwrap().into_iter();
    items
        .map(|item| (item.input.as_str().to_owned(), item.output.is_some()))
        .collect()
}

async fn archive(world: &World, id: BatchId, revision: u32) -> Option<Vec<serde_json::Value>> {
    let key = Objects::archive_key(&Space::default(), id, revision);
    let (bytes, pieces) = world.deps.objects.read(&key).await.unwrap()?;
    let packed: Vec<u8> = pieces
        .try_fold(Vec::new(), |mut all, piece| async move {
            all.extend(piece);
            Ok(all)
        })
        .await
        .unwrap();
    assert_eq!(bytes, packed.len() as u64);
    let mut text = String::new();
    GzDecoder::new(&*packed).read_to_string(&mut text).unwrap();
    Some(
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect(),
    )
}

/// Each part in its time, the whole last.
#[tokio::test]
async fn parts_go_one_after_the_other() {
    let world = World::new().await;
    let retention = Retention {
        inputs: Some(2 * HOUR),
        outputs: Some(HOUR),
        artifacts: Some(HOUR),
        results: Some(3 * HOUR),
        ..Retention::default()
    };
    let items = 4_500;
    let id = ended(&world, items, retention).await;
    let made = format!("exports/default/{id}/table.csv");
    let mut file = world.deps.objects.create(&made);
    file.write("a,b\n").await.unwrap();
    file.finish().await.unwrap();
    let other = ended(&world, 2, Retention::default()).await;
    let mut task = Expiries::new(&world.deps);
    assert_eq!(task.run_once().await.unwrap(), 0);

    world.advance(HOUR);
    assert_eq!(task.run_once().await.unwrap(), 2);
    let rows = contents(&world, id).await;
    assert_eq!(rows.len(), items as usize);
    assert!(
        rows.iter()
            .enumerate()
            .all(|(n, row)| *row == (n.to_string(), false))
    );
    let long = format!("outputs/default/{id}/0.1.json");
    assert!(world.deps.objects.get(&long).await.unwrap().is_none());
    assert!(world.deps.objects.get(&made).await.unwrap().is_none());
    assert_eq!(task.run_once().await.unwrap(), 0);

    world.advance(HOUR);
    assert_eq!(task.run_once().await.unwrap(), 1);
    assert!(
        contents(&world, id)
            .await
            .iter()
            .all(|row| *row == ("null".to_owned(), false))
    );
    let expired = world.batch(id).await.unwrap().expired;
    assert_eq!(expired, [Part::Inputs, Part::Outputs, Part::Artifacts]);

    world.advance(HOUR);
    assert_eq!(task.run_once().await.unwrap(), 1);
    assert!(world.batch(id).await.is_none());
    assert_eq!(Deletions::new(&world.deps).run_once().await.unwrap(), 1);
    assert_eq!(
        contents(&world, other).await,
        [("0".to_owned(), true), ("1".to_owned(), true)]
    );
    assert!(archive(&world, id, 1).await.is_none(), "nobody asked for it");
}

/// Whoever dies in between is followed by somebody who goes on.
#[tokio::test]
async fn what_was_begun_is_ended() {
    let world = World::new().await;
    let retention = Retention {
        outputs: Some(HOUR),
        ..Retention::default()
    };
    let id = ended(&world, 10, retention).await;
    world.advance(HOUR);
    let now = world.deps.clock.now();
    assert!(world.store.begin_expiry(id, Part::Outputs, now).await.unwrap());
    world.store.expire_some(id, Part::Outputs, 4).await.unwrap();
    assert_eq!(world.batch(id).await.unwrap().expiring, [Part::Outputs]);
    assert_eq!(Expiries::new(&world.deps).run_once().await.unwrap(), 1);
    assert_eq!(world.batch(id).await.unwrap().expiring, []);
    assert!(contents(&world, id).await.iter().all(|(_, output)| !output));
}

/// As a download has it, before anything goes; and it outlives the batch.
#[tokio::test]
async fn items_are_archived_before_they_go() {
    let world = World::new().await;
    let retention = Retention {
        inputs: Some(HOUR),
        outputs: Some(HOUR),
        results: Some(2 * HOUR),
        archive: Some(true),
        ..Retention::default()
    };
    let id = ended(&world, 1_500, retention).await;
    world.advance(HOUR);
    let mut task = Expiries::new(&world.deps);
    assert_eq!(task.run_once().await.unwrap(), 2);
    let lines = archive(&world, id, 1).await.unwrap();
    assert_eq!(lines.len(), 1_500);
    assert_eq!(
        (&lines[0]["input"], &lines[0]["output"]),
        (&0.into(), &"long".into())
    );
    for (n, line) in lines.iter().enumerate().skip(1) {
        assert_eq!(line["index"], n);
        assert_eq!((&line["input"], &line["output"]), (&n.into(), &n.into()));
        assert_eq!(line["state"], "succeeded");
    }
    assert_eq!(world.batch(id).await.unwrap().archived, 1);
    world.advance(HOUR);
    assert_eq!(task.run_once().await.unwrap(), 1);
    assert_eq!(Deletions::new(&world.deps).run_once().await.unwrap(), 1);
    assert!(archive(&world, id, 1).await.is_some(), "it stays");
}

/// Two schedulers see that a batch is due. One of them is slow, and reads the items when the other has removed them.
#[tokio::test]
async fn a_slow_scheduler_does_not_replace_a_whole_archive() {
    let world = World::new().await;
    let retention = Retention {
        inputs: Some(HOUR),
        archive: Some(true),
        ..Retention::default()
    };
    let id = ended(&world, 3, retention).await;
    world.advance(HOUR);
    let (mut slow, mut fast) = (Expiries::new(&world.deps), Expiries::new(&world.deps));
    let reading = world.flaky.hold("items");
    let overtake = async {
        reading.reached().await;
        assert_eq!(fast.run_once().await.unwrap(), 1);
        reading.open();
    };
    let (removed, ()) = tokio::join!(slow.run_once(), overtake);
    assert_eq!(removed.unwrap(), 0, "somebody else has done it");
    assert!(
        contents(&world, id)
            .await
            .iter()
            .all(|(input, _)| input == "null")
    );
    let lines = archive(&world, id, 1).await.unwrap();
    let inputs: Vec<_> = lines.iter().map(|line| line["input"].clone()).collect();
    assert_eq!(inputs, [0, 1, 2]);
}

/// An archive of what runs again does not replace the first one, which knows more.
#[tokio::test]
async fn what_ran_again_is_archived_again() {
    let world = World::new().await;
    let retention = Retention {
        outputs: Some(HOUR),
        archive: Some(true),
        ..Retention::default()
    };
    let id = ended(&world, 3, retention).await;
    world.advance(HOUR);
    let mut task = Expiries::new(&world.deps);
    assert_eq!(task.run_once().await.unwrap(), 1);
    let one = Selection {
        indices: Some(vec![2]),
        states: vec![flotilla_core::item::ItemState::Succeeded],
        ..Selection::default()
    };
    let (space, by, now) = (Space::default(), Actor::system(), world.deps.clock.now());
    let again = world
        .store
        .reopen(&space, id, &one, false, &by, now)
        .await
        .unwrap();
    assert!(matches!(again, Reopened::Done(1, _)), "{again:?}");
    let messages = world.dispatch(id, 9).await;
    let new = Verdict::Done(Output::Inline(Json::string("new")));
    world.record(report(&messages, |_| new.clone())).await;
    world.advance(HOUR);
    assert_eq!(task.run_once().await.unwrap(), 1);
    let outputs = |lines: Vec<serde_json::Value>| -> Vec<serde_json::Value> {
        lines.into_iter().map(|line| line["output"].clone()).collect()
    };
    let null = serde_json::Value::Null;
    assert_eq!(
        outputs(archive(&world, id, 1).await.unwrap()),
        ["long".into(), 1.into(), serde_json::json!(2)]
    );
    assert_eq!(
        outputs(archive(&world, id, 2).await.unwrap()),
        [null.clone(), null, "new".into()]
    );
    let found = world.deps.objects.archives(&space, id).await.unwrap();
    assert_eq!(found, [1, 2]);
}

/// Also where a batch goes because nobody said how long it stays.
#[tokio::test]
async fn what_is_kept_by_default_is_archived_too() {
    let world = World::new().await;
    let retention = Retention {
        archive: Some(true),
        ..Retention::default()
    };
    let id = ended(&world, 3, retention).await;
    world.advance(2 * HOUR);
    let mut task = ExpiredBatches::new(&world.deps, HOUR);
    assert_eq!(task.run_once().await.unwrap(), 1);
    assert!(world.batch(id).await.is_none());
    assert_eq!(archive(&world, id, 1).await.unwrap().len(), 3);
}
