//! Workers that are killed with items in hand, and items that are given back: what the broker makes of it, by its own
//! counts.

use std::cell::RefCell;
use std::collections::BTreeMap;

use flotilla_core::ItemIndex;
use flotilla_core::message::{ItemMessage, Report, Verdict};
use flotilla_core::ports::Broker;
use flotilla_core::ports::broker::{
    ISOLATED_DELIVERY_LIMIT, Queue, SUSPECT_AFTER, Subscription, Unpublished,
};
use flotilla_tests::conformance::broker::fixture::{
    PATIENCE, SHARD, consume, consume_isolated, declare, is_quiet, isolation, item, next, publish, report,
    suspect, wait_for_depth, wait_for_ready, work,
};
use flotilla_tests::{Management, Sandbox, eventually, eventually_ok};
use serde_json::json;
use tokio::runtime::Runtime;

use super::connect;

/// What a queue did since it exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Traffic {
    published: u64,
    delivered: u64,
    redelivered: u64,
    acked: u64,
}

impl Traffic {
    async fn of(management: &Management, queue: &Queue) -> Self {
        let queue = queue.to_string();
        Self {
            published: management.published_to(&queue).await,
            delivered: management.delivered(&queue).await,
            redelivered: management.redelivered(&queue).await,
            acked: management.acked(&queue).await,
        }
    }
}

/// Waits until the broker has counted exactly this.
async fn wait_for_traffic(management: &Management, queue: &Queue, expected: Traffic) {
    eventually_ok("the traffic of a queue", PATIENCE, || async {
        let traffic = Traffic::of(management, queue).await;
        (traffic == expected)
            .then_some(())
            .ok_or(format!("{queue}: {traffic:?} and not {expected:?}"))
    })
    .await;
}

/// A worker process in all but name: its connections end when it does, without a goodbye.
struct Victim(Runtime);

impl Victim {
    /// Starts one that takes `count` items of `queue`, and does nothing with them. Answers how often each came back.
    async fn holding(url: &str, queue: Queue, count: usize) -> (Self, Vec<(ItemIndex, u32)>) {
        let (url, runtime) = (url.to_owned(), Runtime::new().expect("a runtime"));
        let (told, tell) = tokio::sync::oneshot::channel();
        runtime.spawn(async move {
            let broker = connect(&url);
            let mut worker = match queue {
                Queue::Isolate(pool) => broker.consume_isolated(&pool).await,
                _ => broker.consume_items(&Default::default(), 10).await,
            }
            .expect("the queue can be consumed");
            let mut held = Vec::new();
            for _ in 0..count {
                let delivery = next(&mut worker).await;
                let index = delivery.message.expect("it can be read").index;
                held.push((index, delivery.redeliveries));
            }
            told.send(held).expect("the test waits");
            std::future::pending::<()>().await;
        });
        let held = tell.await.expect("the worker has its items");
        (Self(runtime), held)
    }

    /// As a kill does.
    async fn kill(self, broker: &dyn Broker, queue: &Queue) {
        self.0.shutdown_background();
        wait_for_depth(broker, queue, |depth| depth.consumers == 0).await;
    }
}

/// Says `verdict` about the item, and then acks it, as workers do with what they do not start.
async fn answer(
    broker: &dyn Broker,
    worker: &mut Subscription<ItemMessage>,
    verdict: Verdict,
) -> ItemMessage {
    let delivery = next(worker).await;
    let item = delivery.message.expect("it can be read");
    let mut report: Report = report(item.index);
    report.items[0].verdict = verdict;
    broker
        .publish_report(SHARD, &report)
        .await
        .expect("a report is published");
    worker
        .settle
        .ack(vec![delivery.tag])
        .await
        .expect("acks are taken");
    item
}

/// The whole way of an item that kills workers, and of one that happened to be with it.
#[tokio::test]
async fn what_workers_are_killed_with_is_suspected_isolated_and_dead() {
    const POISON: ItemIndex = 0;
    let sandbox = Sandbox::new().await;
    let broker = connect(&sandbox.amqp_url());
    publish(&broker, 2).await;
    for came_back in 0..SUSPECT_AFTER {
        let (victim, held) = Victim::holding(&sandbox.amqp_url(), work(), 2).await;
        assert_eq!(held, [(0, came_back), (1, came_back)]);
        // The broker may never count what a channel did that ends before it was asked.
        let traffic = Traffic {
            published: 2,
            delivered: 2 * u64::from(came_back + 1),
            redelivered: 2 * u64::from(came_back),
            acked: 0,
        };
        wait_for_traffic(sandbox.management(), &work(), traffic).await;
        victim.kill(&broker, &work()).await;
        wait_for_ready(&broker, &work(), 2).await;
    }

    // The next worker suspects both, and runs neither. What it answered is gone from the queue.
    let mut worker = consume(&broker, 10).await;
    let mut suspects = Vec::new();
    for index in [0, 1] {
        let delivery = next(&mut worker).await;
        assert_eq!(delivery.redeliveries, SUSPECT_AFTER);
        assert_eq!(delivery.message, Ok(item(index)));
        suspects.push(suspect(index));
        worker
            .settle
            .ack(vec![delivery.tag])
            .await
            .expect("acks are taken");
    }
    let traffic = Traffic {
        published: 2,
        delivered: 2 * u64::from(SUSPECT_AFTER + 1),
        redelivered: 2 * u64::from(SUSPECT_AFTER),
        acked: 2,
    };
    wait_for_traffic(sandbox.management(), &work(), traffic).await;
    assert_eq!(sandbox.management().depth(&work().to_string()).await, 0);

    // Alone, the poison takes nobody else with it, and is given up sooner.
    broker
        .publish_items(&suspects)
        .await
        .expect("items are published");
    for came_back in 0..=ISOLATED_DELIVERY_LIMIT {
        let (victim, held) = Victim::holding(&sandbox.amqp_url(), isolation(), 1).await;
        assert_eq!(held, [(POISON, came_back)]);
        victim.kill(&broker, &isolation()).await;
    }
    let mut alone = consume_isolated(&broker).await;
    let innocent = next(&mut alone).await;
    assert_eq!((innocent.redeliveries, innocent.message), (0, Ok(suspect(1))));
    alone
        .settle
        .ack(vec![innocent.tag])
        .await
        .expect("acks are taken");
    let mut dead = broker.consume_dead(10).await.expect("the queue exists");
    let delivery = next(&mut dead).await;
    assert_eq!(delivery.message, Ok(suspect(POISON)));
    dead.settle.ack(vec![delivery.tag]).await.expect("acks are taken");
    wait_for_ready(&broker, &isolation(), 0).await;
    assert!(is_quiet(&mut alone) && is_quiet(&mut dead) && is_quiet(&mut worker));
}

