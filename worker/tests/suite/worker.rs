//! A whole worker over the embedded broker.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::message::{ItemMessage, Verdict};
use flotilla_core::outcome::{ItemErrorKind, Output};
use flotilla_core::ports::Broker;
use flotilla_core::shard::Shard;
use flotilla_core::worker::{Running, WorkerStatus};
use flotilla_core::{BatchId, Json, Propagator};
use flotilla_worker::{Config, Handler, ItemContext};
use futures_util::StreamExt;
use tracing::Span;

use crate::support::broker::{Did, MALFORMED, Reports};
use crate::support::fleet::{Fleet, SHARDS, ended, item, pool};
use crate::support::{PATIENCE, eventually};

fn probes(batch: u128, items: u32) -> Vec<ItemMessage> {
    (0..items)
        .map(|index| item(batch, index, "probe", &index.to_string()))
        .collect()
}

/// Waits until the log says that so many items were acknowledged.
async fn acked(fleet: &Fleet, items: usize) {
    eventually("the items to be acknowledged", || {
        (fleet.broker.acked() >= items).then_some(())
    })
    .await;
}

#[tokio::test]
async fn every_item_is_reported_once_and_acknowledged_afterwards() {
    let fleet = Fleet::new().await;
    fleet.broker.reports(Reports::Fail(3));
    fleet.probe.permit_all();
    let mut items: Vec<_> = (1..=4).flat_map(|batch| probes(batch, 100)).collect();
    for (n, item) in items.iter_mut().enumerate() {
        item.pool = pool(["default", "gpu"][n % 2]);
    }
    fleet.publish(items).await;
    let worker = fleet.start(fleet.config());
    acked(&fleet, 400).await;
    fleet.stop(worker).await;

    let outcomes = fleet.outcomes();
    let keys: BTreeSet<_> = outcomes.iter().map(|(_, one)| (one.batch, one.index)).collect();
    assert_eq!((outcomes.len(), keys.len()), (400, 400));
    for (shard, one) in &outcomes {
        assert_eq!(*shard, Shard::of(one.batch, SHARDS));
        assert_eq!(
            one.verdict,
            Verdict::Done(Output::Inline(Json::of(&one.index).unwrap()))
        );
        assert_eq!(one.attempt, 2);
    }
    let log = fleet.broker.log();
    for key in keys {
        let at = |did| log.iter().position(|entry| *entry == did);
        assert!(at(Did::Report(key)).unwrap() < at(Did::Ack(key)).unwrap());
    }
    assert_eq!(log.len(), 800, "nothing twice, nothing given back");
    let most = fleet.probe.most_inside.load(Ordering::SeqCst);
    assert!((1..=4).contains(&most), "{most} at once, 4 allowed");
}

#[tokio::test]
async fn a_pool_without_items_keeps_no_slot_from_others() {
    let fleet = Fleet::new().await;
    fleet.probe.permit_all();
    let worker = fleet.start(Config {
        concurrency: 1,
        ..fleet.config()
    });
    fleet.publish(probes(1, 10)).await;
    acked(&fleet, 10).await;
    fleet.stop(worker).await;
}

