//! Private RabbitMQ, Redis and PostgreSQL: free loopback ports, a fresh folder, stopped by pid, nothing left behind.
//!
//! [`Servers`] is the set that all tests share; the program `servers` starts it around a command. A test that stops,
//! freezes or kills a server starts a [`Server`] of its own in a [`Folder`] of its own.

mod binaries;
mod daemon;
mod epmd;
mod folder;
pub mod guard;
mod identity;
pub mod ports;
mod postgres;
mod rabbitmq;
mod record;
mod redis;
mod server;

use std::path::Path;

use anyhow::{Result, bail};

pub use folder::Folder;
pub use postgres::Postgres;
pub use rabbitmq::RabbitMq;
pub use record::Recorded;
pub use redis::Redis;
pub use server::{Engine, Server};

use crate::urls;

/// Which servers to start.
#[derive(Debug, Clone, Copy)]
pub struct Selection {
    /// RabbitMQ.
    pub rabbitmq: bool,
    /// Redis.
    pub redis: bool,
    /// PostgreSQL.
    pub postgres: bool,
}

impl Selection {
    /// Every server.
    pub const ALL: Self = Self {
        rabbitmq: true,
        redis: true,
        postgres: true,
    };

    /// Reads a list such as `redis,postgres`.
    pub fn parse(list: &str) -> Result<Self> {
        let mut selection = Self {
            rabbitmq: false,
            redis: false,
            postgres: false,
        };
        for name in list.split(',') {
            match name.trim() {
                "rabbitmq" => selection.rabbitmq = true,
                "redis" => selection.redis = true,
                "postgres" => selection.postgres = true,
                other => bail!("unknown server `{other}`: the servers are rabbitmq, redis and postgres"),
            }
        }
        Ok(selection)
    }

    /// One message for everything that is missing, so that nobody installs one package after the other.
    fn check_installed(self) -> Result<()> {
        let wanted = [
            (self.rabbitmq, binaries::RABBITMQ.find()),
            (self.rabbitmq, binaries::EPMD.find()),
            (self.redis, binaries::REDIS.find()),
            (self.postgres, binaries::POSTGRES.find()),
            (self.postgres, binaries::INITDB.find()),
        ];
        let missing = wanted
            .into_iter()
            .filter(|(selected, _)| *selected)
            .filter_map(|(_, found)| found.err());
        let missing: Vec<String> = missing.map(|error| error.to_string()).collect();
        if missing.is_empty() {
            Ok(())
        } else {
            bail!(missing.join("\n"))
        }
    }
}

/// The servers that tests share. They stop, and their folder goes away, on drop.
#[derive(Debug)]
pub struct Servers {
    rabbitmq: Option<Server<RabbitMq>>,
    redis: Option<Server<Redis>>,
    postgres: Option<Server<Postgres>>,
    // The last field, because fields are dropped in order: the folder goes when nothing writes to it any more.
    folder: Folder,
}

impl Servers {
    /// Removes what killed predecessors left behind, then starts the selected servers at the same time.
    pub async fn start(selection: Selection) -> Result<Self> {
        selection.check_installed()?;
        Folder::remove_leftovers();
        let folder = Folder::create()?;
        let (rabbitmq, redis, postgres) = tokio::try_join!(
            launch(selection.rabbitmq, &folder),
            launch(selection.redis, &folder),
            launch(selection.postgres, &folder)
        )?;
        Ok(Self {
            rabbitmq,
            redis,
            postgres,
            folder,
        })
    }

    /// The folder with all data and logs.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The environment variables that tell tests where the servers are.
    #[must_use]
    pub fn env(&self) -> Vec<(&'static str, String)> {
        let mut env = Vec::new();
        if let Some(rabbitmq) = &self.rabbitmq {
            env.push((urls::AMQP, rabbitmq.url()));
            env.push((urls::MANAGEMENT, rabbitmq.engine().management_url()));
        }
        if let Some(redis) = &self.redis {
            env.push((urls::REDIS, redis.url()));
        }
        if let Some(postgres) = &self.postgres {
            env.push((urls::POSTGRES, postgres.url()));
        }
        env.push((urls::FOLDER, self.folder().display().to_string()));
        env
    }
}

async fn launch<E: Engine>(selected: bool, folder: &Folder) -> Result<Option<Server<E>>> {
    if selected {
        Server::launch(folder).await.map(Some)
    } else {
        Ok(None)
    }
}
