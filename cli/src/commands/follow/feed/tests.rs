use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use flotilla_core::{Shutdown, Tasks};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::*;
use crate::commands::follow::sample;

/// A server of one batch.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    succeeded: u32,
    state: &'static str,
    reads: u32,
    /// What each stream that is opened sends; without one there is none.
    streams: VecDeque<mpsc::UnboundedReceiver<String>>,
    /// What each stream was asked to go on behind.
    last_ids: Vec<Option<String>>,
}

impl Server {
    async fn start(&self) -> Client {
        crate::install_tls();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new()
            .route("/v1/batches/{id}", get(read))
            .route("/v1/batches/{id}/events", get(events))
            .with_state(self.clone());
        let served = async { axum::serve(listener, app).await };
        drop(Tasks::new(Shutdown::new()).spawn("server", served.into_future()));
        Client::new(place.parse().unwrap(), None).unwrap()
    }

    fn set(&self, state: &'static str, succeeded: u32) {
        let mut inner = self.0.lock().unwrap();
        (inner.state, inner.succeeded) = (state, succeeded);
    }

    fn stream(&self) -> mpsc::UnboundedSender<String> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.0.lock().unwrap().streams.push_back(receiver);
        sender
    }

    fn reads(&self) -> u32 {
        self.0.lock().unwrap().reads
    }
}

async fn read(State(server): State<Server>, Path(id): Path<String>) -> Response {
    if id != "b" {
        return StatusCode::NOT_FOUND.into_response();
    }
    let mut inner = server.0.lock().unwrap();
    inner.reads += 1;
    document(inner.state, inner.succeeded).to_string().into_response()
}

async fn events(State(server): State<Server>, headers: HeaderMap) -> Response {
    let mut inner = server.0.lock().unwrap();
    let last = headers
        .get("last-event-id")
        .map(|id| id.to_str().unwrap().to_owned());
    inner.last_ids.push(last);
    let Some(mut events) = inner.streams.pop_front() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let body = stream::poll_fn(move |context| events.poll_recv(context));
    let body = body.map(|text| Ok::<_, std::io::Error>(Bytes::from(text)));
    (
        [(header::CONTENT_TYPE, "text/event-stream; charset=utf-8")],
        Body::from_stream(body),
    )
        .into_response()
}

fn document(state: &str, succeeded: u32) -> Value {
    let view = sample("b", state, succeeded);
    json!({
        "id": "b", "space": "default", "name": null, "job_type": "echo", "state": state, "counts": view.counts,
        "percent": view.percent, "rate_per_s": 5.0, "eta": {"low_s": 1.0, "high_s": 2.0},
        "concurrency": 7, "created_at": view.created_at,
    })
}

fn event(id: u32, state: &str, succeeded: u32, version: u64) -> String {
    let mut batch = document(state, succeeded);
    batch["version"] = json!(version);
    // An event does not say all that a batch is.
    batch.as_object_mut().unwrap().remove("concurrency");
    format!(
        "event: batch_progress\nid: {id}\ndata: {}\n\n",
        json!({"batch": batch})
    )
}

fn feed(client: &Client) -> Feed {
    Feed::new(client, Scope::Batches(vec!["b".to_owned()])).every(Duration::from_millis(10))
}

/// The next batch that is as `probe` says.
async fn until(feed: &mut Feed, probe: impl Fn(&BatchView) -> bool) -> BatchView {
    let found = async {
        loop {
            if let Update::Batch(batch) = feed.next().await.unwrap()
                && probe(&batch)
            {
                return *batch;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), found)
        .await
        .expect("it comes")
}

#[tokio::test]
async fn without_a_stream_it_is_read_again_and_again() {
    let server = Server::default();
    server.set("processing", 1);
    let client = server.start().await;
    let mut feed = feed(&client);
    until(&mut feed, |batch| batch.counts.succeeded == 1).await;
    server.set("completed", 800);
    until(&mut feed, |batch| batch.state == BatchState::Completed).await;
    assert_eq!(
        server.0.lock().unwrap().last_ids,
        [None],
        "one that is not there is not asked for again"
    );
}

#[tokio::test]
async fn a_stream_tells_what_moves_and_the_rest_is_known() {
    let server = Server::default();
    server.set("processing", 1);
    let stream = server.stream();
    let client = server.start().await;
    let mut feed = feed(&client);
    until(&mut feed, |batch| batch.counts.succeeded == 1).await;
    server.set("processing", 50);
    stream.send(": heartbeat\n\n".to_owned()).unwrap();
    stream.send(event(1, "processing", 50, 5)).unwrap();
    let batch = until(&mut feed, |batch| batch.counts.succeeded == 50).await;
    assert_eq!(
        batch.concurrency,
        Some(7),
        "what an event does not say was read before"
    );
    let reads = server.reads();
    // Of two, the older one does not count.
    stream.send(event(2, "processing", 40, 4)).unwrap();
    stream.send(event(3, "processing", 60, 6)).unwrap();
    assert_eq!(
        until(&mut feed, |batch| batch.counts.succeeded != 50)
            .await
            .counts
            .succeeded,
        60
    );
    // Once more at most, because the stream has just been opened.
    assert!(server.reads() <= reads + 1, "nothing had to be read for it");
    // A new state is read, because it is more than numbers.
    server.set("completed", 800);
    stream.send(event(4, "completed", 800, 7)).unwrap();
    until(&mut feed, |batch| batch.state == BatchState::Completed).await;
    assert!(server.reads() <= reads + 2);
}

#[tokio::test]
async fn a_stream_that_breaks_is_gone_on_with() {
    let server = Server::default();
    server.set("processing", 1);
    let (first, second) = (server.stream(), server.stream());
    let client = server.start().await;
    let mut feed = feed(&client);
    first.send(event(41, "processing", 50, 1)).unwrap();
    until(&mut feed, |batch| batch.counts.succeeded == 50).await;
    // What happens without a stream is read.
    server.set("processing", 70);
    drop(first);
    until(&mut feed, |batch| batch.counts.succeeded == 70).await;
    second.send(event(42, "processing", 90, 2)).unwrap();
    until(&mut feed, |batch| batch.counts.succeeded == 90).await;
    let asked = server.0.lock().unwrap().last_ids.clone();
    assert_eq!(asked, [None, Some("41".to_owned())]);
}

#[tokio::test]
async fn nobody_there_or_no_such_batch_is_an_error_at_once() {
    let client = Server::default().start().await;
    let mut unknown = Feed::new(&client, Scope::Batches(vec!["other".to_owned()]));
    assert!(unknown.next().await.is_err());
    let nobody = Client::new("http://127.0.0.1:9".parse().unwrap(), None).unwrap();
    let mut feed = Feed::new(&nobody, Scope::Space { ended: false }).endless();
    let error = feed.next().await.unwrap_err();
    assert!(error.to_string().contains("can't reach"), "{error}");
}

#[test]
fn what_stands_still_is_read_less_often() {
    assert_eq!(rest(Duration::ZERO, LIVELY), LIVELY);
    assert_eq!(rest(Duration::from_secs(8), LIVELY), Duration::from_secs(2));
    assert_eq!(rest(Duration::from_secs(3600), LIVELY), IDLE);
}
