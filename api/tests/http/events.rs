//! Listeners hear where batches stand, and nothing that they should not.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use flotilla_api::Config;
use flotilla_core::message::Verdict;
use flotilla_core::outcome::Output;
use flotilla_core::snapshot::Snapshot;
use flotilla_core::{BatchId, Json, Space};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::harness::{Absent, Api, Events, Served, config};

const PATIENCE: Duration = Duration::from_secs(20);

/// Shows a batch as the scheduler would.
async fn show(api: &Api, space: &str, batch: &str) {
    let (space, id): (Space, BatchId) = (space.parse().unwrap(), batch.parse().unwrap());
    let batch = api.deps.store.batch(&space, id).await.unwrap().unwrap();
    let snapshot = Snapshot::of(&batch, 0, api.deps.clock.now());
    api.deps.progress.publish(&[snapshot]).await.unwrap();
}

/// A worker is done with an item.
async fn done(api: &Api, batch: &str, index: u32) {
    let done = Verdict::Done(Output::Inline(Json::null()));
    api.report(batch.parse().unwrap(), index, 1, done).await;
}

/// All items of a batch end.
async fn finish(api: &Api, batch: &str, items: u32) {
    api.dispatch(batch.parse().unwrap()).await;
    for index in 0..items {
        done(api, batch, index).await;
    }
    show(api, "default", batch).await;
}

