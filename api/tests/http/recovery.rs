//! A process that starts again after its broker forgot everything.

use std::time::Duration;

use flotilla_api::publisher::recover;
use flotilla_core::message::Verdict;
use flotilla_core::outcome::Output;
use flotilla_core::ports::store::{NewBatch, Want};
use flotilla_core::{BatchId, Json, Space};
use serde_json::{Value, json};

use crate::harness::Api;

#[tokio::test]
async fn what_was_under_way_goes_out_again_and_what_ran_goes_alone() {
    let api = Api::new().await;
    let (store, clock) = (api.deps.store.as_ref(), api.deps.clock.as_ref());
    let id = api.create(json!({"max_attempts": 2, "concurrency": 5}), 8).await;
    let batch: BatchId = id.parse().unwrap();
    api.dispatch(batch).await;
    api.report(batch, 0, 1, Verdict::Done(Output::Inline(Json::null())))
        .await;
    // Claimed by a publisher that died before it was done.
    let wants = [Want {
        batch,
        items: 1,
        suspects: 0,
    }];
    let lease = Duration::from_secs(60);
    let claims = store
        .claim(&wants, &api.deps.ceilings, lease, clock.now())
        .await
        .unwrap();
    assert_eq!(claims[0].items[0].index, 5);
    let open = api.create(json!({"start": "open"}), 2).await;
    let upload = NewBatch {
        id: api.deps.ids.batch(),
        space: Space::default(),
        idempotency_key: None,
        created_at: clock.now(),
    };
    let abandoned = upload.id;
    store.open_batch(upload).await.unwrap();

    // Items that do not exist any more, or have ended, are no harm.
    let running = vec![(batch, 2, 1), (batch, 0, 1), (api.deps.ids.batch(), 3, 1)];
    recover(store, clock, running).await.unwrap();
    let batches = api.get(&format!("/v1/batches/{id}")).await.json;
    assert_eq!(
        (&batches["counts"]["pending"], &batches["counts"]["queued"]),
        (&json!(7), &json!(0)),
        "{batches}"
    );
    let claims = api.dispatch(batch).await;
    let mut items: Vec<_> = claims
        .iter()
        .flat_map(|claim| &claim.items)
        .map(|item| (item.index, item.attempt, item.isolated))
        .collect();
    items.sort_unstable();
    assert_eq!(items.len(), 5, "as its limit allows");
    assert!(items.contains(&(2, 2, true)), "{items:?}");
    assert_eq!(items.iter().filter(|(.., alone)| *alone).count(), 1, "{items:?}");

    assert!(store.batch(&Space::default(), abandoned).await.unwrap().is_none());
    assert_eq!(
        api.get(&format!("/v1/batches/{open}")).await.json["state"],
        "open"
    );
    assert_eq!(api.act(&open, "seal", Value::Null).await["counts"]["pending"], 2);
}

#[tokio::test]
async fn what_its_process_dies_of_fails_in_the_end() {
    let api = Api::new().await;
    let id = api.create(json!({}), 2).await;
    let batch: BatchId = id.parse().unwrap();
    for attempt in 1..=3 {
        api.dispatch(batch).await;
        recover(
            api.deps.store.as_ref(),
            api.deps.clock.as_ref(),
            vec![(batch, 1, attempt)],
        )
        .await
        .unwrap();
    }
    let item = api.get(&format!("/v1/batches/{id}/items/1")).await.json;
    assert_eq!(
        (&item["state"], &item["error"]["kind"]),
        (&json!("failed"), &json!("worker_lost")),
        "{item}"
    );
    assert_eq!(
        api.get(&format!("/v1/batches/{id}/items/0")).await.json["state"],
        "pending"
    );
}
