//! A server that hangs or dies. It is one of its own, because the shared one belongs to every test.

use std::sync::Arc;
use std::time::Duration;

use flotilla_core::ErrorKind;
use flotilla_core::ports::store::Store;
use flotilla_postgres::PostgresOptions;
use flotilla_tests::conformance::store::Fixture;
use flotilla_tests::conformance::store::samples::{inputs, success};
use flotilla_tests::servers::{Folder, Postgres, Server};
use flotilla_tests::{eventually, eventually_ok};
use rustix::process::{Signal, kill_process};

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
    // The processes of connections end when they notice, and may answer until then.
    let error = eventually("its last process to end", Duration::from_secs(60), || async {
        t.store.ping().await.err()
    })
    .await;
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
    for pid in server.processes() {
        let _ = kill_process(pid, signal);
    }
}

async fn answers(t: &Fixture) {
    eventually_ok("the server to answer", Duration::from_secs(60), || async {
        t.store.ping().await.map_err(|error| error.chain())
    })
    .await;
}
