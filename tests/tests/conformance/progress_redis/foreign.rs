//! What others put where Flotilla's data belongs.

use std::time::Duration;

use flotilla_core::ErrorKind;
use flotilla_core::ports::Progress;
use flotilla_core::ports::progress::Scope;
use flotilla_core::snapshot::Event;
use flotilla_core::worker::WorkerStatus;
use flotilla_tests::conformance::progress::fixture::{next, running, worker};

use super::private::Private;

/// A space hears only what was sent to its own channel and says that it is about it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_events_reach_nobody() {
    let redis = Private::launch().await;
    let progress = redis.progress();
    let (mut live, mut admin) = (running(), redis.connection().await);
    live.space = "victim".parse().unwrap();
    let mut events = progress.subscribe(Scope::All).await.unwrap();
    let mut own = progress
        .subscribe(Scope::Space(live.space.clone()))
        .await
        .unwrap();
    let forged = Event {
        version: 99,
        ..live.event()
    };
    let forged = serde_json::to_string(&forged).unwrap();
    for (channel, text) in [
        ("flotilla:events:attacker", forged.as_str()),
        ("flotilla:events:victim", "not JSON \u{1f6a2}"),
        ("flotilla:events:victim", "{}"),
        ("flotilla:events:", forged.as_str()),
        ("flotilla:events:NO SPACE", forged.as_str()),
    ] {
        let mut publish = redis::cmd("PUBLISH");
        let heard: u32 = publish
            .arg(channel)
            .arg(text)
            .query_async(&mut admin)
            .await
            .unwrap();
        assert_eq!(heard, 1, "the adapter hears {channel}");
    }
    progress.publish(std::slice::from_ref(&live)).await.unwrap();
    assert_eq!(next(&mut events).await, live.event());
    assert_eq!(next(&mut own).await, live.event());
}

/// A hash that makes no sense is as good as lost, and is repaired by the next write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hash_that_makes_no_sense_is_absent_until_it_is_written() {
    let redis = Private::launch().await;
    let progress = redis.progress();
    let (broken, fine) = (running(), running());
    for field in [
        "version",
        "state",
        "epoch",
        "percent",
        "total",
        "space",
        "created_at",
    ] {
        progress.publish(&[broken.clone(), fine.clone()]).await.unwrap();
        let () = redis
            .admin(&format!(
                "HSET flotilla:progress:{} {field} \u{1f6a2}",
                broken.batch
            ))
            .await;
        let found = progress.read(&[broken.batch, fine.batch]).await.unwrap();
        assert_eq!(found, [None, Some(fine.clone())], "{field}");
        let steered = progress.steering(&[broken.batch, fine.batch]).await.unwrap();
        let expected = (!["state", "epoch"].contains(&field)).then(|| broken.steering());
        assert_eq!(steered, [expected, Some(fine.steering())], "{field}");
    }
    progress.publish(std::slice::from_ref(&broken)).await.unwrap();
    assert_eq!(progress.read(&[broken.batch]).await.unwrap(), [Some(broken)]);
}

/// Neither is text.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_not_text_hide_nothing_else() {
    let redis = Private::launch().await;
    let progress = redis.progress();
    let (first, second): (WorkerStatus, WorkerStatus) = (worker("a"), worker("b"));
    for worker in [&first, &second] {
        progress
            .heartbeat(worker, Duration::from_secs(3600))
            .await
            .unwrap();
    }
    let mut set = redis::cmd("HSET");
    set.arg("flotilla:worker:a").arg("id").arg(&b"\xff\xfe"[..]);
    let () = set.query_async(&mut redis.connection().await).await.unwrap();
    assert_eq!(progress.workers().await.unwrap(), [second]);
}

/// A key of another kind is somebody else's: it is left alone, and the error says what to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_another_kind_is_an_error() {
    let redis = Private::launch().await;
    let progress = redis.progress();
    let live = running();
    let () = redis
        .admin(&format!("SET flotilla:progress:{} mine", live.batch))
        .await;
    let published = progress.publish(std::slice::from_ref(&live)).await;
    let forgotten = progress.forget(&live.space, live.batch).await;
    let steered = progress.steering(&[live.batch]).await.map(drop);
    for answer in [published, forgotten, steered] {
        let error = answer.unwrap_err();
        let text = error.chain();
        assert!(
            error.kind() == ErrorKind::Corrupt && text.contains("prefix"),
            "{text}"
        );
    }
    let kept: String = redis
        .admin(&format!("GET flotilla:progress:{}", live.batch))
        .await;
    assert_eq!(kept, "mine");
}
