//! A fleet on which every reason why a batch waits can be brought about, and stays for as long as somebody looks.

use flotilla_core::explain::Code;
use flotilla_tests::proxy::{Fault, Proxy};
use flotilla_tests::{Flotilla, Sandbox, Signal, eventually};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::client::Client;
use crate::fleet::STARTUP;
use crate::system::System;

const CONFIG: &str = r#"
# Longer than anybody looks.
cancel_grace = "1h"

[api]
upload_idle_timeout = "1h"

[job_types.crawl]
handler = { kind = "sleep" }
timeout = "2h"
max_attempts = 3
callback_timeout = "1h"

[job_types.geocode]
handler = { kind = "sleep" }
timeout = "2h"
concurrency = 2

[job_types.convert]
handler = { kind = "sleep" }
timeout = "2h"
worker_concurrency = 1

[job_types.render]
handler = { kind = "sleep" }
pool = "gpu"

[job_types.print]
handler = { kind = "sleep" }
timeout = "2h"
pool = "small"

[job_types.scan]
handler = { kind = "sleep" }
timeout = "2h"
pool = "frozen"

[spaces.trial]
concurrency = 2
"#;
/// Items of an upload that does not end.
const SENT: usize = 5_000;

/// Where a batch is found.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) space: &'static str,
    pub(crate) id: String,
}

impl Place {
    fn of(space: &'static str, id: String) -> Self {
        Self { space, id }
    }

    /// Its page.
    pub(crate) fn hash(&self) -> String {
        format!("#/batches/{}?space={}", self.id, self.space)
    }
}

/// The system of the other tests, with a worker that has two slots for its pool `small`, one that will freeze in its pool
/// `frozen`, nobody in the pool `gpu`, and a live view that can be cut off.
pub(crate) struct Stage {
    pub(crate) system: System,
    live_view: Proxy,
    freezing: Flotilla,
    _small: Flotilla,
    /// It fills the pool `small`.
    large: Place,
    /// The connection of an upload, which ends with it.
    upload: Option<TcpStream>,
}

/// Items that take longer than anybody looks.
fn endless(count: u32) -> Vec<Value> {
    (0..count).map(|n| json!({"n": n, "ms": 3_600_000})).collect()
}

/// Items that are done as soon as they start.
fn short(count: u32) -> Vec<Value> {
    (0..count).map(|n| json!({"n": n})).collect()
}

impl Stage {
    pub(crate) async fn set() -> Self {
        let sandbox = Sandbox::new().await;
        let (live_view, url) = Proxy::in_front_of(&sandbox.redis_url()).await;
        let system = System::with(sandbox, CONFIG, &[("FLOTILLA_PROGRESS_URL", url)]).await;
        let worker = |pool| ["worker", "--pools", pool, "--concurrency", "2"];
        let small = system.hire(&worker("small"), "small").await;
        let freezing = system.hire(&worker("frozen"), "frozen").await;
        let options = json!({"job_type": "print", "name": "Letters to all customers"});
        let large = Place::of("default", system.client().create(options, endless(200)).await);
        let stage = Self {
            system,
            live_view,
            freezing,
            _small: small,
            large,
            upload: None,
        };
        stage.until_it_runs(&stage.large, 2).await;
        stage
    }

    pub(crate) async fn end(self) {
        drop((self.upload, self.freezing, self._small));
        self.system.end().await;
    }

    pub(crate) fn client(&self) -> &Client {
        self.system.client()
    }

    /// All codes in an order in which what one of them takes disturbs none after it.
    pub(crate) fn order() -> Vec<Code> {
        // Without the live view nobody knows what runs, or where.
        let (last, mut codes): (Vec<_>, Vec<_>) =
            Code::ALL.into_iter().partition(|code| *code == Code::Ready);
        codes.extend(last);
        codes
    }

    /// Makes a batch for which `code` holds, or will in a moment, and then for good. What can run of it runs.
    pub(crate) async fn bring_about(&mut self, code: Code) -> Place {
        let place = self.place_of(code).await;
        let running = match code {
            Code::RateLimit => 1,
            Code::Canary | Code::SpaceLimit | Code::JobTypeLimit | Code::Queued => 2,
            Code::ConcurrencyLimit => 3,
            Code::Running => 4,
            _ => 0,
        };
        self.until_it_runs(&place, running).await;
        place
    }

