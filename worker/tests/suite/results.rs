//! Items that follow on a batch, and its results.

use std::future::pending;
use std::sync::Arc;

use flotilla_core::follow_up::{follow_up_id, results_key};
use flotilla_core::message::{ItemMessage, Verdict};
use flotilla_core::outcome::{ItemErrorKind, Output};
use flotilla_core::ports::Objects;
use flotilla_core::{BatchId, Shutdown, Space};
use flotilla_worker::handlers::Exec;
use flotilla_worker::{ItemContext, attempt};
use futures_util::TryStreamExt;
use object_store::memory::InMemory;

use crate::support::{PATIENCE, message, shell};

const LINES: &str = "{\"output\":1}\n{\"output\":2}\n";

/// The item that follows on the first result of a batch.
fn follows(space: &str) -> ItemMessage {
    let parent = BatchId(uuid::Uuid::from_u128(42));
    let input = format!("{{\"batch_id\": \"{parent}\", \"revision\": 1}}");
    ItemMessage {
        batch: follow_up_id(parent, 1, jiff::Timestamp::UNIX_EPOCH),
        space: space.parse().unwrap(),
        ..message(0, &input, PATIENCE)
    }
}

/// With results in the default space.
async fn objects() -> Objects {
    let objects = Objects::new(Arc::new(InMemory::new()));
    let message = follows("default");
    let key = results_key(&Space::default(), message.batch, &message.input).unwrap();
    let mut file = objects.create(&key);
    file.write(LINES).await.unwrap();
    file.finish().await.unwrap();
    objects
}

async fn run(message: &ItemMessage, objects: &Objects) -> Verdict {
    let dir = tempfile::tempdir().unwrap();
    let script = "printf '\"%s %s\"' \"$FLOTILLA_RESULTS\" \"$(wc -l < \"${FLOTILLA_RESULTS:-/dev/null}\")\"";
    let handler = Exec::new(&shell(dir.path(), script)).unwrap();
    let item = ItemContext::new(message).with_results(message, objects);
    let shutdown = Shutdown::new();
    let attempt = attempt(&handler, &item, &message.input, pending(), &shutdown);
    attempt.await.unwrap()
}

fn said(verdict: Verdict) -> String {
    match verdict {
        Verdict::Done(Output::Inline(json)) => json.to().unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_command_finds_the_results_in_a_file() {
    let answer = said(run(&follows("default"), &objects().await).await);
    let (path, lines) = answer.split_once(' ').unwrap();
    assert_eq!(lines.trim(), "2");
    assert!(path.contains("flotilla-results-"), "{path}");
    assert!(!std::path::Path::new(path).exists(), "it goes with the attempt");
}

#[tokio::test]
async fn nobody_else_gets_one() {
    let forged = ItemMessage {
        batch: BatchId(uuid::Uuid::from_u128(7)),
        ..follows("default")
    };
    assert_eq!(said(run(&forged, &objects().await).await).trim(), "0");
    let plain = message(0, "1", PATIENCE);
    assert_eq!(said(run(&plain, &objects().await).await).trim(), "0");
}

#[tokio::test]
async fn results_of_another_space_are_out_of_reach() {
    match run(&follows("other"), &objects().await).await {
        Verdict::Retry { error, .. } => {
            assert_eq!(error.kind, ItemErrorKind::Unreachable);
            assert!(error.message.contains("results/other/"), "{}", error.message);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_handler_of_this_process_reads_them_piece_by_piece() {
    let (message, objects) = (follows("default"), objects().await);
    let item = ItemContext::new(&message).with_results(&message, &objects);
    let pieces = item.results().unwrap().pieces().await.unwrap();
    let all: Vec<bytes::Bytes> = pieces.try_collect().await.unwrap();
    assert_eq!(all.concat(), LINES.as_bytes());
    let plain = crate::support::message(0, "{}", PATIENCE);
    let none = ItemContext::new(&plain).with_results(&plain, &objects);
    assert!(none.results().is_none());
}
