//! Flotilla as users run it: every role a process of its own on the servers of a stage, or everything in one process.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use flotilla_tests::{Flotilla, free_port};
use reqwest::{Client, Response};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::stage::Stage;
use crate::usage::Usage;

/// Nothing here may hang.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);
const STARTUP: Duration = Duration::from_secs(60);

/// Processes of each role, and a client.
pub(crate) struct Fleet {
    pub(crate) http: Client,
    pub(crate) server: String,
    roles: Vec<(String, Flotilla)>,
    _files: TempDir,
}

/// A batch that was accepted.
#[derive(Debug)]
pub(crate) struct Batch {
    id: String,
    space: String,
}

impl Batch {
    pub(crate) fn id(&self) -> &str {
        &self.id
    }
}

/// How many workers, and how many items each runs at once.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Size {
    /// Worker processes.
    #[arg(long, default_value_t = 2)]
    pub(crate) workers: u32,
    /// Items that each worker runs at once.
    #[arg(long, default_value_t = 64)]
    pub(crate) concurrency: u32,
}

impl Fleet {
    /// Migrates, starts everything, and returns when a first batch went through. Without workers there is no scheduler
    /// either: for uploads alone.
    pub(crate) async fn start(stage: &Stage, size: Size) -> Result<Self> {
        Self::configured(stage, size, "").await
    }

    /// The same with settings, in TOML.
    pub(crate) async fn configured(stage: &Stage, size: Size, config: &str) -> Result<Self> {
        let files = tempfile::tempdir()?;
        std::fs::write(files.path().join("flotilla.toml"), config)?;
        let objects = format!("file://{}", files.path().join("objects").display());
        let command = |arguments: &[&str]| {
            Flotilla::command(arguments.iter().copied())
                .env("FLOTILLA_STORE_URL", stage.postgres_url())
                .env("FLOTILLA_BROKER_URL", stage.amqp_url())
                .env("FLOTILLA_PROGRESS_URL", stage.redis_url())
                .env("FLOTILLA_OBJECTS_URL", objects.as_str())
        };
        let migrated = command(&["migrate"]).output(files.path(), STARTUP).await;
        ensure!(migrated.status.success(), "flotilla migrate: {}", migrated.stderr);
        let listen = format!("127.0.0.1:{}", free_port());
        let mut roles = vec![(
            "api".to_owned(),
            command(&["api", "--listen", &listen]).start(files.path()),
        )];
        if size.workers > 0 {
            roles.push((
                "scheduler".to_owned(),
                command(&["scheduler"]).start(files.path()),
            ));
        }
        let concurrency = size.concurrency.to_string();
        for worker in 1..=size.workers {
            let process = command(&["worker", "--concurrency", &concurrency]).start(files.path());
            roles.push((format!("worker {worker}"), process));
        }
        let fleet = Self {
            http: Client::builder().timeout(PATIENCE).build()?,
            server: format!("http://{listen}"),
            roles,
            _files: files,
        };
        fleet.ready().await?;
        if size.workers > 0 {
            fleet.warm_up().await?;
        }
        Ok(fleet)
    }

    /// One process with everything in it, on no server at all. Its slots are those of all workers together.
    pub(crate) async fn embedded(size: Size) -> Result<Self> {
        let files = tempfile::tempdir()?;
        let listen = format!("127.0.0.1:{}", free_port());
        let data = files.path().join("data").display().to_string();
        let concurrency = (size.workers * size.concurrency).to_string();
        let arguments = [
            "up",
            "--listen",
            &listen,
            "--data",
            &data,
            "--concurrency",
            &concurrency,
        ];
        let up = Flotilla::command(arguments).start(files.path());
        let fleet = Self {
            http: Client::builder().timeout(PATIENCE).build()?,
            server: format!("http://{listen}"),
            roles: vec![("up".to_owned(), up)],
            _files: files,
        };
        fleet.ready().await?;
        fleet.warm_up().await?;
        Ok(fleet)
    }