    async fn place_of(&mut self, code: Code) -> Place {
        match code {
            Code::Uploading => self.upload().await,
            Code::NotSealed => {
                let options = json!({"start": "open"});
                self.crawl("Orders of today", options, short(3)).await
            }
            Code::Paused => self.paused().await,
            Code::Cancelling => self.cancelling().await,
            Code::NotStarted => {
                let options = json!({"start": self.later().await});
                self.crawl("Report of the month", options, short(12)).await
            }
            Code::Canary => self.crawl("New parser", json!({"canary": 2}), endless(50)).await,
            Code::ConcurrencyLimit => {
                let options = json!({"concurrency": 3});
                self.crawl("Sitemaps, gently", options, endless(40)).await
            }
            Code::RateLimit => {
                let options = json!({"rate_per_s": 0.01});
                self.crawl("Partner feeds", options, endless(20)).await
            }
            Code::SpaceLimit => self.create("trial", "crawl", "Trial run", endless(25)).await,
            Code::JobTypeLimit => {
                self.create("default", "geocode", "New addresses", endless(30))
                    .await
            }
            Code::TenantShare => self.create("team-b", "print", "Three invoices", endless(3)).await,
            Code::FleetBusy => self.large.clone(),
            Code::NoWorker => self.create("default", "render", "Product films", short(8)).await,
            Code::Backoff => self.crawl("Unreachable hosts", json!({}), resting(8)).await,
            Code::WaitingForCallbacks => self.crawl("Approvals", json!({}), waiting(6)).await,
            Code::Ready => {
                self.live_view.set(Fault::HalfOpen);
                self.large.clone()
            }
            Code::Queued => self.create("default", "convert", "One by one", endless(9)).await,
            Code::Running => self.crawl("Nightly crawl", json!({}), endless(4)).await,
        }
    }

    async fn crawl(&self, name: &str, options: Value, items: Vec<Value>) -> Place {
        let mut options = options;
        options["job_type"] = "crawl".into();
        options["name"] = name.into();
        Place::of("default", self.client().create(options, items).await)
    }

    async fn create(&self, space: &'static str, job_type: &str, name: &str, items: Vec<Value>) -> Place {
        let options = json!({"space": space, "job_type": job_type, "name": name});
        Place::of(space, self.client().create(options, items).await)
    }

    /// In half a day, by the clock of the server.
    async fn later(&self) -> Value {
        let now = self.client().batch(&self.large.id).await["created_at"].take();
        let now: jiff::Timestamp = now.as_str().and_then(|at| at.parse().ok()).expect("a time");
        (now + jiff::SignedDuration::from_hours(12)).to_string().into()
    }

    async fn paused(&self) -> Place {
        let options = json!({"start": "manual"});
        let place = self.crawl("Broken links of March", options, short(12)).await;
        self.client().act(&place.id, "pause", None).await;
        place
    }

    /// Items of a worker that hangs can't be stopped.
    async fn cancelling(&self) -> Place {
        let place = self.create("default", "scan", "Wrong folder", endless(2)).await;
        self.until_it_runs(&place, 2).await;
        self.freezing.signal(Signal::STOP);
        self.client().act(&place.id, "cancel", None).await;
        place
    }

    async fn until_it_runs(&self, place: &Place, items: u64) {
        let path = format!("/v1/batches/{}?space={}", place.id, place.space);
        eventually("items to run", STARTUP, || async {
            let batch = self.client().json(&path).await;
            (batch["counts"]["processing"].as_u64()? >= items).then_some(())
        })
        .await;
    }

    /// Begins a request and does not end it. No list has such a batch: whoever asks knows its id from the log.
    async fn upload(&mut self) -> Place {
        let address = self.client().server.trim_start_matches("http://").to_owned();
        let mut stream = TcpStream::connect(&address).await.expect("the API listens");
        let head = format!(
            "POST /v1/batches?job_type=crawl&name=Addresses HTTP/1.1\r\nhost: {address}\r\n\
             content-type: application/x-ndjson\r\ncontent-length: 100000000\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.expect("the API reads");
        let items = "{\"ms\": 1}\n".repeat(SENT);
        stream.write_all(items.as_bytes()).await.expect("the API reads");
        self.upload = Some(stream);
        let unended = "SELECT id::text FROM batches WHERE state = 'open' AND NOT stays_open";
        let id = eventually("the upload to begin", STARTUP, || async {
            let rows = self.system.sandbox.sql(unended, &[]).await;
            rows.first().map(|row| row.get::<_, String>(0))
        })
        .await;
        Place::of("default", id)
    }
}

/// Items that fail and ask to be left alone for an hour.
fn resting(count: u32) -> Vec<Value> {
    let item = |n| json!({"n": n, "fail": format!("host {n} does not answer"), "retry_after_ms": 3_600_000});
    (0..count).map(item).collect()
}

/// Items that somebody else completes.
fn waiting(count: u32) -> Vec<Value> {
    (0..count).map(|n| json!({"n": n, "wait": true})).collect()
}
