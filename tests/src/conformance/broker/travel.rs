//! Messages arrive, whole and once.

use std::collections::BTreeSet;
use std::time::Duration;

use flotilla_core::message::ItemMessage;
use flotilla_core::ports::broker::Broker;
use flotilla_core::{BatchId, Json, Space};
use futures_util::FutureExt;
use uuid::Uuid;

use super::fixture::{
    SHARD, consume, declare, gpu, is_quiet, item, next, publish, report, take, wait_for_ready, work,
};

fn elaborate() -> ItemMessage {
    ItemMessage {
        batch: BatchId(Uuid::from_u128(u128::MAX - 3)),
        index: 2_147_483_646,
        attempt: 65_535,
        max_attempts: 65_535,
        timeout: Duration::from_millis(86_400_001),
        space: "team-a_1".parse::<Space>().expect("a valid name"),
        job_type: "Prüfung, mit \"Anführung\"\n".repeat(20),
        pool: gpu(),
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
        epoch: u32::MAX,
        isolated: false,
        callback: Some("https://flotilla.test/v1/callbacks/AZ-_09?a=ä b".into()),
        input: Json::parse("{\"b\": 1.50,\n \"a\":1e400, \"b\":\"\\u0000 é 🚢\"}").expect("valid JSON"),
    }
}

/// Every header, and the input byte by byte; also where it does not fit one frame.
pub async fn an_item_arrives_as_it_was_sent(broker: &dyn Broker) {
    declare(broker).await;
    let large = ItemMessage {
        input: Json::string(&"x".repeat(300_000)),
        ..elaborate()
    };
    let sent = vec![elaborate(), large];
    broker
        .publish_items(&sent.clone())
        .await
        .expect("items are published");
    let mut worker = broker.consume_items(&gpu(), 10).await.expect("the queue exists");
    for sent in sent {
        let delivery = next(&mut worker).await;
        assert_eq!(delivery.redeliveries, 0);
        assert_eq!(delivery.message.expect("it can be read"), sent);
    }
}

/// A report, too.
pub async fn a_report_arrives_as_it_was_sent(broker: &dyn Broker) {
    declare(broker).await;
    broker
        .publish_report(SHARD, &report(3))
        .await
        .expect("a report is published");
    let mut reports = broker.consume_reports(SHARD, 10).await.expect("the queue exists");
    let delivery = next(&mut reports).await;
    assert_eq!(delivery.redeliveries, 0);
    assert_eq!(delivery.message.expect("it can be read"), report(3));
}

/// Publishers at the same time, and a consumer that acks as it goes: every item once, and none left.
pub async fn five_thousand_items_arrive_exactly_once(broker: &dyn Broker) {
    declare(broker).await;
    let all: Vec<_> = (0..5_000).map(item).collect();
    let calls = all.chunks(500).map(|items| broker.publish_items(items));
    let publishing = async {
        for published in futures_util::future::join_all(calls).await {
            published.expect("items are published");
        }
    };
    let working = async {
        let (mut worker, mut seen) = (consume(broker, 300).await, BTreeSet::new());
        for _ in 0..50 {
            let (tags, indices) = take(&mut worker, 100).await;
            seen.extend(indices);
            worker.settle.ack(tags).await.expect("acks are taken");
        }
        seen
    };
    let ((), seen) = tokio::join!(publishing, working);
    assert!(seen.into_iter().eq(0..5_000));
    wait_for_ready(broker, &work(), 0).await;
    // Whatever was left unsettled would come before this one.
    broker
        .publish_items(&[item(9_999)])
        .await
        .expect("items are published");
    assert_eq!(take(&mut consume(broker, 300).await, 1).await.1, [9_999]);
}

/// Items go to the pool that they are for, in one call.
pub async fn every_pool_has_its_own_queue(broker: &dyn Broker) {
    declare(broker).await;
    let mixed = (0..10).map(|index| match index % 2 {
        0 => item(index),
        _ => ItemMessage {
            pool: gpu(),
            ..item(index)
        },
    });
    broker
        .publish_items(&mixed.collect::<Vec<_>>())
        .await
        .expect("items are published");
    let mut of_gpu = broker.consume_items(&gpu(), 10).await.expect("the queue exists");
    assert_eq!(take(&mut of_gpu, 5).await.1, [1, 3, 5, 7, 9]);
    let mut of_default = consume(broker, 10).await;
    assert_eq!(take(&mut of_default, 5).await.1, [0, 2, 4, 6, 8]);
    assert!(is_quiet(&mut of_default) && is_quiet(&mut of_gpu));
}

/// A call without items does nothing.
pub async fn no_items_are_fine(broker: &dyn Broker) {
    publish(broker, 0).await;
    wait_for_ready(broker, &work(), 0).await;
}

/// A publish that was dropped in the middle does not disturb later ones.
pub async fn a_publish_may_be_dropped(broker: &dyn Broker) {
    declare(broker).await;
    let many: Vec<_> = (0..2_000).map(item).collect();
    for _ in 0..5 {
        let dropped = broker.publish_items(&many);
        assert!(dropped.now_or_never().is_none_or(|published| published.is_ok()));
    }
    let wanted: Vec<_> = (10_000..10_100).map(item).collect();
    broker.publish_items(&wanted).await.expect("items are published");
    let (mut worker, mut missing) = (
        consume(broker, 100).await,
        (10_000..10_100).collect::<BTreeSet<_>>(),
    );
    while !missing.is_empty() {
        let (tags, items) = take(&mut worker, 1).await;
        missing.remove(&items[0]);
        worker.settle.ack(tags).await.expect("acks are taken");
    }
}
