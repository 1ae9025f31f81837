//! The adapter.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use flotilla_core::ports::Progress;
use flotilla_core::ports::progress::{Heard, Incarnation, KEEP_FINAL, KEEP_TOLD, Scope};
use flotilla_core::snapshot::{Snapshot, Steering};
use flotilla_core::worker::WorkerStatus;
use flotilla_core::{BatchId, Error, Result, Shutdown, Space, Tasks, WorkerId};
use futures_util::stream::BoxStream;
use redis::{Pipeline, RedisError, ScriptInvocation, Value};
use url::Url;

use crate::address::Address;
use crate::backoff::Backoff;
use crate::errors::{ENGINE, failed};
use crate::events::Events;
use crate::fields::{Fields, Unreadable};
use crate::keys::Keys;
use crate::link::Link;
use crate::options::Options;
use crate::scripts::{self, Scripts};
use crate::{policy, snapshot_fields, worker_fields};

/// Keys per round trip, so that no single answer takes long however much is asked.
const PAGE: usize = 500;

/// Progress on Redis or Valkey.
pub struct RedisProgress {
    place: String,
    keys: Keys,
    scripts: Scripts,
    link: Link,
    events: Arc<Events>,
}

impl RedisProgress {
    /// For the server at `url`: `redis://` or, with TLS, `rediss://` (`valkey://` and `valkeys://` are the same), with
    /// `?prefix=` for other names of keys and channels than `flotilla:…`. The server is not needed yet: the first call
    /// connects.
    ///
    /// # Errors
    /// Where the URL can't be used.
    pub fn connect(url: &Url, options: Options) -> Result<Self> {
        let Address {
            client,
            prefix,
            place,
        } = Address::parse(url)?;
        let (keys, backoff) = (Keys::new(prefix), Arc::new(Backoff::new()));
        let tasks = Tasks::new(Shutdown::new());
        let link = Link::new(client.clone(), options, Arc::clone(&backoff), tasks.clone());
        let events = Arc::new(Events::new(client, options, backoff, keys.clone(), tasks));
        Ok(Self {
            place,
            keys,
            scripts: Scripts::new(),
            link,
            events,
        })
    }

    /// What is wrong with the server's settings, if anything is; also logged as a warning. For the start of a service.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub async fn check_policy(&self) -> Result<Option<String>> {
        let problem = policy::problem(&self.link, &self.place).await;
        let problem = problem.map_err(|error| self.failed("ask for the eviction policy", &error))?;
        if let Some(problem) = &problem {
            tracing::warn!("{problem}");
        }
        Ok(problem)
    }

    fn failed(&self, what: &str, error: &RedisError) -> Error {
        failed(what, &self.place, error)
    }

    /// The call that writes `snapshot`.
    fn write(&self, snapshot: &Snapshot) -> Result<ScriptInvocation<'_>> {
        let event = serde_json::to_string(&snapshot.event());
        let event =
            event.map_err(|error| Error::corrupt(ENGINE, "an event has no JSON form").because(error))?;
        let keep = if snapshot.state.is_final() {
            KEEP_FINAL
        } else {
            Duration::ZERO
        };
        let mut call = self.scripts.publish.prepare_invoke();
        call.key(self.keys.progress(snapshot.batch))
            .key(self.keys.active(&snapshot.space))
            .key(self.keys.gone(snapshot.batch))
            .arg(snapshot.version)
            .arg(snapshot.batch.to_string())
            .arg(snapshot.created_at.as_millisecond())
            .arg(keep.as_secs())
            .arg(self.keys.events(&snapshot.space))
            .arg(event);
        for (name, value) in snapshot_fields::write(snapshot) {
            call.arg(name).arg(value);
        }
        Ok(call)
    }

    /// Reads hashes, in the order of `keys`. What can't be understood is absent, as if it had been lost: it is a
    /// projection, and whoever misses something asks the store.
    async fn hashes<T>(
        &self,
        what: &str,
        keys: &[String],
        read: impl Fn(usize, &Fields) -> Result<T, Unreadable> + Send,
    ) -> Result<Vec<Option<T>>> {
        let mut found = Vec::with_capacity(keys.len());
        for page in keys.chunks(PAGE) {
            let mut pipeline = Pipeline::with_capacity(page.len());
            page.iter().for_each(|key| {
                pipeline.hgetall(key);
            });
            let answers: Vec<Value> = self
                .link
                .run(&pipeline)
                .await
                .map_err(|error| self.failed(what, &error))?;
            for (key, answer) in page.iter().zip(answers) {
                let fields = redis::from_redis_value(answer).map(Fields);
                let value = match &fields {
                    Ok(fields) if fields.0.is_empty() => Ok(None),
                    Ok(fields) => read(found.len(), fields)
                        .map(Some)
                        .map_err(|error| error.to_string()),
                    Err(_) => Err("it is not text".to_owned()),
                };
                found.push(value.unwrap_or_else(|error| {
                    tracing::warn!(key, error, "ignored a hash that can't be understood");
                    None
                }));
            }
        }
        Ok(found)
    }
}