#[tokio::test]
async fn a_stream_begins_with_where_the_batch_stands_and_ends_with_its_result() {
    let api = Api::new().await;
    let batch = api.create(json!({"name": "nightly"}), 3).await;
    let path = format!("/v1/batches/{batch}/events?until=final");
    let mut events = Events::open(&api, &path).await;

    let first = events.next().await.unwrap();
    assert_eq!(first.name, "batch_progress");
    let said = &first.data["batch"];
    let read = api.get(&format!("/v1/batches/{batch}")).await.json;
    for field in [
        "id",
        "space",
        "name",
        "job_type",
        "state",
        "counts",
        "percent",
        "rate_per_s",
        "eta",
        "created_at",
        "started_at",
        "completed_at",
    ] {
        assert_eq!(said[field], read[field], "{field}");
    }

    api.dispatch(batch.parse().unwrap()).await;
    done(&api, &batch, 0).await;
    show(&api, "default", &batch).await;
    let second = events.next().await.unwrap();
    assert_eq!(
        (second.name.as_str(), &second.data["batch"]["counts"]["succeeded"]),
        ("batch_progress", &json!(1))
    );
    assert!(second.version() > first.version());

    done(&api, &batch, 1).await;
    done(&api, &batch, 2).await;
    show(&api, "default", &batch).await;
    let last = events.until("batch_job_complete").await;
    assert_eq!(last.data["batch"]["state"], "completed");
    let result = api.get(&format!("/v1/batches/{batch}/result")).await.json;
    assert_eq!(last.data["result"], result);
    assert!(events.next().await.is_none(), "it ends with the batch");

    // Who comes later is told the same, and is not kept.
    let mut events = Events::open(&api, &path).await;
    assert_eq!(events.until("batch_job_complete").await.data["result"], result);
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn a_space_hears_of_its_own_batches() {
    let api = Api::new().await;
    let early = api.batch_of("a", "1\n").await;
    api.batch_of("b", "1\n").await;
    let mut events = Events::open(&api, "/v1/events?space=a").await;
    assert_eq!(events.next().await.unwrap().batch(), early);
    api.batch_of("b", "1\n").await;
    let late = api.batch_of("a", "1\n").await;
    assert_eq!(events.next().await.unwrap().batch(), late);
    let deleted = api
        .ask(
            "DELETE",
            &format!("/v1/batches/{late}?space=a&force=true"),
            Value::Null,
        )
        .await;
    assert!(deleted.status < 300, "{}", deleted.text);
    // As the scheduler does, once nothing of it is left.
    api.deps
        .progress
        .forget(&"a".parse().unwrap(), late.parse().unwrap())
        .await
        .unwrap();
    api.deps.store.purge(late.parse().unwrap(), 100).await.unwrap();
    let gone = events.until("batch_deleted").await;
    assert_eq!(
        gone.data,
        json!({"type": "batch_deleted", "batch": {"id": late, "space": "a"}})
    );
}

/// Whoever reads slowly skips what was replaced: there is no queue that could grow.
#[tokio::test]
async fn a_slow_reader_gets_the_latest() {
    let api = Api::new().await;
    let batch = api.create(json!({}), 90).await;
    let mut events = Events::open(&api, "/v1/events").await;
    let first = events.next().await.unwrap();
    api.dispatch(batch.parse().unwrap()).await;
    for index in 0..90 {
        done(&api, &batch, index).await;
        show(&api, "default", &batch).await;
    }
    // Somebody who reads at once sees the end; then it is there for the slow one, too.
    let until = format!("/v1/batches/{batch}/events?until=final");
    Events::open(&api, &until).await.until("batch_job_complete").await;
    let last = events.next().await.unwrap();
    assert_eq!(
        last.name, "batch_job_complete",
        "90 changes in between are skipped"
    );
    assert!(last.version() > first.version());
    assert_eq!(last.data["batch"]["counts"]["succeeded"], 90);
}

#[tokio::test]
async fn who_comes_back_is_told_what_ended_meanwhile() {
    let api = Api::new().await;
    let before = api.create(json!({}), 1).await;
    finish(&api, &before, 1).await;
    let during = api.create(json!({}), 1).await;
    let running = api.create(json!({}), 1).await;
    let mut events = Events::open(&api, "/v1/events").await;
    let mut seen = [events.next().await.unwrap(), events.next().await.unwrap()];
    seen.sort_by(|a, b| a.batch().cmp(b.batch()));
    assert_eq!(
        [seen[0].batch(), seen[1].batch()],
        [&during, &running],
        "what has ended is no news"
    );
    let last = seen.iter().map(|event| event.id.clone()).max().unwrap();
    drop(events);

    finish(&api, &during, 1).await;
    // A process that was not there before.
    let mut other = api;
    other.router = flotilla_api::router(other.deps.clone(), other.config.clone());
    let mut events = Events::reopen(&other, "/v1/events", &last).await;
    let news = loop {
        // What ended just before may be told again.
        let news = events.until("batch_job_complete").await;
        if news.batch() == during {
            break news;
        }
        assert_eq!(news.batch(), before);
    };
    assert!(news.id > last && news.id.ends_with("-end"), "{} {last}", news.id);
    let path = format!("/v1/batches/{during}/events?until=final");
    let request = Request::get(path).header("last-event-id", &news.id);
    let answer = other.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(
        answer.status, 204,
        "it was told everything, and is not to ask again"
    );
    let mut events = Events::reopen(&other, &format!("/v1/batches/{during}/events"), &news.id).await;
    let reopened = other
        .act(&during, "retry", json!({"states": ["succeeded"]}))
        .await;
    assert_eq!(reopened["items"], 1, "{reopened}");
    let again = events.next().await.unwrap();
    assert_eq!(again.name, "batch_progress", "what it knew is not told again");
}

#[tokio::test]
async fn without_the_live_view_the_store_is_told() {
    let mut api = Api::new().await;
    api.deps.progress = Arc::new(Absent);
    api.router = flotilla_api::router(api.deps.clone(), api.config.clone());
    let early = api.create(json!({}), 1).await;
    let mut events = Events::open(&api, "/v1/events").await;
    assert_eq!(events.next().await.unwrap().batch(), early);
    let late = api.create(json!({}), 1).await;
    assert_eq!(events.next().await.unwrap().batch(), late);
    for batch in [&early, &late] {
        api.dispatch(batch.parse().unwrap()).await;
        done(&api, batch, 0).await;
        assert_eq!(events.until("batch_job_complete").await.batch(), batch);
    }
}

#[tokio::test]
async fn more_listeners_than_there_is_room_for_are_refused() {
    let api = Api::with(Config {
        max_listeners: 1,
        ..config()
    })
    .await;
    let batch = api.create(json!({}), 1).await;
    let mut events = Events::open(&api, "/v1/events").await;
    events.next().await.unwrap();
    for path in [format!("/v1/batches/{batch}/events"), "/v1/events".into()] {
        let answer = api.get(&path).await;
        assert!(answer.problem(503, "too-many-listeners").contains("1 clients"));
        assert!(answer.header("retry-after").is_some());
    }
    drop(events);
    Events::open(&api, "/v1/events").await;
}

#[tokio::test]
async fn a_socket_says_the_same() {
    let api = Api::new().await;
    let served = Served::start(&api).await;
    let url = format!("ws://{}/v1/ws?space=default", served.address);
    let (mut socket, _) = tokio_tungstenite::connect_async(&url).await.unwrap();
    let mut next = async || loop {
        let message = timeout(PATIENCE, socket.next()).await.expect("a message in time");
        match message.unwrap().unwrap() {
            tungstenite::Message::Text(text) => return Some(serde_json::from_str::<Value>(&text).unwrap()),
            tungstenite::Message::Close(_) => return None,
            _ => {}
        }
    };
    let batch = api.create(json!({}), 1).await;
    let first = next().await.unwrap();
    assert_eq!(
        (&first["type"], &first["batch"]["id"]),
        (&json!("batch_progress"), &json!(batch))
    );
    finish(&api, &batch, 1).await;
    let last = loop {
        let message = next().await.unwrap();
        if message["type"] == "batch_job_complete" {
            break message;
        }
    };
    assert_eq!(last["result"]["result_summary"]["succeeded"], 1);

    // A page of another site could be anybody's.
    for (origin, allowed) in [
        (format!("http://{}", served.address), true),
        ("https://example.com".into(), false),
    ] {
        let mut request = url.as_str().into_client_request().unwrap();
        request.headers_mut().insert("origin", origin.parse().unwrap());
        match tokio_tungstenite::connect_async(request).await {
            Ok(_) => assert!(allowed, "{origin}"),
            Err(tungstenite::Error::Http(refusal)) => {
                assert!(!allowed && refusal.status() == 403, "{origin}: {refusal:?}");
                let body = String::from_utf8(refusal.body().clone().unwrap_or_default()).unwrap();
                assert!(body.contains("/problems/other-site"), "{body}");
            }
            Err(error) => panic!("{origin}: {error}"),
        }
    }
    let plain = api.get("/v1/ws").await;
    plain.problem(400, "bad-request");

    api.deps.tasks.shutdown().drain();
    assert_eq!(next().await, None, "the server says goodbye");
    served.ended().await;
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_listeners() {
    let api = Api::new().await;
    let batch = api.create(json!({}), 1).await;
    let served = Served::start(&api).await;
    let mut events = Events::open(&api, &format!("/v1/batches/{batch}/events")).await;
    events.next().await.unwrap();
    api.deps.tasks.shutdown().drain();
    assert!(events.next().await.is_none());
    served.ended().await;
}
