//! What an administrator or the network does to a server that goes on running.

use std::time::Duration;

use flotilla_core::ports::Progress;
use flotilla_core::ports::progress::{Heard, Scope};
use flotilla_core::{BatchState, ErrorKind};
use flotilla_tests::conformance::progress::fixture::{SOON, ended, next, running, version, worker};
use flotilla_tests::{eventually, eventually_ok};
use futures_util::StreamExt;
use tokio::time::timeout;

use super::private::Private;

const LONG: Duration = Duration::from_secs(3600);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_loss_of_everything_the_next_writes_restore_it() {
    let redis = Private::launch().await;
    let progress = redis.progress();
    let (live, other, status) = (running(), running(), worker("a"));
    let done = ended(other, BatchState::Completed);
    progress.publish(&[live.clone(), done.clone()]).await.unwrap();
    progress.heartbeat(&status, LONG).await.unwrap();
    let mut events = progress.subscribe(Scope::All).await.unwrap();
    let name = progress.incarnation().await.unwrap();

    let () = redis.admin("FLUSHALL").await;
    assert_ne!(
        progress.incarnation().await.unwrap(),
        name,
        "whoever wrote before can tell"
    );
    assert_eq!(
        progress.read(&[live.batch, done.batch]).await.unwrap(),
        [None, None]
    );
    assert_eq!(progress.active(&live.space).await.unwrap(), []);
    assert_eq!(progress.workers().await.unwrap(), []);

    progress.publish(&[live.clone(), done.clone()]).await.unwrap();
    progress.heartbeat(&status, LONG).await.unwrap();
    let both = [Some(live.clone()), Some(done.clone())];
    assert_eq!(progress.read(&[live.batch, done.batch]).await.unwrap(), both);
    assert_eq!(progress.active(&live.space).await.unwrap(), [live.batch]);
    assert_eq!(progress.workers().await.unwrap(), [status]);
    assert_eq!(
        [next(&mut events).await, next(&mut events).await],
        [live.event(), done.event()]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_that_were_flushed_are_loaded_again() {
    let redis = Private::launch().await;
    let progress = redis.progress();
    let (live, status) = (running(), worker("a"));
    for number in 1..4 {
        let () = redis.admin("SCRIPT FLUSH SYNC").await;
        let newest = version(&live, number);
        progress.publish(&[newest.clone(), running()]).await.unwrap();
        assert_eq!(progress.read(&[live.batch]).await.unwrap(), [Some(newest)]);
        let () = redis.admin("SCRIPT FLUSH SYNC").await;
        progress.heartbeat(&status, LONG).await.unwrap();
    }
    assert_eq!(progress.workers().await.unwrap(), [status]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_connection_is_not_noticed_by_callers() {
    let redis = Private::launch().await;
    let progress = redis.progress();
    let live = running();
    for number in 1..4 {
        let newest = version(&live, number);
        progress.publish(std::slice::from_ref(&newest)).await.unwrap();
        let cut: u32 = redis.admin("CLIENT KILL TYPE normal").await;
        assert!(cut > 0, "the adapter has a connection");
        assert_eq!(progress.read(&[live.batch]).await.unwrap(), [Some(newest)]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscriptions_outlive_their_connection() {
    let redis = Private::launch().await;
    let progress = redis.progress();
    let mut live = running();
    let mut events = progress
        .subscribe(Scope::Space(live.space.clone()))
        .await
        .unwrap();
    for _ in 0..3 {
        let before = redis.listener_id().await.expect("the adapter listens");
        let () = redis.admin("CLIENT KILL TYPE pubsub").await;
        eventually("a new connection for events", SOON, || async {
            redis.listener_id().await.filter(|id| *id != before)
        })
        .await;
        let fresh = progress.subscribe(Scope::All).await.unwrap();
        live.version += 1;
        progress.publish(std::slice::from_ref(&live)).await.unwrap();
        assert_eq!(next(&mut events).await, live.event());
        assert_eq!(next(&mut { fresh }).await, live.event());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_keeps_its_adapter_listening() {
    let redis = Private::launch().await;
    let (writer, listener) = (redis.progress(), redis.progress());
    let mut events = listener.subscribe(Scope::All).await.unwrap();
    drop(listener);
    let live = running();
    writer.publish(std::slice::from_ref(&live)).await.unwrap();
    assert_eq!(next(&mut events).await, live.event());
    drop(events);
    eventually(
        "the connection to be closed with the last subscription",
        SOON,
        || async { redis.listener_id().await.is_none().then_some(()) },
    )
    .await;
}

/// The answer to one attempt at connecting must not be the answer for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_login_is_tried_again() {
    let redis = Private::launch().await;
    let progress = redis.progress_as("app:hunter2@");
    let refused = progress.ping().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Misconfigured, "{}", refused.chain());
    let text = refused.chain();
    assert!(
        text.contains(&redis.place()) && text.contains("password"),
        "{text}"
    );
    assert!(!text.contains("hunter2"), "{text}");
    let () = redis.admin("ACL SETUSER app on >hunter2 ~* &* +@all").await;
    eventually_ok("a login", SOON, || progress.ping()).await;
    let mut events = progress.subscribe(Scope::All).await.unwrap();
    let live = running();
    progress.publish(std::slice::from_ref(&live)).await.unwrap();
    assert_eq!(next(&mut events).await, live.event());
}

/// So must a server that has no room for another client.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_server_is_tried_again() {
    let redis = Private::launch().await;
    let mut admin = redis.connection().await;
    let mut limit = async |clients: u32| {
        let mut set = redis::cmd("CONFIG");
        set.arg("SET").arg("maxclients").arg(clients);
        set.query_async::<()>(&mut admin).await.unwrap();
    };
    limit(1).await;
    let progress = redis.progress();
    let refused = progress.ping().await.unwrap_err();
    assert!(refused.is_transient(), "{}", refused.chain());
    limit(100).await;
    eventually_ok("room for a client", SOON, || progress.ping()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eviction_is_warned_about() {
    let redis = Private::launch().await;
    let progress = redis.progress();
    assert_eq!(progress.check_policy().await.unwrap(), None);
    let () = redis.admin("CONFIG SET maxmemory-policy allkeys-lru").await;
    let problem = progress.check_policy().await.unwrap().expect("a warning");
    assert!(
        problem.contains("allkeys-lru") && problem.contains("noeviction"),
        "{problem}"
    );
    assert!(problem.contains(&redis.place()), "{problem}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prefixes_keep_deployments_apart() {
    let redis = Private::launch().await;
    let with = |prefix: &str| super::open(&format!("{}?prefix={prefix}", redis.server.url()));
    let (one, two) = (with("one"), with("two"));
    let (mut heard, live) = (two.subscribe(Scope::All).await.unwrap(), running());
    one.publish(std::slice::from_ref(&live)).await.unwrap();
    one.heartbeat(&worker("a"), LONG).await.unwrap();
    assert_eq!(two.read(&[live.batch]).await.unwrap(), [None]);
    assert_eq!(two.active(&live.space).await.unwrap(), []);
    assert_eq!(two.workers().await.unwrap(), []);
    let newer = version(&live, live.version + 1);
    two.publish(std::slice::from_ref(&newer)).await.unwrap();
    let first = timeout(SOON, heard.next()).await.unwrap();
    assert_eq!(
        first,
        Some(Heard::Event(newer.event())),
        "the other deployment's event did not come"
    );
    let names: Vec<String> = redis.admin("KEYS *").await;
    assert!(
        names
            .iter()
            .all(|name| name.starts_with("one:") || name.starts_with("two:")),
        "{names:?}"
    );
}