#[async_trait]
impl Progress for RedisProgress {
    async fn publish(&self, snapshots: &[Snapshot]) -> Result<()> {
        for page in snapshots.chunks(PAGE) {
            let calls = page
                .iter()
                .map(|snapshot| self.write(snapshot))
                .collect::<Result<Vec<_>>>()?;
            let written = scripts::run(&self.link, &self.scripts.publish, &calls).await;
            written.map_err(|error| self.failed("publish progress", &error))?;
        }
        Ok(())
    }

    async fn read(&self, batches: &[BatchId]) -> Result<Vec<Option<Snapshot>>> {
        let keys: Vec<_> = batches.iter().map(|batch| self.keys.progress(*batch)).collect();
        let read = |at: usize, fields: &Fields| snapshot_fields::read(batches[at], fields);
        self.hashes("read progress", &keys, read).await
    }

    async fn steering(&self, batches: &[BatchId]) -> Result<Vec<Option<Steering>>> {
        let mut found = Vec::with_capacity(batches.len());
        for page in batches.chunks(PAGE) {
            let mut pipeline = Pipeline::with_capacity(2 * page.len());
            for batch in page {
                pipeline.hmget(self.keys.progress(*batch), &snapshot_fields::STEERING);
                pipeline.exists(self.keys.gone(*batch));
            }
            let answers: Vec<Value> = self
                .link
                .run(&pipeline)
                .await
                .map_err(|error| self.failed("read how batches are steered", &error))?;
            let mut answers = answers.into_iter();
            for batch in page {
                let (fields, gone) = (answers.next(), answers.next());
                found.push(steered(*batch, fields, gone));
            }
        }
        Ok(found)
    }

    async fn forget(&self, space: &Space, batch: BatchId) -> Result<()> {
        let mut call = self.scripts.forget.prepare_invoke();
        call.key(self.keys.progress(batch))
            .key(self.keys.active(space))
            .key(self.keys.gone(batch))
            .arg(batch.to_string())
            .arg(KEEP_FINAL.as_secs());
        let forgotten = scripts::run(&self.link, &self.scripts.forget, &[call]).await;
        forgotten.map_err(|error| self.failed("forget a batch", &error))
    }

    async fn active(&self, space: &Space) -> Result<Vec<BatchId>> {
        let mut pipeline = redis::pipe();
        pipeline.zrange(self.keys.active(space), 0, -1);
        let ids = self.link.run::<(Vec<String>,)>(&pipeline).await;
        let (ids,) = ids.map_err(|error| self.failed("list active batches", &error))?;
        Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
    }

