//! A server that hangs or dies. It is one of its own, because the shared one belongs to every test.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use flotilla_core::ErrorKind;
use flotilla_core::ports::store::Store;
use flotilla_postgres::PostgresOptions;
use flotilla_tests::conformance::store::Fixture;
use flotilla_tests::conformance::store::samples::{inputs, success};
use flotilla_tests::eventually_ok;
use flotilla_tests::servers::{Folder, Postgres, Server};
use rustix::process::{Pid, Signal, kill_process};

use super::open;

/// What was answered before is there afterwards; what was not can be repeated. Waiting has an end meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_or_dies_loses_nothing() {
    let folder = Folder::create().expect("a folder");
    let mut server = Server::<Postgres>::launch(&folder)
        .await
        .expect("PostgreSQL starts");
    let limit = Duration::from_secs(2);
    let options = PostgresOptions {
        connect_timeout: limit,
        call_timeout: limit,
        ..PostgresOptions::default()
    };
    let store = open(&server.url(), &options);
    store.migrate().await.expect("migrates");
    let t = Fixture::new(Arc::new(store), Box::new(()));
    let (id, open) = (t.dispatched(10).await, t.uploaded(inputs(0..5)).await);

    signal_processes(&server, Signal::STOP);
    let outcomes: Vec<_> = (0..4).map(|index| success(id, index)).collect();
    let error = t
        .store
        .record(outcomes.clone(), t.now())
        .await
        .expect_err("nobody answers");
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", error.chain());
    signal_processes(&server, Signal::CONT);
    answers(&t).await;
    assert_eq!(t.record(outcomes).await[0].counts.settled(), 4);

    server.kill().await.expect("PostgreSQL can be killed");
    let error = t.store.ping().await.expect_err("it is dead");
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", error.chain());
    server.start().await.expect("PostgreSQL starts again");
    answers(&t).await;
    assert_eq!(t.counts(id).await.settled(), 4);
    t.store
        .append_items(open, 5, inputs(5..9))
        .await
        .expect("the upload goes on");
    t.finish(id).await;
}

/// The server is a process per connection, and one that starts them.
fn signal_processes(server: &Server<Postgres>, signal: Signal) {
    let main = server.pid().expect("it runs");
    let children = fs::read_to_string(format!("/proc/{main}/task/{main}/children")).expect("it has children");
    let all = children.split_whitespace().map(|pid| pid.parse().expect("a pid"));
    for pid in all.chain([main.try_into().expect("a pid")]) {
        let _ = kill_process(Pid::from_raw(pid).expect("not 0"), signal);
    }
}

async fn answers(t: &Fixture) {
    eventually_ok("the server to answer", Duration::from_secs(60), || async {
        t.store.ping().await.map_err(|error| error.chain())
    })
    .await;
}
