//! The users that `docs/redis.md` recommends can do what they must, and no more.

use std::time::Duration;

use flotilla_core::ErrorKind;
use flotilla_core::ports::Progress;
use flotilla_core::ports::progress::Scope;
use flotilla_core::snapshot::Steering;
use flotilla_tests::conformance::progress::fixture::{next, running, worker};
use redis::AsyncCommands;

use super::document::Document;
use super::private::Private;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_users_of_the_document_are_enough() {
    let redis = Private::launch().await;
    for user in Document::open().code("acl") {
        let () = redis.admin(user).await;
    }
    let progress = redis.progress_as("flotilla:change-me@");
    let (live, status) = (running(), worker("a"));
    let mut events = progress.subscribe(Scope::All).await.unwrap();
    // The scripts are not on the server yet.
    progress.publish(std::slice::from_ref(&live)).await.unwrap();
    progress
        .heartbeat(&status, Duration::from_secs(3600))
        .await
        .unwrap();
    assert_eq!(next(&mut events).await, live.event());
    assert_eq!(progress.read(&[live.batch]).await.unwrap(), [Some(live.clone())]);
    assert_eq!(progress.active(&live.space).await.unwrap(), [live.batch]);
    assert_eq!(progress.workers().await.unwrap(), std::slice::from_ref(&status));
    assert_eq!(
        progress.steering(&[live.batch]).await.unwrap(),
        [Some(live.steering())]
    );
    let gone = running();
    progress.forget(&gone.space, gone.batch).await.unwrap();
    assert_eq!(progress.check_policy().await.unwrap(), None);
    progress.ping().await.unwrap();

    let work = redis.progress_as("worker:change-me@");
    let mut told = work.subscribe(Scope::All).await.unwrap();
    let asked = [live.batch, gone.batch];
    let steered = [Some(live.steering()), Some(Steering::GONE)];
    assert_eq!(work.steering(&asked).await.unwrap(), steered);
    progress.tell_to_drain(&status.id, true).await.unwrap();
    let ids = std::slice::from_ref(&status.id);
    assert_eq!(progress.told_to_drain(ids).await.unwrap(), [true]);
    assert_eq!(work.told_to_drain(ids).await.unwrap(), [true]);
    work.tell_to_drain(&status.id, false).await.unwrap_err();
    work.ping().await.unwrap();
    work.publish(std::slice::from_ref(&live)).await.unwrap_err();
    work.forget(&live.space, live.batch).await.unwrap_err();

    let dashboard = redis.progress_as("dashboard:change-me@");
    let mut heard = dashboard
        .subscribe(Scope::Space(live.space.clone()))
        .await
        .unwrap();
    assert_eq!(dashboard.read(&[live.batch]).await.unwrap(), [Some(live.clone())]);
    assert_eq!(dashboard.workers().await.unwrap().len(), 1);
    let error = dashboard.publish(std::slice::from_ref(&live)).await.unwrap_err();
    let text = error.chain();
    assert!(
        error.kind() == ErrorKind::Misconfigured && text.contains("docs/redis.md"),
        "{text}"
    );
    let mut newer = live.clone();
    newer.version += 1;
    progress.publish(std::slice::from_ref(&newer)).await.unwrap();
    assert_eq!(next(&mut heard).await, newer.event());
    assert_eq!(next(&mut told).await, newer.event());

    let url = format!("redis://dashboard:change-me@{}", redis.place());
    let client = redis::Client::open(url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let foreign: redis::RedisResult<String> = connection.hget("other", "field").await;
    foreign.expect_err("only Flotilla's keys");
}
