//! Items that workers may have been lost with.

use std::sync::atomic::Ordering;
use std::time::Duration;

use flotilla_core::message::{ItemMessage, Verdict};
use flotilla_worker::{Config, flight_recorder};

use crate::support::broker::{Did, SUSPECT};
use crate::support::eventually;
use crate::support::fleet::{Fleet, item, pool};

fn isolated(index: u32) -> ItemMessage {
    ItemMessage {
        isolated: true,
        ..item(9, index, SUSPECT, "1")
    }
}

#[tokio::test]
async fn a_suspect_is_reported_as_lost_without_being_run() {
    let fleet = Fleet::new().await;
    let worker = fleet.start(fleet.config());
    fleet.publish(vec![item(1, 3, SUSPECT, "1")]).await;
    assert_eq!(fleet.judged(1).await, [(3, Verdict::Lost)]);
    eventually("it to be acknowledged", || {
        (fleet.broker.acked() == 1).then_some(())
    })
    .await;
    fleet.stop(worker).await;
    assert_eq!(fleet.probe.started(), 0);
}

#[tokio::test]
async fn an_isolated_item_runs_alone() {
    let fleet = Fleet::new().await;
    let ordinary = |indices: std::ops::Range<u32>| -> Vec<_> {
        indices.map(|index| item(1, index, "probe", "1")).collect()
    };
    fleet.publish(ordinary(0..3)).await;
    let worker = fleet.start(Config {
        prefetch: Some(20),
        ..fleet.config()
    });
    fleet.started(3).await;
    let mut gpu = isolated(100);
    gpu.pool = pool("gpu");
    fleet.publish(vec![gpu, isolated(101)]).await;
    eventually("both to be taken", || {
        let held = fleet.heartbeats().pop()?.1.held;
        (held == 5).then_some(())
    })
    .await;
    // There is a slot for one of them, and it is not given to them.
    fleet.publish(ordinary(3..9)).await;
    eventually("them to be taken", || {
        let held = fleet.heartbeats().pop()?.1.held;
        (held == 11).then_some(())
    })
    .await;
    assert_eq!(fleet.probe.started(), 3);

    fleet.probe.permission.add_permits(3);
    fleet.started(4).await;
    fleet.judged(3).await;
    let fleet_doing = || fleet.heartbeats().pop().map(|(_, status)| status.doing);
    let first = eventually("one item to run alone", || {
        let doing = fleet_doing()?;
        (doing.len() == 1 && doing[0].index >= 100).then(|| doing[0].index)
    })
    .await;
    assert_eq!(fleet.probe.started(), 4, "nothing else has started");
    fleet.probe.permission.add_permits(1);
    eventually("the other one to run alone", || {
        let doing = fleet_doing()?;
        (doing.len() == 1 && doing[0].index >= 100 && doing[0].index != first).then_some(())
    })
    .await;
    assert_eq!(fleet.probe.started(), 5);
    fleet.probe.permit_all();
    fleet.judged(11).await;
    fleet.stop(worker).await;
    let log = fleet.broker.log();
    assert!(log.iter().all(|did| !matches!(did, Did::Release(_))), "{log:?}");
    assert_eq!(fleet.broker.acked(), 11);
}

#[tokio::test]
async fn an_isolated_item_that_never_gets_its_turn_is_given_back() {
    let fleet = Fleet::new().await;
    fleet.publish(vec![item(1, 0, "probe", "1")]).await;
    let worker = fleet.start(Config {
        give_back_after: Duration::from_millis(200),
        ..fleet.config()
    });
    fleet.started(1).await;
    fleet.publish(vec![isolated(7)]).await;
    assert_eq!(fleet.judged(1).await, [(7, Verdict::Released)]);
    fleet.probe.permit_all();
    fleet.stop(worker).await;
}

#[tokio::test]
async fn the_flight_recorder_knows_what_runs() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("flights");
    let fleet = Fleet::new().await;
    let worker = fleet.start(Config {
        flight_recorder: Some(path.clone()),
        prefetch: Some(10),
        ..fleet.config()
    });
    let items: Vec<_> = (0..6).map(|index| item(1, index, "probe", "1")).collect();
    let batch = items[0].batch;
    fleet.publish(items).await;
    fleet.started(4).await;
    let mut running = flight_recorder::landed(&path);
    running.sort_by_key(|(_, index, _)| *index);
    assert_eq!(running, [0, 1, 2, 3].map(|index| (batch, index, 2)));
    fleet.probe.permit_all();
    fleet.judged(6).await;
    fleet.stop(worker).await;
    assert_eq!(flight_recorder::landed(&path), []);
    assert_eq!(fleet.probe.most_inside.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn a_flight_recorder_that_can_not_be_written_stops_nothing() {
    let fleet = Fleet::new().await;
    fleet.probe.permit_all();
    let worker = fleet.start(Config {
        flight_recorder: Some("/no/such/folder/flights".into()),
        ..fleet.config()
    });
    fleet.publish(vec![item(1, 0, "probe", "1")]).await;
    fleet.judged(1).await;
    fleet.stop(worker).await;
}
