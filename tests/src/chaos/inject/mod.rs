//! How each fault is done, and undone.

mod processes;
mod queues;
pub(super) mod reports;
mod servers;
mod steering;

use std::time::Duration;

use anyhow::{Context, Result};
use rand::rngs::StdRng;
use tokio::time::{Instant, sleep, timeout};

use super::crowd::Crowd;
use super::fault::{Fault, Which};
use super::fleet::Fleet;
use super::rig::Rig;

/// A broker that was broken a moment ago may not answer; whoever heals the servers tidies up.
const MARGIN: Duration = Duration::from_secs(30);

/// What a fault is done to.
pub(crate) struct Scene<'a> {
    pub(crate) rig: &'a mut Rig,
    pub(crate) fleet: &'a mut Fleet,
    pub(crate) crowd: &'a Crowd,
    pub(crate) rng: &'a mut StdRng,
}

impl Scene<'_> {
    /// Does it, and returns when it is over.
    pub(crate) async fn inject(&mut self, fault: &Fault) -> Result<()> {
        match fault {
            Fault::Kill(role, Which::One(number)) => {
                let members = self.fleet.of(*role);
                self.kill(&[members[number % members.len()]]).await;
            }
            Fault::Kill(role, Which::All) => self.kill(&self.fleet.of(*role)).await,
            Fault::Freeze(role, time) => self.freeze(*role, *time).await,
            Fault::Roll => self.roll().await,
            Fault::Point(role, point, at) => self.point(*role, point, *at).await?,
            Fault::KillServer(engine, time) => {
                self.rig.kill(*engine).await?;
                self.hold(*time).await;
                self.rig.start(*engine).await?;
            }
            Fault::StopServer(engine, time) => {
                self.rig.stop(*engine).await?;
                self.hold(*time).await;
                self.rig.start(*engine).await?;
            }
            Fault::FreezeServer(engine, time) => self.freeze_server(*engine, *time).await,
            Fault::Network(engine, network, time) => self.disturb(*engine, *network, *time).await,
            Fault::Reset(engine, bytes, times) => self.reset(*engine, *bytes, *times).await,
            Fault::Flush(times) => self.flush(*times).await?,
            Fault::FullRedis(time) => self.fill_redis(*time).await?,
            Fault::Alarm(alarm, time) => self.alarm(*alarm, *time).await?,
            Fault::Lose(held, means) => self.lose(*held, *means).await?,
            Fault::MaxLength(length, time) => self.limit_length(*length, *time).await?,
            Fault::RepeatReports(time) => timeout(*time + MARGIN, self.repeat_reports(*time))
                .await
                .context("the broker answers nobody who repeats reports")??,
            Fault::ShuffleReports(time) => self.shuffle_reports(*time).await?,
            Fault::ContradictReports(time) => self.contradict_reports(*time).await?,
            Fault::Lock(time) => self.lock(*time).await?,
            Fault::BreakOff(uploads) => self.break_off(*uploads).await?,
            Fault::CancelRace(batches) => self.cancel_race(*batches).await?,
            Fault::PauseAndResume(times) => self.pause_and_resume(*times).await?,
        }
        Ok(())
    }

    /// A fault lasts. Meanwhile a supervisor starts again what ends by itself.
    async fn hold(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.fleet.revive();
            sleep(Duration::from_millis(50).min(time)).await;
        }
    }
}
