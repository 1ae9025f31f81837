//! Events on both engines: what listeners hear is what the store says, also after the live view was lost.

use serde_json::{Value, json};

use crate::backend::{Backend, Mode};
use crate::client::Client;
use crate::engine::{Deployment, Engine, PATIENCE, on_both_engines};

on_both_engines!(a_stream_tells_the_life_of_a_batch);

/// Events of a stream, one after the other.
struct Stream {
    response: reqwest::Response,
    text: String,
}

impl Stream {
    async fn open(client: &Client, path: &str) -> Self {
        let response = client.get(path).await;
        assert_eq!(response.status(), 200);
        Self {
            response,
            text: String::new(),
        }
    }

    async fn next(&mut self) -> Option<Value> {
        let read = async {
            loop {
                if let Some((event, rest)) = self.text.split_once("\n\n") {
                    let data = event.lines().find_map(|line| line.strip_prefix("data: "));
                    let data = data.map(|data| serde_json::from_str(data).expect("data is JSON"));
                    self.text = rest.to_owned();
                    if data.is_some() {
                        return data;
                    }
                    continue;
                }
                let piece = self.response.chunk().await.expect("the stream goes on")?;
                self.text.push_str(std::str::from_utf8(&piece).expect("text"));
            }
        };
        tokio::time::timeout(PATIENCE, read)
            .await
            .expect("an event in time")
    }

    async fn until(&mut self, mut fits: impl FnMut(&Value) -> bool) -> Value {
        loop {
            let event = self.next().await.expect("more events");
            if fits(&event) {
                return event;
            }
        }
    }
}

async fn a_stream_tells_the_life_of_a_batch(engine: Engine) {
    let backend = Backend::start().await;
    let deployment = Deployment::start(engine, &backend.job_type("work", "")).await;
    let client = deployment.client();
    backend.set(Mode::Hold);
    let mut space = Stream::open(client, "/v1/events").await;
    let batch = client
        .create(json!({"job_type": "work", "concurrency": 4}), vec![json!({}); 40])
        .await;
    let mut own = Stream::open(client, &format!("/v1/batches/{batch}/events?until=final")).await;
    let first = own.next().await.expect("where it stands");
    assert_eq!(first["batch"]["id"], *batch);
    // Workers say that items run; nothing was counted yet.
    space
        .until(|event| event["batch"]["counts"]["processing"] == 4)
        .await;
    client.act(&batch, "pause", None).await;
    own.until(|event| event["batch"]["state"] == "paused").await;
    backend.set(Mode::Answer);
    own.until(|event| event["batch"]["counts"]["succeeded"] == 4)
        .await;
    client.act(&batch, "resume", None).await;

    let mut version = 0;
    let complete = own
        .until(|event| {
            let (of, counts) = (&event["batch"], &event["batch"]["counts"]);
            let now = of["version"].as_u64().expect("a version");
            assert!(now >= version, "events do not go back");
            version = now;
            let parts = counts.as_object().expect("counts").iter();
            let sum: u64 = parts
                .filter(|(name, _)| *name != "total")
                .map(|(_, n)| n.as_u64().unwrap())
                .sum();
            assert_eq!(sum, 40, "every event adds up: {counts}");
            event["type"] == "batch_job_complete"
        })
        .await;
    assert!(own.next().await.is_none(), "it ends with the batch");
    let result = client.result(&batch, PATIENCE).await;
    assert_eq!(complete["result"], result);
    assert_eq!(complete["batch"]["state"], client.batch(&batch).await["state"]);
    let heard = space.until(|event| event["type"] == "batch_job_complete").await;
    assert_eq!(
        (&heard["batch"]["id"], &heard["result"]),
        (&json!(batch), &result)
    );

    client
        .request(reqwest::Method::DELETE, &format!("/v1/batches/{batch}"), None)
        .await;
    let gone = space.until(|event| event["type"] == "batch_deleted").await;
    assert_eq!(gone["batch"]["id"], *batch);
    drop(space);
    deployment.end().await;
}