#[tokio::test]
async fn nothing_is_acknowledged_while_it_can_not_be_reported() {
    let fleet = Fleet::new().await;
    fleet.broker.reports(Reports::Hang);
    fleet.probe.permit_all();
    let worker = fleet.start(Config {
        prefetch: Some(10_000),
        ..fleet.config()
    });
    fleet.publish(probes(1, 6_000)).await;
    // It fills up: what is being published, what is gathered, the channel, the slots.
    const BOUND: usize = 4 * 500 + 2_000 + 64 + 4;
    eventually("the worker to fill up", || {
        (fleet.probe.started() >= 2_000).then_some(())
    })
    .await;
    let mut before = 0;
    while before != fleet.probe.started() {
        before = fleet.probe.started();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(before <= BOUND, "{before} items run");
    assert_eq!(fleet.broker.log(), []);

    fleet.broker.reports(Reports::Pass);
    acked(&fleet, 6_000).await;
    fleet.stop(worker).await;
    assert_eq!(fleet.outcomes().len(), 6_000);
}

#[tokio::test]
async fn a_drain_finishes_what_runs_and_gives_back_the_rest_at_once() {
    let fleet = Fleet::new().await;
    fleet.publish(probes(1, 10)).await;
    let worker = fleet.start(Config {
        prefetch: Some(7),
        ..fleet.config()
    });
    fleet.started(4).await;
    fleet.shutdown.drain();
    let given_back = fleet.judged(3).await;
    assert!(
        given_back
            .iter()
            .all(|(_, verdict)| *verdict == Verdict::Released),
        "{given_back:?}"
    );
    fleet.probe.permit_all();
    ended(worker).await;
    assert_eq!(fleet.probe.started(), 4);
    assert_eq!(fleet.judged(7).await.len(), 7);
    let log = fleet.broker.log();
    assert!(!log.iter().any(|did| matches!(did, Did::Release(_))), "{log:?}");
    assert_eq!(fleet.broker.acked(), 7);
    assert_eq!(fleet.ready().await, 3, "the rest is there for others");
}

#[tokio::test]
async fn an_abort_gives_back_what_runs() {
    let fleet = Fleet::new().await;
    fleet.publish(probes(1, 4)).await;
    let worker = fleet.start(fleet.config());
    fleet.started(4).await;
    fleet.shutdown.abort();
    ended(worker).await;
    let given_back = fleet.judged(4).await;
    assert!(
        given_back
            .iter()
            .all(|(_, verdict)| *verdict == Verdict::Released),
        "{given_back:?}"
    );
    // Acknowledged: the broker counts nothing against the items.
    assert_eq!((fleet.broker.acked(), fleet.ready().await), (4, 0));
}

#[tokio::test]
async fn an_abort_that_can_not_be_reported_leaves_the_items_with_the_broker() {
    let fleet = Fleet::new().await;
    fleet.broker.reports(Reports::Hang);
    fleet.publish(probes(1, 10)).await;
    let worker = fleet.start(fleet.config());
    fleet.started(4).await;
    fleet.shutdown.abort();
    ended(worker).await;
    assert_eq!((fleet.outcomes().len(), fleet.broker.acked()), (0, 0));
    assert_eq!(fleet.ready().await, 10);
}

#[tokio::test]
async fn a_drain_that_takes_too_long_becomes_an_abort() {
    let fleet = Fleet::new().await;
    fleet.publish(probes(1, 1)).await;
    let worker = fleet.start(Config {
        drain: Duration::from_millis(100),
        ..fleet.config()
    });
    fleet.started(1).await;
    fleet.stop(worker).await;
    assert_eq!(fleet.judged(1).await, [(0, Verdict::Released)]);
    assert!(
        !fleet.shutdown.is_aborting(),
        "other services of the process go on"
    );
}

#[tokio::test]
async fn what_is_no_item_is_dead_lettered_and_harms_no_other() {
    let fleet = Fleet::new().await;
    fleet.probe.permit_all();
    let worker = fleet.start(fleet.config());
    fleet
        .publish(vec![item(1, 0, MALFORMED, "1"), item(1, 1, "probe", "1")])
        .await;
    acked(&fleet, 1).await;
    let mut dead = fleet.broker.consume_dead(10).await.unwrap();
    let letter = tokio::time::timeout(PATIENCE, dead.deliveries.next())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(letter.message.unwrap().index, 0);
    fleet.stop(worker).await;
    assert_eq!(fleet.outcomes().len(), 1);
}

struct Panics;

#[async_trait]
impl Handler for Panics {
    async fn handle(&self, _item: &ItemContext, _input: &Json) -> Verdict {
        panic!("on purpose")
    }
}

#[tokio::test]
async fn every_failure_is_a_verdict() {
    let fleet = Fleet::new().await;
    let mut config = fleet.config();
    config.handlers = config.handlers.with("panics", Arc::new(Panics));
    let worker = fleet.start(config);
    let slow = ItemMessage {
        timeout: Duration::from_millis(50),
        ..item(1, 2, "sleep", r#"{"ms": 60000}"#)
    };
    fleet
        .publish(vec![
            item(1, 0, "panics", "1"),
            item(1, 1, "nobody", "1"),
            slow,
            item(1, 3, "echo", "[ 1 ]"),
        ])
        .await;
    acked(&fleet, 4).await;
    fleet.stop(worker).await;

    let mut outcomes: Vec<_> = fleet.outcomes().into_iter().map(|(_, one)| one).collect();
    outcomes.sort_by_key(|one| one.index);
    // Each of them may pass: the ledger decides whether there is another attempt.
    let failure = |n: usize| match &outcomes[n].verdict {
        Verdict::Retry {
            error,
            after_ms: None,
        } => (error.kind, error.message.as_str()),
        other => panic!("unexpected {other:?}"),
    };
    assert_eq!(
        failure(0),
        (ItemErrorKind::Handler, "the handler panicked: on purpose")
    );
    let (kind, message) = failure(1);
    assert_eq!(kind, ItemErrorKind::Invalid);
    assert!(
        message.contains("\"nobody\", only echo, panics, probe, sleep, suspect"),
        "{message}"
    );
    assert_eq!(failure(2), (ItemErrorKind::Timeout, "took longer than 50ms"));
    assert!(outcomes[2].duration_us >= 50_000);
    assert_eq!(
        outcomes[3].verdict,
        Verdict::Done(Output::Inline(Json::parse("[ 1 ]").unwrap()))
    );
}

#[tokio::test]
async fn long_outputs_go_to_object_storage() {
    let fleet = Fleet::new().await;
    let worker = fleet.start(Config {
        inline_output_bytes: 10,
        ..fleet.config()
    });
    fleet
        .publish(vec![
            item(1, 0, "echo", "\"12345678\""),
            item(1, 1, "echo", "\"123456789\""),
        ])
        .await;
    acked(&fleet, 2).await;
    fleet.stop(worker).await;
    for (_, one) in fleet.outcomes() {
        match (one.index, one.verdict) {
            (0, Verdict::Done(Output::Inline(json))) => assert_eq!(json.len(), 10),
            (1, Verdict::Done(Output::Stored { key, bytes })) => {
                assert_eq!(bytes, 11);
                assert_eq!(fleet.objects.get(&key).await.unwrap().unwrap(), b"\"123456789\"");
            }
            other => panic!("unexpected {other:?}"),
        }
    }
}

#[tokio::test]
async fn heartbeats_say_what_runs() {
    let fleet = Fleet::new().await;
    let worker = fleet.start(fleet.config());
    fleet.publish(probes(7, 3)).await;
    let batch = BatchId(uuid::Uuid::from_u128(7));
    let busy = eventually("a heartbeat of three items", || {
        let last = fleet.heartbeats().pop()?;
        (last.1.held == 3).then_some(last)
    })
    .await;
    assert_eq!(busy.0, Shard(0));
    assert_eq!(busy.1.running, [Running { batch, items: 3 }]);
    assert_eq!((busy.1.concurrency, busy.1.pools.len()), (4, 2));
    assert!(!busy.1.draining);
    let doing: BTreeSet<_> = busy.1.doing.iter().map(|one| (one.batch, one.index)).collect();
    assert_eq!(doing, (0..3).map(|index| (batch, index)).collect());
    let oldest = &busy.1.doing[0];
    assert_eq!((oldest.attempt, oldest.job_type.as_str()), (2, "probe"));
    assert!(busy.1.doing.is_sorted_by_key(|one| one.since));
    fleet.probe.permit_all();
    acked(&fleet, 3).await;
    fleet.stop(worker).await;
    let last = eventually("the last heartbeat", || {
        let last = fleet.heartbeats().pop()?.1;
        (last.concurrency == 0).then_some(last)
    })
    .await;
    assert_eq!((last.held, last.running.len(), last.draining), (0, 0, true));
    assert!(fleet.heartbeats().len() < 20, "no heartbeats without news");
}

#[tokio::test]
async fn a_drain_is_told_at_once() {
    let fleet = Fleet::new().await;
    let worker = fleet.start(Config {
        heartbeat: Duration::from_secs(3_600),
        ..fleet.config()
    });
    fleet.publish(probes(7, 1)).await;
    fleet.started(1).await;
    fleet.shutdown.drain();
    let told = eventually("a heartbeat", || {
        let last = fleet.heartbeats().pop()?.1;
        last.draining.then_some(last)
    })
    .await;
    assert_eq!((told.concurrency, told.held), (4, 1), "it still works");
    fleet.probe.permit_all();
    ended(worker).await;
}

/// Waits until the last heartbeat says so.
async fn draining(fleet: &Fleet, is: bool) -> WorkerStatus {
    eventually("a heartbeat", || {
        let last = fleet.heartbeats().pop()?.1;
        (last.draining == is).then_some(last)
    })
    .await
}

/// Told from outside: it finishes what runs, gives back what it has not started, and takes nothing; then it works again.
#[tokio::test]
async fn a_worker_that_is_told_to_drain_can_be_told_to_work_again() {
    let fleet = Fleet::new().await;
    let worker = fleet.start(Config {
        prefetch: Some(10),
        ..fleet.config()
    });
    fleet.publish(probes(7, 10)).await;
    fleet.started(4).await;
    fleet.tell_to_drain(true).await;
    assert_eq!(draining(&fleet, true).await.concurrency, 4, "it stays");
    eventually("the rest to be given back", || {
        (fleet.outcomes().len() == 6).then_some(())
    })
    .await;
    assert!(
        fleet
            .verdicts()
            .iter()
            .all(|(_, verdict)| *verdict == Verdict::Released)
    );
    fleet.probe.permit_all();
    acked(&fleet, 10).await;
    fleet.publish(probes(8, 3)).await;
    assert_eq!(
        (fleet.ready().await, fleet.probe.started()),
        (3, 4),
        "nobody takes them"
    );

    fleet.tell_to_drain(false).await;
    acked(&fleet, 13).await;
    assert_eq!((fleet.ready().await, fleet.probe.started()), (0, 7));
    draining(&fleet, false).await;

    // It can be stopped while it rests.
    fleet.tell_to_drain(true).await;
    draining(&fleet, true).await;
    fleet.stop(worker).await;
}

/// Gives every span a context of its own.
struct Own;

impl Propagator for Own {
    fn attach(&self, _span: &Span, traceparent: &str) {
        assert!(traceparent.starts_with("00-4bf92f35"));
    }

    fn current(&self, _span: &Span) -> Option<String> {
        Some("00-own".into())
    }
}

#[tokio::test]
async fn the_trace_goes_on_through_the_item() {
    let mut fleet = Fleet::new().await;
    fleet.trace = Arc::new(Own);
    let env = ["printenv".to_owned(), "TRACEPARENT".to_owned()];
    let mut config = fleet.config();
    config.job_types = Arc::new({
        use flotilla_core::job_type::{ExecSpec, HandlerSpec, JobType, JobTypes};
        let mut types = JobTypes::default();
        types.insert(
            "env",
            JobType::new(HandlerSpec::Exec(ExecSpec::new(env.to_vec()))),
        );
        types
    });
    let worker = fleet.start(config);
    fleet.publish(vec![item(1, 0, "env", "1")]).await;
    acked(&fleet, 1).await;
    fleet.stop(worker).await;
    let (_, one) = fleet.outcomes().remove(0);
    assert_eq!(one.traceparent.as_deref(), Some("00-own"));
    assert_eq!(one.verdict, Verdict::Done(Output::Inline(Json::string("00-own"))));
}
