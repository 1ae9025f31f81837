//! Queues that lose what they hold.

use std::time::Duration;

use anyhow::{Result, bail};
use lapin::options::{BasicGetOptions, BasicRejectOptions};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::Scene;
use crate::Management;
use crate::chaos::fault::{Held, Means};
use crate::chaos::fleet::Role;

const WORK: &str = "flotilla.work.v2.default";
const ISOLATE: &str = "flotilla.isolate.v2.default";
const REPORTS: [&str; 2] = ["flotilla.reports.v1.0", "flotilla.reports.v1.1"];
const DEAD: &str = "flotilla.dead.v1";
/// How many dead letters are made, and lost.
const DEAD_LETTERS: usize = 5;
/// How long a queue may take to be there and to hold something. It may be gone, with what is lost, since the fault before.
const PATIENCE: Duration = Duration::from_secs(90);

impl Scene<'_> {
    /// Whoever would take the messages away is down meanwhile, so that there is something to lose; and so is whoever would
    /// declare the queues, so they have to be there before.
    pub(super) async fn lose(&mut self, held: Held, means: Means) -> Result<()> {
        let queues = named(held);
        wait_until_there(&self.rig.management()?, &queues).await?;
        let consumers = match held {
            Held::Work => self.fleet.of(Role::Worker),
            Held::Reports | Held::Dead => self.fleet.of(Role::Scheduler),
            Held::Everything => {
                let mut both = self.fleet.of(Role::Worker);
                both.truncate(1);
                both.extend(self.fleet.of(Role::Scheduler));
                both
            }
        };
        for &number in &consumers {
            self.fleet.kill(number);
        }
        let lost = self.lose_held(held, means).await;
        for &number in &consumers {
            self.fleet.restart(number, &[]);
        }
        lost
    }

    async fn lose_held(&mut self, held: Held, means: Means) -> Result<()> {
        let management = self.rig.management()?;
        let queues = named(held);
        match held {
            Held::Dead => self.make_dead_letters().await?,
            Held::Work => wait_for(&management, &queues[..1], 1).await?,
            Held::Reports | Held::Everything => wait_for(&management, &REPORTS, 1).await?,
        }
        for queue in &queues {
            match means {
                Means::Purge => management.purge_queue(queue).await?,
                Means::Delete => management.delete_queue(queue).await,
            }
        }
        Ok(())
    }

    /// Takes items off the work queue as a worker would that does not understand them.
    async fn make_dead_letters(&mut self) -> Result<()> {
        let connection = self.rig.amqp().await?;
        let channel = connection.create_channel().await?;
        let deadline = Instant::now() + PATIENCE;
        let mut made = 0;
        while made < DEAD_LETTERS {
            let got = channel.basic_get(WORK.into(), BasicGetOptions::default()).await?;
            if let Some(message) = got {
                message.reject(BasicRejectOptions { requeue: false }).await?;
                made += 1;
            } else if Instant::now() >= deadline {
                bail!("there was nothing on {WORK} for {PATIENCE:?}");
            } else {
                sleep(Duration::from_millis(2)).await;
            }
        }
        let management = self.rig.management()?;
        wait_for(&management, &[DEAD], DEAD_LETTERS as u64).await
    }

    pub(super) async fn limit_length(&mut self, length: u32, time: Duration) -> Result<()> {
        let management = self.rig.management()?;
        let definition = json!({ "max-length": length });
        management
            .set_operator_policy("chaos", "^flotilla\\.(work|isolate)\\.", definition)
            .await?;
        self.hold(time).await;
        management.delete_operator_policy("chaos").await
    }
}

fn named(held: Held) -> Vec<&'static str> {
    match held {
        Held::Work => vec![WORK, ISOLATE],
        Held::Reports => REPORTS.to_vec(),
        Held::Dead => vec![DEAD],
        Held::Everything => [&[WORK, ISOLATE, DEAD][..], &REPORTS].concat(),
    }
}

async fn wait_until_there(management: &Management, queues: &[&str]) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let depths = management.try_depths().await?;
        let there = |queue: &&str| depths.iter().any(|(name, _)| name == queue);
        let missing: Vec<_> = queues.iter().filter(|queue| !there(queue)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            bail!("{missing:?} are still missing after {PATIENCE:?}");
        }
        sleep(Duration::from_millis(100)).await;
    }
}

async fn wait_for(management: &Management, queues: &[&str], messages: u64) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let depths = management.try_depths().await?;
        let held: u64 = depths
            .iter()
            .filter(|(name, _)| queues.contains(&name.as_str()))
            .filter_map(|(_, depth)| *depth)
            .sum();
        if held >= messages {
            return Ok(());
        }
        if Instant::now() >= deadline {
            bail!("{queues:?} held {held} messages after {PATIENCE:?}");
        }
        sleep(Duration::from_millis(100)).await;
    }
}
