//! Items that something else completes.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::http::Request;
use flotilla_core::BatchId;
use flotilla_core::clock::{Clock, ManualClock, SystemClock};
use flotilla_core::message::{ItemMessage, Verdict, Waiting};
use flotilla_core::ports::Store;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::harness::{Answer, Api, Fleet, JSON, Lossy, config};

/// A batch whose items have reached workers, with where each is completed.
struct World {
    api: Api,
    fleet: Fleet,
    clock: Arc<ManualClock>,
    id: String,
    items: Vec<ItemMessage>,
}

impl World {
    async fn new(items: u32, options: Value) -> Self {
        let clock = Arc::new(ManualClock::new(SystemClock.now()));
        let shared = Arc::clone(&clock) as Arc<dyn Clock>;
        let api = Api::at(config(), shared, |store| store).await;
        Self::over(api, clock, items, options).await
    }

    async fn over(api: Api, clock: Arc<ManualClock>, items: u32, mut options: Value) -> Self {
        options["callback_timeout"] = json!("60s");
        let id = api.create(options, items).await;
        let mut fleet = Fleet::start(&api).await;
        let mut messages = Vec::new();
        for _ in 0..items {
            messages.push(fleet.item().await);
        }
        messages.sort_unstable_by_key(|message| message.index);
        Self {
            api,
            fleet,
            clock,
            id,
            items: messages,
        }
    }

    fn batch(&self) -> BatchId {
        self.id.parse().unwrap()
    }

    /// Its worker says that an item waits.
    async fn wait(&self, index: u32) {
        let waiting = Verdict::Waiting(Waiting::default());
        self.api.report(self.batch(), index, 1, waiting).await;
    }

    async fn call(&self, index: usize, body: Value) -> Answer {
        call(&self.api, &self.items[index], body).await
    }

    async fn item(&self, index: u32) -> Value {
        self.api
            .get(&format!("/v1/batches/{}/items/{index}", self.id))
            .await
            .json
    }
}

async fn call(api: &Api, item: &ItemMessage, body: Value) -> Answer {
    let url = item.callback.as_deref().unwrap();
    let path = url.strip_prefix("http://127.0.0.1:7400").unwrap();
    api.ask("POST", path, body).await
}

#[track_caller]
fn state(answer: &Answer) -> &str {
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json["state"].as_str().unwrap()
}

fn done() -> Value {
    json!({"status": "succeeded", "output": {"a": [1.5]}})
}

#[tokio::test]
async fn a_call_completes_an_item_once() {
    let world = World::new(3, json!({})).await;
    world.wait(0).await;
    let item = world.item(0).await;
    assert_eq!(item["state"], "waiting", "{item}");
    assert!(item["lease_until"].is_string());
    for _ in 0..2 {
        assert_eq!(state(&world.call(0, done()).await), "succeeded");
    }
    let item = world.item(0).await;
    assert_eq!(
        (&item["state"], &item["output"], &item["attempts"]),
        (&json!("succeeded"), &json!({"a": [1.5]}), &json!(1))
    );
    for other in [
        json!({"status": "succeeded", "output": 2}),
        json!({"status": "failed", "error": "no"}),
        json!({"status": "running"}),
    ] {
        let gone = world.call(0, other).await;
        assert!(
            gone.problem(410, "callback-gone").contains("ended otherwise"),
            "{}",
            gone.text
        );
    }
    // Before the worker has said that it waits.
    assert_eq!(state(&world.call(1, done()).await), "succeeded");
    world.wait(1).await;
    assert_eq!(world.item(1).await["state"], "succeeded");
    let failed = json!({"status": "failed", "error": "no GPU left", "permanent": true});
    for _ in 0..2 {
        assert_eq!(state(&world.call(2, failed.clone()).await), "failed");
    }
    world.call(2, done()).await.problem(410, "callback-gone");
    let batch = world.api.get(&format!("/v1/batches/{}", world.id)).await.json;
    assert_eq!(
        (
            &batch["state"],
            &batch["counts"]["succeeded"],
            &batch["counts"]["failed"]
        ),
        (&json!("completed"), &json!(2), &json!(1))
    );
    world.fleet.stop().await;
}

#[tokio::test]
async fn a_call_fails_an_attempt_and_the_next_one_follows() {
    let backoff = json!({"initial": 0, "max": 0});
    let mut world = World::new(1, json!({"max_attempts": 2, "backoff": backoff})).await;
    world.wait(0).await;
    let failed = json!({"status": "failed", "error": "busy"});
    for _ in 0..2 {
        assert_eq!(state(&world.call(0, failed.clone()).await), "retrying");
    }
    let second = world.fleet.item().await;
    assert_eq!((second.attempt, second.max_attempts), (2, 2));
    let old = world.call(0, done()).await;
    assert!(old.problem(410, "callback-gone").contains("attempt 1 is over"));
    assert_eq!(
        state(&world.call(0, failed.clone()).await),
        "retrying",
        "what was said stays said"
    );
    for _ in 0..2 {
        assert_eq!(state(&call(&world.api, &second, failed.clone()).await), "failed");
    }
    let item = world.item(0).await;
    assert_eq!(
        (
            &item["state"],
            &item["error"]["message"],
            &item["history"][0]["error"]["message"]
        ),
        (&json!("failed"), &json!("busy"), &json!("busy"))
    );
    world.fleet.stop().await;
}

