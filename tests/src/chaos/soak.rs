//! Everything at once, at random, for as long as one likes: what nobody thought of.
//!
//! The seed decides all of it, before anything starts: which batches come when, what is done to them, and what goes wrong
//! when. How processes interleave is not in anybody's hand, so the same seed is the same schedule and not the same run.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use anyhow::{Context, Result};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::{Instant, sleep, sleep_until};

use super::bench::{Bench, Terms};
use super::crowd::Crowd;
use super::fault::{Alarm, Fault, Which};
use super::fleet::{Role, Size};
use super::inject::Scene;
use super::rig::Engine;
use crate::checker::Report;
use crate::proxy::Fault as Network;

/// A random run.
#[derive(Debug, Clone, Copy)]
pub struct Soak {
    /// What the schedule follows from.
    pub seed: u64,
    /// How long batches come and things go wrong.
    pub time: Duration,
    /// Faults that lose queues are among them.
    pub lose_queues: bool,
}

/// A batch, and what is done to it.
#[derive(Debug, Clone)]
struct Arrival {
    at: Duration,
    items: u32,
    ms: RangeInclusive<u32>,
    concurrency: Option<u32>,
    rate: Option<u32>,
    priority: i32,
    space: &'static str,
    steer: Steer,
    seed: u64,
}

/// What is done to a batch, after a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Steer {
    Nothing,
    Cancel(Duration),
    PauseAndResume(Duration, Duration),
}

/// When something goes wrong.
type Mishap = (Duration, Fault);

struct Schedule {
    arrivals: Vec<Arrival>,
    mishaps: Vec<Mishap>,
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items: u64 = self.arrivals.iter().map(|arrival| u64::from(arrival.items)).sum();
        writeln!(f, "{} batches with {items} items", self.arrivals.len())?;
        for (at, fault) in &self.mishaps {
            writeln!(f, "{:>7.1} s  {fault}", at.as_secs_f64())?;
        }
        Ok(())
    }
}

impl Soak {
    /// Runs it, heals everything, waits until all is quiet, and checks. `say` gets the schedule and the course of it.
    ///
    /// # Errors
    /// Where servers or a fleet can't be started, or something can't be broken.
    pub async fn run(&self, say: impl Fn(&str)) -> Result<Report> {
        let terms = Terms {
            heartbeat: 5,
            patience: Duration::from_secs(300),
            // Whoever uploads may be cut off again and again, for as long as things go wrong.
            answers: self.time + Duration::from_secs(300),
            abandoned: true,
            size: Size {
                apis: 2,
                workers: 3,
                schedulers: 2,
            },
        };
        let schedule = self.schedule();
        say(&schedule.to_string());
        let mut bench = Bench::start(terms).await?;
        let began = Instant::now();
        let crowd = &bench.crowd;
        let mut scene = Scene {
            rig: &mut bench.rig,
            fleet: &mut bench.fleet,
            crowd,
            rng: &mut StdRng::seed_from_u64(self.seed ^ 2),
        };
        let breaking = async {
            for (at, fault) in &schedule.mishaps {
                sleep_until(began + *at).await;
                say(&format!("{:>7.1} s  {fault}", began.elapsed().as_secs_f64()));
                let injected = scene.inject(fault).await;
                // A fault that finds nothing to break is none; whether it did harm is for the check to say.
                if let Err(error) = injected {
                    say(&format!(
                        "{:>7.1} s  not done: {error:#}",
                        began.elapsed().as_secs_f64()
                    ));
                }
            }
            sleep_until(began + self.time).await;
            scene.rig.heal().await.context("healing the servers")?;
            scene.fleet.heal();
            anyhow::Ok(Instant::now())
        };
        let arriving = futures_util::future::try_join_all(
            schedule
                .arrivals
                .iter()
                .map(|arrival| arrive(crowd, arrival, began)),
        );
        let (broken, arrived) = tokio::join!(breaking, arriving);
        let healed = broken?;
        arrived.context("producers")?;
        say(&format!("{:>7.1} s  healed", began.elapsed().as_secs_f64()));
        bench.wait_for_ends(0, healed + terms.patience).await?;
        say(&format!(
            "all batches had {:.1} s to end",
            healed.elapsed().as_secs_f64()
        ));
        let report = bench.settle(0, false, terms).await?;
        if !report.is_clean() {
            let folder = bench.keep_logs(&format!("soak-{}", self.seed))?;
            say(&format!("logs: {}", folder.display()));
        }
        Ok(report)
    }

