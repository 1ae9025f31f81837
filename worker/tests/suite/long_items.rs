//! Items that take long, and items that have to wait long for them.

use std::sync::Arc;
use std::time::Duration;

use flotilla_core::job_type::{HandlerSpec, JobType, JobTypes};
use flotilla_core::message::Verdict;
use flotilla_worker::Config;

use crate::support::broker::Did;
use crate::support::eventually;
use crate::support::fleet::{Fleet, ended, item};

fn short_lease(fleet: &Fleet) -> Config {
    Config {
        lease_after: Duration::from_millis(100),
        lease: Duration::from_millis(300),
        ..fleet.config()
    }
}

fn leased(verdict: &Verdict) -> bool {
    *verdict == Verdict::Leased { ttl_ms: 300 }
}

#[tokio::test]
async fn a_long_item_is_leased_and_its_delivery_settled_while_it_runs() {
    let fleet = Fleet::new().await;
    let worker = fleet.start(short_lease(&fleet));
    fleet.publish(vec![item(1, 0, "probe", "1")]).await;
    let renewed = fleet.judged(3).await;
    assert!(renewed.iter().all(|(_, verdict)| leased(verdict)), "{renewed:?}");
    let key = (item(1, 0, "probe", "1").batch, 0);
    assert_eq!(
        fleet.broker.log()[..2],
        [Did::Report(key), Did::Ack(key)],
        "reported first"
    );
    assert_eq!(fleet.broker.acked(), 1);
    let status = fleet.heartbeats().pop().unwrap().1;
    assert_eq!((status.held, status.doing.len()), (1, 1), "it is still in hand");

    fleet.probe.permit_all();
    eventually("its outcome", || {
        let last = fleet.verdicts().pop()?.1;
        matches!(last, Verdict::Done(_)).then_some(())
    })
    .await;
    fleet.stop(worker).await;
    assert_eq!(fleet.broker.acked(), 1);
    let outcomes = fleet.outcomes();
    let began = outcomes[0].1.started_at;
    assert!(outcomes.iter().all(|(_, one)| one.started_at == began));
    assert!(outcomes.last().unwrap().1.duration_us >= 300_000);
}

#[tokio::test]
async fn an_abort_gives_back_a_leased_item() {
    let fleet = Fleet::new().await;
    let worker = fleet.start(short_lease(&fleet));
    fleet.publish(vec![item(1, 0, "probe", "1")]).await;
    fleet.judged(1).await;
    fleet.shutdown.abort();
    ended(worker).await;
    eventually("it to be given back", || {
        (fleet.verdicts().pop()?.1 == Verdict::Released).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_waits_too_long_for_a_slot_is_given_back() {
    let fleet = Fleet::new().await;
    let worker = fleet.start(Config {
        concurrency: 1,
        prefetch: Some(3),
        give_back_after: Duration::from_millis(200),
        ..fleet.config()
    });
    let items = (0..3).map(|index| item(1, index, "probe", "1"));
    fleet.publish(items.collect()).await;
    let verdicts = fleet.judged(2).await;
    assert_eq!(verdicts, [(1, Verdict::Released), (2, Verdict::Released)]);
    fleet.probe.permit_all();
    fleet.stop(worker).await;
    assert_eq!((fleet.probe.started(), fleet.broker.acked()), (1, 3));
}

#[tokio::test]
async fn what_waits_behind_long_items_is_left_to_other_workers() {
    let fleet = Fleet::new().await;
    let worker = fleet.start(Config {
        concurrency: 1,
        prefetch: Some(3),
        elsewhere_after: Some(Duration::from_millis(100)),
        ..fleet.config()
    });
    let items = (0..3).map(|index| item(1, index, "probe", "1"));
    fleet.publish(items.collect()).await;
    let verdicts = fleet.judged(2).await;
    assert_eq!(verdicts, [(1, Verdict::Released), (2, Verdict::Released)]);
    fleet.probe.permit_all();
    fleet.stop(worker).await;
    assert_eq!((fleet.probe.started(), fleet.broker.acked()), (1, 3));
}

#[tokio::test]
async fn a_capped_job_type_leaves_its_slots_to_others() {
    let fleet = Fleet::new().await;
    let mut job_types = JobTypes::builtin();
    // The handler that comes with the program wins over this one; the cap does not.
    let mut probe = JobType::new(HandlerSpec::Echo {});
    probe.worker_concurrency = Some(1);
    job_types.insert("probe", probe);
    let worker = fleet.start(Config {
        concurrency: 2,
        prefetch: Some(100),
        job_types: Arc::new(job_types),
        ..fleet.config()
    });
    let mut items: Vec<_> = (0..20).map(|index| item(1, index, "probe", "1")).collect();
    items.extend((20..40).map(|index| item(1, index, "echo", "1")));
    fleet.publish(items).await;
    let verdicts = fleet.judged(20).await;
    assert!(verdicts.iter().all(|(index, _)| *index >= 20), "{verdicts:?}");
    assert_eq!(fleet.probe.started(), 1);
    fleet.probe.permit_all();
    let all = fleet.judged(40).await;
    assert_eq!(all.len(), 40);
    fleet.stop(worker).await;
    let most = fleet.probe.most_inside.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(most, 1);
}