#[tokio::test]
async fn a_call_renews_the_time_of_an_item() {
    let world = World::new(2, json!({})).await;
    world.wait(0).await;
    let after = |seconds| world.clock.advance(SignedDuration::from_secs(seconds));
    after(50);
    let running = json!({"status": "running", "progress": 40, "message": "warming up", "timeout_s": 30});
    let renewed = world.call(0, running).await;
    assert_eq!(state(&renewed), "waiting");
    let item = world.item(0).await;
    assert_eq!(
        (&item["progress"], &item["message"], &item["lease_until"]),
        (&json!(40), &json!("warming up"), &renewed.json["until"])
    );
    after(29);
    assert_eq!(
        state(&world.call(0, json!({"status": "running"})).await),
        "waiting"
    );
    after(59);
    assert_eq!(state(&world.call(0, done()).await), "succeeded");
    // Over is over, also where nobody has looked yet.
    world.wait(1).await;
    after(60);
    for body in [done(), json!({"status": "running"}), json!({"status": "failed"})] {
        let late = world.call(1, body).await;
        assert!(
            late.problem(410, "callback-gone").contains("time"),
            "{}",
            late.text
        );
    }
    assert_eq!(world.item(1).await["state"], "waiting");
    world.fleet.stop().await;
}

#[tokio::test]
async fn who_guesses_learns_nothing() {
    let world = World::new(1, json!({})).await;
    let url = world.items[0].callback.clone().unwrap();
    let token = url.rsplit('/').next().unwrap();
    let mut forged = token.to_owned();
    let last = forged.pop().unwrap();
    forged.push(if last == 'A' { 'E' } else { 'A' });
    let mut answers = Vec::new();
    for token in [&forged, "x", "%ff", &token[1..], &"A".repeat(5_000)] {
        let answer = world
            .api
            .ask("POST", &format!("/v1/callbacks/{token}"), done())
            .await;
        answers.push(answer.problem(404, "unknown-callback").to_owned());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(world.item(0).await["state"], "queued");
    world.fleet.stop().await;
}

#[tokio::test]
async fn bodies_that_say_nothing_change_nothing() {
    let world = World::new(1, json!({})).await;
    for (body, status, slug) in [
        (json!({}), 400, "missing-field"),
        (json!({"status": "done"}), 400, "invalid-field"),
        (json!({"status": "succeeded", "error": "x"}), 400, "invalid-field"),
        (json!({"state": "succeeded"}), 400, "unknown-field"),
        (
            json!({"status": "succeeded", "output": "x".repeat(1 << 20)}),
            413,
            "output-too-large",
        ),
        (
            json!({"status": "succeeded", "output": "x".repeat(2 << 20)}),
            413,
            "output-too-large",
        ),
    ] {
        world.call(0, body).await.problem(status, slug);
    }
    let path = world.items[0].callback.clone().unwrap();
    let request = Request::post(path).header("content-type", "text/plain");
    let refused = world.api.send(request.body(Body::from("done")).unwrap()).await;
    refused.problem(415, "unsupported-media-type");
    assert_eq!(world.item(0).await["state"], "queued");
    world.fleet.stop().await;
}

#[tokio::test]
async fn long_outputs_are_kept_elsewhere() {
    let world = World::new(2, json!({})).await;
    world.wait(0).await;
    let long = json!({"status": "succeeded", "output": "x".repeat(100_000)});
    for _ in 0..2 {
        assert_eq!(state(&world.call(0, long.clone()).await), "succeeded");
    }
    let other = json!({"status": "succeeded", "output": "y".repeat(100_000)});
    world.call(0, other).await.problem(410, "callback-gone");
    assert_eq!(world.item(0).await["output"], json!("x".repeat(100_000)));
    world.fleet.stop().await;
}

#[tokio::test]
async fn a_cancelled_batch_needs_no_callbacks() {
    let world = World::new(3, json!({})).await;
    world.wait(0).await;
    world.wait(1).await;
    world.api.act(&world.id, "cancel", Value::Null).await;
    assert_eq!(
        state(&world.call(0, done()).await),
        "succeeded",
        "the work is done"
    );
    for _ in 0..2 {
        assert_eq!(
            state(&world.call(1, json!({"status": "failed"})).await),
            "cancelled"
        );
    }
    let running = world.call(2, json!({"status": "running"})).await;
    running.problem(410, "callback-gone");
    world
        .api
        .ask(
            "DELETE",
            &format!("/v1/batches/{}?force=true", world.id),
            Value::Null,
        )
        .await;
    let gone = world.call(1, done()).await;
    assert!(gone.problem(410, "callback-gone").contains("deleted"));
    world.fleet.stop().await;
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again() {
    let clock = Arc::new(ManualClock::new(SystemClock.now()));
    let mut lossy = None;
    let api = Api::at(config(), Arc::clone(&clock) as Arc<dyn Clock>, |store| {
        let wrapped = Arc::new(Lossy::new(store));
        lossy = Some(Arc::clone(&wrapped));
        wrapped as Arc<dyn Store>
    })
    .await;
    let world = World::over(api, clock, 1, json!({})).await;
    world.wait(0).await;
    lossy.unwrap().records.store(1, Ordering::SeqCst);
    assert_eq!(state(&world.call(0, done()).await), "succeeded");
    world.fleet.stop().await;
}

#[tokio::test]
async fn items_that_can_not_wait_have_no_url() {
    let api = Api::new().await;
    let mut fleet = Fleet::start(&api).await;
    let body = json!({"job_type": "echo", "items": [1]});
    assert_eq!(api.post("", JSON, body.to_string()).await.status, 202);
    assert_eq!(fleet.item().await.callback, None);
    fleet.stop().await;
}