/// Items of a paused batch are delivered once, answered and gone: the broker has nothing to deliver again, however long
/// the pause is. What is sent when it is resumed is new to it.
#[tokio::test]
async fn a_pause_moves_nothing_on_the_broker() {
    const ITEMS: u32 = 50;
    let sandbox = Sandbox::new().await;
    let broker = connect(&sandbox.amqp_url());
    declare(&broker).await;
    let suspects = |index| {
        if index % 10 == 9 {
            suspect(index)
        } else {
            item(index)
        }
    };
    let (mut worker, mut alone) = (consume(&broker, 16).await, consume_isolated(&broker).await);
    for round in 1..=2_u64 {
        let items: Vec<_> = (0..ITEMS).map(suspects).collect();
        broker.publish_items(&items).await.expect("items are published");
        for _ in 0..ITEMS - ITEMS / 10 {
            assert!(!answer(&broker, &mut worker, Verdict::Released).await.isolated);
        }
        for _ in 0..ITEMS / 10 {
            assert!(answer(&broker, &mut alone, Verdict::Released).await.isolated);
        }
        for (queue, share) in [(work(), 9), (isolation(), 1)] {
            let count = round * share * u64::from(ITEMS / 10);
            let once = Traffic {
                published: count,
                delivered: count,
                redelivered: 0,
                acked: count,
            };
            wait_for_traffic(sandbox.management(), &queue, once).await;
            wait_for_ready(&broker, &queue, 0).await;
        }
        assert!(is_quiet(&mut worker) && is_quiet(&mut alone));
    }

    // The counters do tell: giving back by the broker is delivered again at once, to the same worker.
    broker
        .publish_items(&[item(0)])
        .await
        .expect("items are published");
    for came_back in 0..3 {
        let delivery = next(&mut worker).await;
        assert_eq!(delivery.redeliveries, came_back);
        worker
            .settle
            .release(vec![delivery.tag])
            .await
            .expect("releases are taken");
    }
    answer(&broker, &mut worker, Verdict::Released).await;
    let count = u64::from(2 * (ITEMS - ITEMS / 10));
    let churned = Traffic {
        published: count + 1,
        delivered: count + 4,
        redelivered: 3,
        acked: count + 1,
    };
    wait_for_traffic(sandbox.management(), &work(), churned).await;
}

/// A queue that takes no more for a while: what it has is known, and only the rest is left to publish.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_full_queue_has_taken_is_known() {
    const ITEMS: ItemIndex = 5_000;
    let sandbox = Sandbox::new().await;
    let (broker, management) = (connect(&sandbox.amqp_url()), sandbox.management());
    declare(&broker).await;
    let full = "full";
    management
        .set_operator_policy(full, "^flotilla[.]work", json!({"max-length": 50}))
        .await
        .expect("a policy can be set");
    eventually("the policy to have an effect", PATIENCE, || async {
        let queue = management.queue(&work().to_string()).await?;
        (queue["operator_policy"] == full).then_some(())
    })
    .await;
    // The queue says that it is full a moment after it is.
    let unpublished = broker
        .publish_items(&(0..ITEMS).map(item).collect::<Vec<_>>())
        .await;
    let Unpublished { left, error } = unpublished.expect_err("there is no room for all of them");
    assert!(error.is_transient(), "{error}");
    assert!(left.len() < ITEMS as usize, "some of them were taken");
    management
        .delete_operator_policy(full)
        .await
        .expect("a policy can be removed");

    // Until the policy has gone, some of them may still be refused.
    let left = RefCell::new(left);
    eventually_ok("the rest to be published", PATIENCE, || async {
        let sent = left.borrow().clone();
        let rest = sent
            .iter()
            .map(|&index| item(ItemIndex::try_from(index).expect("few")));
        broker
            .publish_items(&rest.collect::<Vec<_>>())
            .await
            .map_err(|unpublished| {
                let still = unpublished.left.iter().map(|&position| sent[position]);
                left.replace(still.collect());
                unpublished.error.chain()
            })
    })
    .await;
    let mut work = consume(&broker, u16::MAX).await;
    let mut seen = BTreeMap::<ItemIndex, u32>::new();
    for _ in 0..ITEMS {
        let delivery = next(&mut work).await;
        *seen.entry(delivery.message.expect("an item").index).or_default() += 1;
    }
    assert!(seen.keys().copied().eq(0..ITEMS), "all of them are there");
    assert!(
        seen.values().all(|&times| times == 1),
        "and none was published twice"
    );
}
