//! The fleet, as one space sees it.

use std::time::Duration;

use flotilla_core::worker::{Doing, Running, WorkerStatus};
use flotilla_core::{BatchId, WorkerId};
use serde_json::json;

use crate::harness::Api;

#[tokio::test]
async fn a_space_sees_what_workers_do_for_it_and_how_much_for_others() {
    let api = Api::new().await;
    let (own, other) = (api.batch_of("a", "1\n").await, api.batch_of("b", "1\n").await);
    let ids: Vec<BatchId> = [&own, &other].map(|id| id.parse().unwrap()).into();
    let now = api.deps.clock.now();
    let worker = WorkerStatus {
        id: WorkerId("w-1".into()),
        pools: vec!["default".parse().unwrap()],
        concurrency: 8,
        running: ids.iter().map(|&batch| Running { batch, items: 2 }).collect(),
        held: 5,
        holding: None,
        doing: ids
            .iter()
            .chain(&[api.deps.ids.batch()])
            .map(|&batch| Doing {
                batch,
                index: 3,
                attempt: 1,
                job_type: "echo".into(),
                since: now,
            })
            .collect(),
        draining: false,
        started_at: now,
        seen_at: now,
        version: "1.2.3".into(),
    };
    api.deps
        .progress
        .heartbeat(&worker, Duration::from_secs(60))
        .await
        .unwrap();
    for (space, batches) in [("a", vec![&own]), ("b", vec![&other]), ("c", vec![])] {
        let workers = api.get(&format!("/v1/workers?space={space}")).await.json;
        let worker = &workers["workers"][0];
        assert_eq!(
            (
                &worker["id"],
                &worker["running"],
                &worker["held"],
                &worker["concurrency"]
            ),
            (&json!("w-1"), &json!(4), &json!(5), &json!(8))
        );
        let doing = worker["doing"].as_array().unwrap();
        let shown: Vec<_> = doing
            .iter()
            .map(|doing| doing["batch_id"].as_str().unwrap())
            .collect();
        assert_eq!(shown, batches, "{space}");
    }
}
