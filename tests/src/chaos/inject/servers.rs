//! Servers that freeze, run out of something, lock; and the way to them.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::{Instant, sleep};
use tokio_postgres::NoTls;

use super::Scene;
use crate::Signal;
use crate::chaos::fault::Alarm;
use crate::chaos::rig::Engine;
use crate::proxy::Fault as Network;

impl Scene<'_> {
    pub(super) async fn freeze_server(&mut self, engine: Engine, time: Duration) {
        self.rig.signal(engine, Signal::STOP);
        self.hold(time).await;
        self.rig.signal(engine, Signal::CONT);
    }

    /// A refused connection hurts nobody who has one, so those that exist are cut.
    pub(super) async fn disturb(&mut self, engine: Engine, network: Network, time: Duration) {
        self.rig.proxy(engine).set(network);
        if network == Network::Refuse {
            self.rig.proxy(engine).cut();
        }
        self.hold(time).await;
        self.rig.proxy(engine).set(Network::None);
    }

    pub(super) async fn reset(&mut self, engine: Engine, bytes: u64, times: u32) {
        for number in 0..times {
            // Another place in what is sent each time.
            self.rig
                .proxy(engine)
                .reset_after(bytes + u64::from(number) * 997);
            self.hold(Duration::from_millis(400)).await;
        }
    }

    pub(super) async fn flush(&mut self, times: u32) -> Result<()> {
        for _ in 0..times {
            let () = self.rig.redis(&["FLUSHALL"]).await?;
            self.hold(Duration::from_millis(300)).await;
        }
        Ok(())
    }

    pub(super) async fn fill_redis(&mut self, time: Duration) -> Result<()> {
        let () = self.rig.redis(&["CONFIG", "SET", "maxmemory", "1"]).await?;
        self.hold(time).await;
        self.rig.redis(&["CONFIG", "SET", "maxmemory", "0"]).await
    }

    pub(super) async fn alarm(&mut self, alarm: Alarm, time: Duration) -> Result<()> {
        let setting = match alarm {
            Alarm::Memory => ["set_vm_memory_high_watermark", "0"],
            Alarm::Disk => ["set_disk_free_limit", "1000000GB"],
        };
        self.rig.raise_alarm(&setting).await?;
        self.hold(time).await;
        self.rig.clear_alarms().await
    }

    /// A session that holds the locks on a connection of its own.
    pub(super) async fn lock(&mut self, time: Duration) -> Result<()> {
        let (client, connection) = tokio_postgres::connect(&self.rig.store.url(), NoTls)
            .await
            .context("connecting to PostgreSQL")?;
        let locking = async {
            client
                .batch_execute(
                    "BEGIN; LOCK TABLE batch_counters IN ACCESS EXCLUSIVE MODE; \
                     LOCK TABLE batch_outcomes IN ACCESS EXCLUSIVE MODE",
                )
                .await?;
            let end = Instant::now() + time;
            while Instant::now() < end {
                self.fleet.revive();
                sleep(Duration::from_millis(100)).await;
            }
            client.batch_execute("ROLLBACK").await
        };
        tokio::select! {
            locked = locking => locked.context("locking the tables"),
            ended = connection => ended.context("PostgreSQL closed the connection"),
        }
    }
}
