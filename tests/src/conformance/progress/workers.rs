//! Workers: what they said last, for as long as that counts.

use std::time::Duration;

use flotilla_core::worker::{Doing, MAX_DOING};

use super::Fixture;
use super::fixture::{SOON, at, worker};
use crate::eventually;

const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(200);

async fn ids(fixture: &Fixture) -> Vec<String> {
    let workers = fixture.reader.workers().await.expect("workers are listed");
    workers.iter().map(|worker| worker.id.to_string()).collect()
}

/// With everything that they said.
pub async fn workers_are_listed_by_id(fixture: Fixture) {
    assert_eq!(fixture.reader.workers().await.unwrap(), []);
    let mut workers = ["b.example-77-aa", "a-1-00", "c:d-2-ff"].map(worker);
    workers[1].running.clear();
    workers[1].pools.truncate(1);
    workers[1].doing.clear();
    workers[1].draining = false;
    let doing = workers[2].doing[0].clone();
    workers[2].doing = (0..MAX_DOING as u32)
        .map(|index| Doing {
            index,
            ..doing.clone()
        })
        .collect();
    for worker in &workers {
        fixture.writer.heartbeat(worker, LONG).await.unwrap();
    }
    workers.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(fixture.reader.workers().await.unwrap(), workers);
}

/// A worker has one status.
pub async fn the_last_heartbeat_counts(fixture: Fixture) {
    let mut status = worker("a");
    fixture.writer.heartbeat(&status, LONG).await.unwrap();
    status.running.clear();
    status.doing.clear();
    status.draining = false;
    status.held = 0;
    status.seen_at = at(10);
    fixture.writer.heartbeat(&status, LONG).await.unwrap();
    assert_eq!(fixture.reader.workers().await.unwrap(), [status]);
}

/// It says nothing any more, so it is not there.
pub async fn a_silent_worker_is_forgotten(fixture: Fixture) {
    fixture.writer.heartbeat(&worker("a"), LONG).await.unwrap();
    fixture.writer.heartbeat(&worker("b"), SHORT).await.unwrap();
    eventually("the silent worker to be forgotten", SOON, || async {
        (ids(&fixture).await == ["a"]).then_some(())
    })
    .await;
}

/// The later time counts: once the other short one is over, this one's would have been.
pub async fn a_heartbeat_prolongs_a_workers_time(fixture: Fixture) {
    let prolonged = worker("prolonged");
    fixture.writer.heartbeat(&prolonged, SHORT).await.unwrap();
    fixture.writer.heartbeat(&prolonged, LONG).await.unwrap();
    fixture.writer.heartbeat(&worker("silent"), SHORT).await.unwrap();
    eventually("the silent worker to be forgotten", SOON, || async {
        let ids = ids(&fixture).await;
        (!ids.contains(&"silent".to_owned())).then_some(())
    })
    .await;
    assert_eq!(ids(&fixture).await, ["prolonged"]);
}

/// Told by one process, heard by another, until it is told otherwise.
pub async fn a_worker_is_told_to_drain_and_to_work_again(fixture: Fixture) {
    let ids = ["a:1", "b"].map(|id| worker(id).id);
    let told = async || fixture.reader.told_to_drain(&ids).await.unwrap();
    assert_eq!(told().await, [false, false]);
    for _ in 0..2 {
        fixture.writer.tell_to_drain(&ids[0], true).await.unwrap();
        assert_eq!(told().await, [true, false]);
    }
    for _ in 0..2 {
        fixture.writer.tell_to_drain(&ids[0], false).await.unwrap();
        assert_eq!(told().await, [false, false]);
    }
    assert_eq!(fixture.reader.told_to_drain(&[]).await.unwrap(), [false; 0]);
}

/// Both handles reach it.
pub async fn the_engine_answers(fixture: Fixture) {
    fixture.writer.ping().await.unwrap();
    fixture.reader.ping().await.unwrap();
}

/// The same name for everybody, for as long as nothing is lost.
pub async fn what_is_there_has_a_name_while_it_is_there(fixture: Fixture) {
    let name = fixture.writer.incarnation().await.unwrap();
    fixture
        .writer
        .publish(&[super::fixture::running()])
        .await
        .unwrap();
    assert_eq!(fixture.reader.incarnation().await.unwrap(), name);
    assert_eq!(fixture.writer.incarnation().await.unwrap(), name);
}
