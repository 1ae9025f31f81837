//! The servers of one run, each with a proxy in front of it. Fleets connect through the proxies; whoever looks at the
//! truth afterwards does not.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use redis::FromRedisValue;
use rustix::process::{Signal, kill_process};

use super::inject::reports::SPY;
use crate::Management;
use crate::proxy::{Fault as Network, Proxy};
use crate::servers::{Folder, Postgres, RabbitMq, Redis, Server};

/// Which of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    /// RabbitMQ.
    Broker,
    /// PostgreSQL.
    Store,
    /// Redis.
    Live,
}

/// Private servers and their proxies. They end with this value.
#[derive(Debug)]
pub(crate) struct Rig {
    pub(crate) broker: Server<RabbitMq>,
    pub(crate) store: Server<Postgres>,
    pub(crate) live: Server<Redis>,
    to_broker: Proxy,
    to_store: Proxy,
    to_live: Proxy,
    env: Vec<(String, String)>,
    alarmed: bool,
    // The last field: the folder goes when nothing writes to it any more.
    folder: Folder,
}

impl Rig {
    /// Starts everything. `heartbeat` is that of AMQP connections, in seconds: how soon silence is noticed.
    pub(crate) async fn launch(heartbeat: u16) -> Result<Self> {
        let folder = Folder::create()?;
        let (broker, store, live) = tokio::try_join!(
            Server::<RabbitMq>::launch(&folder),
            Server::<Postgres>::launch(&folder),
            Server::<Redis>::launch(&folder)
        )?;
        let (to_broker, broker_url) = Proxy::in_front_of(&format!("{}/%2f", broker.url())).await;
        let (to_store, store_url) = Proxy::in_front_of(&store.url()).await;
        let (to_live, live_url) = Proxy::in_front_of(&live.url()).await;
        let objects = folder.path().join("objects");
        let env = [
            (
                "FLOTILLA_BROKER_URL",
                format!("{broker_url}?heartbeat={heartbeat}"),
            ),
            ("FLOTILLA_STORE_URL", store_url),
            ("FLOTILLA_PROGRESS_URL", live_url),
            ("FLOTILLA_OBJECTS_URL", format!("file://{}", objects.display())),
        ];
        Ok(Self {
            broker,
            store,
            live,
            to_broker,
            to_store,
            to_live,
            env: env.map(|(name, value)| (name.to_owned(), value)).into(),
            alarmed: false,
            folder,
        })
    }

    /// What connects a process to the servers, through the proxies.
    pub(crate) fn env(&self) -> Vec<(String, String)> {
        self.env.clone()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A new folder within the one of the servers.
    pub(crate) fn make_folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.folder.path().join(name);
        fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(path)
    }

    pub(crate) fn management(&self) -> Result<Management> {
        Management::new(&self.broker.engine().management_url(), "/")
    }

    pub(crate) fn proxy(&self, engine: Engine) -> &Proxy {
        match engine {
            Engine::Broker => &self.to_broker,
            Engine::Store => &self.to_store,
            Engine::Live => &self.to_live,
        }
    }

    pub(crate) async fn kill(&mut self, engine: Engine) -> Result<()> {
        match engine {
            Engine::Broker => self.broker.kill().await,
            Engine::Store => self.store.kill().await,
            Engine::Live => self.live.kill().await,
        }
    }

    pub(crate) async fn stop(&mut self, engine: Engine) -> Result<()> {
        match engine {
            Engine::Broker => self.broker.stop().await,
            Engine::Store => self.store.stop().await,
            Engine::Live => self.live.stop().await,
        }
    }

    /// Starts a server that does not run.
    pub(crate) async fn start(&mut self, engine: Engine) -> Result<()> {
        match engine {
            Engine::Broker if self.broker.pid().is_none() => self.broker.start().await,
            Engine::Store if self.store.pid().is_none() => self.store.start().await,
            Engine::Live if self.live.pid().is_none() => self.live.start().await,
            _ => Ok(()),
        }
    }

    /// Stops or continues a server with all of its processes.
    pub(crate) fn signal(&self, engine: Engine, signal: Signal) {
        let processes = match engine {
            Engine::Broker => self.broker.processes(),
            Engine::Store => self.store.processes(),
            Engine::Live => self.live.processes(),
        };
        for pid in processes {
            let _ = kill_process(pid, signal);
        }
    }

    /// Runs one command of Redis, given as words.
    pub(crate) async fn redis<T: FromRedisValue>(&self, command: &[&str]) -> Result<T> {
        let client = redis::Client::open(self.live.url())?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        let mut words = command.iter();
        let mut command = redis::cmd(words.next().context("a command has a name")?);
        for word in words {
            command.arg(*word);
        }
        Ok(command.query_async(&mut connection).await?)
    }

    /// A connection to RabbitMQ that does not go through the proxy.
    pub(crate) async fn amqp(&self) -> Result<lapin::Connection> {
        let properties = lapin::ConnectionProperties::default();
        let url = format!("{}/%2f", self.broker.url());
        Ok(lapin::Connection::connect(&url, properties).await?)
    }

    /// Undoes whatever was done to the servers and to the network.
    pub(crate) async fn heal(&mut self) -> Result<()> {
        for engine in [Engine::Broker, Engine::Store, Engine::Live] {
            self.proxy(engine).set(Network::None);
            self.signal(engine, Signal::CONT);
            self.start(engine).await?;
        }
        let () = self.redis(&["CONFIG", "SET", "maxmemory", "0"]).await?;
        if self.alarmed {
            self.clear_alarms().await?;
        }
        let management = self.management()?;
        management.delete_queue(SPY).await;
        management.delete_operator_policy("chaos").await
    }

    /// Raises an alarm of RabbitMQ by this setting. A restart clears it, too.
    pub(crate) async fn raise_alarm(&mut self, setting: &[&str]) -> Result<()> {
        self.alarmed = true;
        self.broker.engine().control(setting).await
    }

    pub(crate) async fn clear_alarms(&mut self) -> Result<()> {
        let broker = self.broker.engine();
        broker.control(&["set_vm_memory_high_watermark", "0.4"]).await?;
        broker.control(&["set_disk_free_limit", "100MB"]).await?;
        self.alarmed = false;
        Ok(())
    }
}
