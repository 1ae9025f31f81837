//! A server that is down, restarts or freezes: nobody waits for long, and everything goes on afterwards.

use std::time::Duration;

use flotilla_core::ports::Progress;
use flotilla_core::ports::progress::{Heard, Scope};
use flotilla_core::{Result, Space};
use flotilla_redis::RedisProgress;
use flotilla_tests::conformance::progress::fixture::{SOON, next, running, version, worker};
use flotilla_tests::{eventually, eventually_ok};
use futures_util::StreamExt;
use tokio::time::{Instant, timeout};

use super::private::{CALL, OPTIONS, Private};

/// Every call of the port, and what it is called in errors.
async fn every_call(progress: &RedisProgress) -> Vec<(&'static str, Duration, Result<()>)> {
    let (live, space) = (running(), Space::default());
    let mut answers = Vec::new();
    let mut began = Instant::now();
    let mut note = |what, answer: Result<()>| {
        answers.push((what, began.elapsed(), answer));
        began = Instant::now();
    };
    note("ping", progress.ping().await);
    note(
        "publish progress",
        progress.publish(std::slice::from_ref(&live)).await,
    );
    note("read progress", progress.read(&[live.batch]).await.map(drop));
    note("list active batches", progress.active(&space).await.map(drop));
    note(
        "subscribe to events",
        progress.subscribe(Scope::All).await.map(drop),
    );
    note(
        "note a worker's heartbeat",
        progress.heartbeat(&worker("a"), Duration::from_secs(9)).await,
    );
    note("list workers", progress.workers().await.map(drop));
    note(
        "ask for the eviction policy",
        progress.check_policy().await.map(drop),
    );
    answers
}

fn assert_refused(redis: &Private, answers: Vec<(&'static str, Duration, Result<()>)>) {
    for (what, took, answer) in answers {
        let error = answer.expect_err(what);
        let text = error.chain();
        let expected = format!("Redis: can't {what} at {}: ", redis.place());
        assert!(text.starts_with(&expected), "{text}");
        assert!(error.is_transient() && !text.contains("hunter2"), "{text}");
        assert!(took <= CALL, "{what} took {took:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_down_fails_every_call_in_clear_words() {
    let mut redis = Private::launch().await;
    redis.server.stop().await.unwrap();
    let progress = redis.progress_as("app:hunter2@");
    assert_refused(&redis, every_call(&progress).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_is_survived() {
    let mut redis = Private::launch().await;
    let progress = redis.progress();
    let mut live = running();
    progress.publish(std::slice::from_ref(&live)).await.unwrap();
    let mut events = progress.subscribe(Scope::All).await.unwrap();
    redis.server.kill().await.unwrap();
    progress.ping().await.expect_err("nobody answers");
    redis.server.start().await.unwrap();
    live.version += 1;
    eventually_ok("the first call after the restart", SOON, || {
        progress.publish(std::slice::from_ref(&live))
    })
    .await;
    assert_eq!(progress.read(&[live.batch]).await.unwrap(), [Some(live.clone())]);
    eventually("a connection for events", SOON, || redis.listener_id()).await;
    // Answers when the adapter knows that it is subscribed again.
    drop(progress.subscribe(Scope::All).await.unwrap());
    live.version += 1;
    progress.publish(std::slice::from_ref(&live)).await.unwrap();
    let first = timeout(SOON, events.next()).await.unwrap();
    assert_eq!(first, Some(Heard::Missed), "it knows that it has to read again");
    assert_eq!(next(&mut events).await.batch, live.batch);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_server_costs_no_more_than_the_timeout() {
    let redis = Private::launch().await;
    let progress = redis.progress();
    progress.ping().await.unwrap();
    redis.server.freeze().await;
    let answers = every_call(&progress).await;
    redis.server.thaw();
    assert_refused(&redis, answers);
    eventually_ok("the first call after the thaw", SOON, || progress.ping()).await;
}

/// A caller with less patience than the adapter must not keep it on a connection that nobody answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_connection_is_given_up_though_callers_do_not_wait() {
    let redis = Private::launch().await;
    let progress = redis.progress();
    progress.ping().await.unwrap();
    let before: String = redis.admin("CLIENT LIST TYPE normal").await;
    let ours = |list: &str| {
        list.lines()
            .filter_map(|line| line.split(' ').next())
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    redis.server.freeze().await;
    let impatient = timeout(OPTIONS.response * 3 / 4, progress.ping()).await;
    redis.server.thaw();
    // Where the machine is so busy that the adapter's own patience ended meanwhile, too, it says so.
    assert!(
        !matches!(impatient, Ok(Ok(()))),
        "a frozen server does not answer"
    );
    eventually_ok("the first call after the thaw", SOON, || progress.ping()).await;
    let after: String = redis.admin("CLIENT LIST TYPE normal").await;
    let kept = ours(&after).into_iter().filter(|id| ours(&before).contains(id));
    assert_eq!(kept.count(), 0, "a new connection was made:\n{before}{after}");
}

/// A connection that is only listened to shows its death to those who ask.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_listener_is_replaced() {
    let redis = Private::launch().await;
    let progress = redis.progress();
    let mut live = running();
    let mut events = progress.subscribe(Scope::All).await.unwrap();
    let before = redis.listener_id().await.expect("the adapter listens");
    // Idle but alive: it is asked several times, and stays.
    tokio::time::sleep(OPTIONS.silence * 4).await;
    assert_eq!(redis.listener_id().await.as_ref(), Some(&before));
    redis.server.freeze().await;
    tokio::time::sleep(OPTIONS.silence + OPTIONS.response * 2).await;
    redis.server.thaw();
    eventually("another connection for events", SOON, || async {
        redis.listener_id().await.filter(|id| *id != before)
    })
    .await;
    drop(progress.subscribe(Scope::All).await.unwrap());
    live = version(&live, live.version + 1);
    progress.publish(std::slice::from_ref(&live)).await.unwrap();
    assert_eq!(next(&mut events).await, live.event());
}