    fn schedule(&self) -> Schedule {
        let mut rng = StdRng::seed_from_u64(self.seed);
        let (mut arrivals, mut mishaps) = (Vec::new(), Vec::new());
        let mut at = Duration::ZERO;
        while at < self.time {
            arrivals.push(arrival(&mut rng, at));
            at += Duration::from_millis(rng.random_range(200..3_000));
        }
        let mut at = Duration::from_secs(2);
        while at < self.time {
            let fault = mishap(&mut rng, self.lose_queues);
            mishaps.push((at, fault));
            at += Duration::from_millis(rng.random_range(500..12_000));
        }
        Schedule { arrivals, mishaps }
    }
}

fn arrival(rng: &mut StdRng, at: Duration) -> Arrival {
    let items = match rng.random_range(0..20) {
        0 => rng.random_range(2_000..8_000),
        1..6 => rng.random_range(200..2_000),
        _ => rng.random_range(0..200),
    };
    let ms = match rng.random_range(0..10) {
        0 => 100..=600,
        1..5 => 5..=40,
        _ => 0..=8,
    };
    let soon = |rng: &mut StdRng| Duration::from_millis(rng.random_range(0..4_000));
    let steer = match rng.random_range(0..10) {
        0..2 => Steer::Cancel(soon(rng)),
        2..4 => Steer::PauseAndResume(soon(rng), soon(rng)),
        _ => Steer::Nothing,
    };
    let limited = items < 1_000;
    Arrival {
        at,
        items,
        ms,
        concurrency: (limited && rng.random_ratio(1, 5)).then(|| rng.random_range(2..40)),
        rate: (limited && rng.random_ratio(1, 8)).then(|| rng.random_range(50..500)),
        priority: rng.random_range(-3..4),
        space: ["default", "red", "blue"][rng.random_range(0..3)],
        steer,
        seed: rng.random(),
    }
}

async fn arrive(crowd: &Crowd, arrival: &Arrival, began: Instant) -> Result<()> {
    sleep_until(began + arrival.at).await;
    let mut rng = StdRng::seed_from_u64(arrival.seed);
    let plan = crowd.plan(&mut rng, arrival.items, arrival.ms.clone());
    let mut options = vec![("priority", arrival.priority.to_string())];
    options.extend(
        arrival
            .concurrency
            .map(|limit| ("concurrency", limit.to_string())),
    );
    options.extend(arrival.rate.map(|limit| ("rate_per_s", limit.to_string())));
    if arrival.space != "default" {
        options.push(("space", arrival.space.to_owned()));
    }
    let id = crowd.submit(plan, &options).await?;
    match arrival.steer {
        Steer::Nothing => {}
        Steer::Cancel(after) => {
            sleep(after).await;
            crowd.amend(&id, |promise| promise.cancelled = true);
            crowd.act(&id, "cancel").await?;
        }
        Steer::PauseAndResume(after, rest) => {
            sleep(after).await;
            crowd.act(&id, "pause").await?;
            sleep(rest).await;
            crowd.act(&id, "resume").await?;
        }
    }
    Ok(())
}

fn mishap(rng: &mut StdRng, lose_queues: bool) -> Fault {
    let role = |rng: &mut StdRng| [Role::Api, Role::Worker, Role::Scheduler][rng.random_range(0..3)];
    let engine = |rng: &mut StdRng| [Engine::Broker, Engine::Store, Engine::Live][rng.random_range(0..3)];
    let time = Duration::from_millis(rng.random_range(200..8_000));
    match rng.random_range(0..20) {
        0..5 => Fault::Kill(role(rng), Which::One(rng.random_range(0..3))),
        5 => Fault::Kill(role(rng), Which::All),
        6 => Fault::Freeze(role(rng), time),
        7 => Fault::KillServer(engine(rng), time / 4),
        8 => Fault::StopServer(engine(rng), time),
        9 => Fault::FreezeServer(engine(rng), time),
        10 => Fault::Network(engine(rng), Network::HalfOpen, time),
        11 => Fault::Network(engine(rng), Network::Refuse, time),
        12 => Fault::Network(
            engine(rng),
            Network::Delay(Duration::from_millis(rng.random_range(1..80))),
            time,
        ),
        13 => Fault::Reset(engine(rng), rng.random_range(100..40_000), rng.random_range(1..6)),
        14 => Fault::Flush(1),
        15 => Fault::Alarm([Alarm::Memory, Alarm::Disk][rng.random_range(0..2)], time),
        16 => Fault::Lock(time),
        17 => Fault::BreakOff(rng.random_range(1..4)),
        18 if lose_queues => super::fault::losses()[rng.random_range(0..4)].clone(),
        18 => Fault::FullRedis(time),
        _ => Fault::RepeatReports(time),
    }
}