    async fn subscribe(&self, scope: Scope) -> Result<BoxStream<'static, Heard>> {
        let subscribed = Arc::clone(&self.events).subscribe(scope).await;
        subscribed.map_err(|error| self.failed("subscribe to events", &error))
    }

    async fn heartbeat(&self, worker: &WorkerStatus, ttl: Duration) -> Result<()> {
        let fields = worker_fields::write(worker);
        let fields =
            fields.map_err(|error| Error::corrupt(ENGINE, "a worker has no JSON form").because(error))?;
        let mut call = self.scripts.heartbeat.prepare_invoke();
        call.key(self.keys.worker(&worker.id))
            .key(self.keys.workers())
            .arg(worker.id.0.as_ref());
        call.arg(
            ttl.clamp(Duration::from_millis(1), KEEP_FINAL)
                .as_millis()
                .to_string(),
        );
        for (name, value) in fields {
            call.arg(name).arg(value);
        }
        let noted = scripts::run(&self.link, &self.scripts.heartbeat, &[call]).await;
        noted.map_err(|error| self.failed("note a worker's heartbeat", &error))
    }

    async fn workers(&self) -> Result<Vec<WorkerStatus>> {
        let mut pipeline = redis::pipe();
        pipeline.zrange(self.keys.workers(), 0, -1);
        let ids = self.link.run::<(Vec<String>,)>(&pipeline).await;
        let (mut ids,) = ids.map_err(|error| self.failed("list workers", &error))?;
        ids.sort_unstable();
        let keys: Vec<_> = ids
            .iter()
            .map(|id| self.keys.worker(&WorkerId(id.as_str().into())))
            .collect();
        // The index may name workers whose time is over. Their hashes are gone.
        let found = self
            .hashes("list workers", &keys, |_, fields| worker_fields::read(fields))
            .await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn tell_to_drain(&self, worker: &WorkerId, drain: bool) -> Result<()> {
        let key = self.keys.drain(worker);
        let mut pipeline = redis::pipe();
        if drain {
            pipeline
                .cmd("SET")
                .arg(&key)
                .arg(1)
                .arg("EX")
                .arg(KEEP_TOLD.as_secs());
        } else {
            pipeline.del(&key);
        }
        let told = self.link.run::<(Value,)>(&pipeline).await;
        told.map(drop)
            .map_err(|error| self.failed("tell a worker to drain", &error))
    }

    async fn told_to_drain(&self, workers: &[WorkerId]) -> Result<Vec<bool>> {
        if workers.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = redis::pipe();
        for worker in workers {
            pipeline.exists(self.keys.drain(worker));
        }
        let told = self.link.run::<Vec<bool>>(&pipeline).await;
        told.map_err(|error| self.failed("ask which workers are to drain", &error))
    }

    async fn incarnation(&self) -> Result<Incarnation> {
        let key = self.keys.incarnation();
        let id = Incarnation::random();
        let mut pipeline = redis::pipe();
        pipeline
            .cmd("SET")
            .arg(&key)
            .arg(id.to_string())
            .arg("NX")
            .arg("GET");
        let found = self.link.run::<(Option<String>,)>(&pipeline).await;
        let (found,) = found.map_err(|error| self.failed("ask what is there", &error))?;
        let Some(found) = found else {
            return Ok(id);
        };
        found
            .parse()
            .map_err(|error| Error::corrupt(ENGINE, format!("{key} is no id")).because(error))
    }

    async fn ping(&self) -> Result<()> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("PING");
        self.link
            .run(&pipeline)
            .await
            .map_err(|error| self.failed("ping", &error))
    }
}

/// What the values of the fields in [`snapshot_fields::STEERING`] and the note that it is gone say of a batch. What
/// can't be understood is absent.
fn steered(batch: BatchId, fields: Option<Value>, gone: Option<Value>) -> Option<Steering> {
    if gone.is_some_and(|gone| redis::from_redis_value::<bool>(gone).unwrap_or_default()) {
        return Some(Steering::GONE);
    }
    let values: Vec<Option<String>> = redis::from_redis_value(fields?).ok()?;
    let named = snapshot_fields::STEERING.into_iter().zip(values);
    let fields = Fields(
        named
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect(),
    );
    if fields.0.is_empty() {
        return None;
    }
    let steering = snapshot_fields::steering(&fields);
    steering
        .inspect_err(|error| tracing::warn!(%batch, %error, "ignored a hash that can't be understood"))
        .ok()
}

impl fmt::Debug for RedisProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisProgress")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}