    async fn warm_up(&self) -> Result<()> {
        let batch = self.submit("?job_type=echo", ndjson(1_000)).await?;
        self.result(&batch, Duration::from_millis(20)).await
    }

    async fn ready(&self) -> Result<()> {
        let deadline = Instant::now() + STARTUP;
        let url = format!("{}/readyz", self.server);
        loop {
            let answer = self.http.get(&url).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "the API is not ready");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Uploads NDJSON.
    pub(crate) async fn submit(&self, query: &str, body: String) -> Result<Batch> {
        self.upload(query, "application/x-ndjson", body).await
    }

    /// Uploads a batch in some form.
    pub(crate) async fn upload(&self, query: &str, media_type: &str, body: String) -> Result<Batch> {
        self.upload_packed(query, media_type, None, body.into_bytes())
            .await
    }

    /// The same with a body that is packed.
    pub(crate) async fn upload_packed(
        &self,
        query: &str,
        media_type: &str,
        encoding: Option<&str>,
        body: Vec<u8>,
    ) -> Result<Batch> {
        let mut request = self
            .http
            .post(format!("{}/v1/batches{query}", self.server))
            .header("content-type", media_type);
        if let Some(encoding) = encoding {
            request = request.header("content-encoding", encoding);
        }
        let answer = request.body(body).send().await?;
        let status = answer.status();
        let batch: Value = answer.json().await?;
        match (&batch["id"], &batch["space"]) {
            (Value::String(id), Value::String(space)) => Ok(Batch {
                id: id.clone(),
                space: space.clone(),
            }),
            _ => bail!("HTTP {status}: {batch}"),
        }
    }

    /// All items as a file.
    pub(crate) async fn download(&self, batch: &Batch, format: &str) -> Result<Response> {
        let url = format!("{}&format={format}", self.url(batch, "download"));
        Ok(self.http.get(url).send().await?.error_for_status()?)
    }

    pub(crate) fn url(&self, batch: &Batch, path: &str) -> String {
        let Batch { id, space } = batch;
        format!("{}/v1/batches/{id}/{path}?space={space}", self.server)
    }

    /// Waits for the `BatchResult`, which has to say that everything succeeded.
    pub(crate) async fn result(&self, batch: &Batch, look_every: Duration) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let url = self.url(batch, "result");
        loop {
            let answer = self.http.get(&url).send().await?;
            if answer.status().is_success() {
                let result: Value = answer.json().await?;
                let summary = &result["result_summary"];
                if summary["succeeded"] != summary["total"] {
                    bail!("not every item succeeded: {result}");
                }
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "no result within {} s",
                PATIENCE.as_secs()
            );
            sleep(look_every).await;
        }
    }

    /// How many items of a batch are in each state.
    pub(crate) async fn counts(&self, batch: &Batch) -> Result<Value> {
        let Batch { id, space } = batch;
        let url = format!("{}/v1/batches/{id}?space={space}", self.server);
        let mut batch: Value = self
            .http
            .get(url)
            .send()
            .await?
            .error_for_status()?
            .json()
            .await?;
        Ok(batch["counts"].take())
    }

    /// Acts on a batch.
    pub(crate) async fn act(&self, batch: &Batch, action: &str) -> Result<()> {
        let url = self.url(batch, action);
        self.http.post(url).send().await?.error_for_status()?;
        Ok(())
    }

    /// What every role has used so far.
    pub(crate) fn usage(&self) -> Vec<(String, Usage)> {
        let roles = self.roles.iter();
        roles
            .map(|(name, role)| (name.clone(), Usage::of_tree(role.pid())))
            .collect()
    }

    /// Stops every process.
    pub(crate) async fn stop(mut self) {
        for (_, role) in &mut self.roles {
            role.terminate().await;
        }
    }
}

/// Items that differ, one per line.
pub(crate) fn ndjson(items: u32) -> String {
    (0..items).map(|index| format!("{{\"n\":{index}}}\n")).collect()
}
