//! Private servers.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use flotilla_tests::servers::{Folder, Postgres, RabbitMq, Redis, Server};
use serde_json::json;

use crate::usage::Usage;
use crate::versions;

/// Whether it was printed which servers these are.
static SAID: AtomicBool = AtomicBool::new(false);

/// RabbitMQ, PostgreSQL and Redis, in a folder of their own. Gone on drop.
pub(crate) struct Stage {
    rabbitmq: Server<RabbitMq>,
    postgres: Server<Postgres>,
    redis: Server<Redis>,
    // Last: the folder goes when nothing writes to it any more.
    folder: Folder,
}

impl Stage {
    pub(crate) async fn start() -> Result<Self> {
        Folder::remove_leftovers();
        let folder = Folder::create()?;
        let (rabbitmq, postgres, redis) = tokio::try_join!(
            Server::launch(&folder),
            Server::launch(&folder),
            Server::launch(&folder)
        )?;
        let stage = Self {
            rabbitmq,
            postgres,
            redis,
            folder,
        };
        if !SAID.swap(true, Ordering::Relaxed) {
            println!("{}", json!({"servers": versions::of(&stage).await?}));
        }
        Ok(stage)
    }

    /// Where their files are.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn amqp_url(&self) -> String {
        self.rabbitmq.url()
    }

    pub(crate) fn postgres_url(&self) -> String {
        self.postgres.url()
    }

    pub(crate) fn redis_url(&self) -> String {
        self.redis.url()
    }

    /// What each server has used so far.
    pub(crate) fn usage(&self) -> Result<Vec<(String, Usage)>> {
        let servers = [
            ("rabbitmq", self.rabbitmq.pid().context("RabbitMQ has ended")?),
            ("postgres", self.postgres.pid().context("PostgreSQL has ended")?),
            ("redis", self.redis.pid().context("Redis has ended")?),
        ];
        Ok(servers
            .map(|(name, pid)| (name.to_owned(), Usage::of_tree(pid)))
            .into())
    }
}
