//! Servers, a fleet, the handler and producers: what scenarios run on, one after the other.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::crowd::Crowd;
use super::fleet::{Fleet, Size};
use super::gather::Gather;
use super::inject::Scene;
use super::producer::Producer;
use super::receiver::Receiver;
use super::rig::Rig;
use super::scenario::Scenario;
use super::table::Row;
use crate::checker::{Evidence, Report, Violation, check};

/// How long everything may take to be quiet after the last batch has ended: the live view is written again within seconds,
/// claims of dead publishers end after half a minute, queues run empty.
const QUIET: Duration = Duration::from_secs(90);
/// The same, with abandoned uploads, which are removed after two minutes.
const CLEAN: Duration = Duration::from_secs(200);
/// An item is set apart twice at most; then it is given up on, which no innocent item may be.
const LOSSES: u32 = 2;
/// How long to wait for the progress at which the next fault is due.
const PROGRESS: Duration = Duration::from_secs(90);

/// A deployment to be broken.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) fleet: Fleet,
    pub(crate) crowd: Crowd,
    pub(crate) receiver: Receiver,
    pub(crate) rig: Rig,
}

/// How a scenario is run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// How soon silence is noticed: seconds.
    pub(crate) heartbeat: u16,
    /// How long batches may take to end after the last fault.
    pub(crate) patience: Duration,
    /// How long producers repeat a request that nobody answers.
    pub(crate) answers: Duration,
    /// Uploads that broke off have to be gone in the end.
    pub(crate) abandoned: bool,
    pub(crate) size: Size,
}

impl Bench {
    pub(crate) async fn start(terms: Terms) -> Result<Self> {
        let rig = Rig::launch(terms.heartbeat).await.context("starting servers")?;
        let receiver = Receiver::start(rig.folder()).await?;
        let fleet = Fleet::start(&rig, terms.size, &receiver.config()).await?;
        let crowd = Crowd::new(Producer::new(fleet.apis.clone()).patient(terms.answers));
        Ok(Self {
            fleet,
            crowd,
            receiver,
            rig,
        })
    }

    /// Runs one scenario from its uploads to the check.
    pub(crate) async fn run(&mut self, scenario: &Scenario, terms: Terms, seed: u64) -> Row {
        let mut row = Row::of(scenario);
        let skipped = self.crowd.count();
        match self.play(scenario, terms, seed, skipped).await {
            Ok((report, recovery)) => row.add(&report, recovery),
            Err(error) => row.fail(&error),
        }
        row
    }

    async fn play(
        &mut self,
        scenario: &Scenario,
        terms: Terms,
        seed: u64,
        skipped: usize,
    ) -> Result<(Report, Duration)> {
        let mut rng = StdRng::seed_from_u64(seed);
        let began = self.receiver.count();
        let batches = scenario.batches.max(1);
        for _ in 0..batches {
            let plan = self
                .crowd
                .plan(&mut rng, scenario.items.div_ceil(batches), scenario.ms.clone());
            self.crowd.submit(plan, &[]).await?;
        }
        let (stop, stopped) = watch::channel(!scenario.stream);
        let streaming = self.crowd.stream(StdRng::seed_from_u64(seed ^ 1), stopped);
        let breaking = async {
            let mut scene = Scene {
                rig: &mut self.rig,
                fleet: &mut self.fleet,
                crowd: &self.crowd,
                rng: &mut rng,
            };
            let broken = break_things(&mut scene, &self.receiver, scenario, began).await;
            let healed = scene.rig.heal().await.context("healing the servers");
            scene.fleet.heal();
            stop.send_replace(true);
            broken.and(healed)
        };
        let (broken, streamed) = tokio::join!(breaking, streaming);
        let healed = Instant::now();
        broken?;
        streamed.context("producers that go on meanwhile")?;
        self.wait_for_ends(skipped, healed + terms.patience).await?;
        let recovery = healed.elapsed();
        let report = self.settle(skipped, scenario.strict, terms).await?;
        Ok((report, recovery))
    }

    /// Waits until every batch has ended, or the time is over: the check says then which has not.
    pub(crate) async fn wait_for_ends(&mut self, skipped: usize, deadline: Instant) -> Result<()> {
        let promises = self.crowd.since(skipped);
        let ids: Vec<String> = promises.into_iter().map(|promise| promise.id).collect();
        while Instant::now() < deadline {
            let gather = Gather {
                rig: &self.rig,
                producer: &self.crowd.producer,
            };
            if gather.unfinished(&ids).await? == 0 {
                break;
            }
            self.fleet.revive();
            sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }

    /// Checks until nothing is wrong. What may lag behind gets some time; what may never be does not.
    pub(crate) async fn settle(&mut self, skipped: usize, strict: bool, terms: Terms) -> Result<Report> {
        let deadline = Instant::now() + if terms.abandoned { CLEAN } else { QUIET };
        loop {
            let mut report = check(&self.evidence(skipped, strict, terms).await?);
            report.violations.extend(self.undrained().await?);
            if report.violations.iter().all(may_lag) && !report.is_clean() && Instant::now() < deadline {
                self.fleet.revive();
                sleep(Duration::from_millis(500)).await;
                continue;
            }
            return Ok(report);
        }
    }

    async fn evidence(&self, skipped: usize, strict: bool, terms: Terms) -> Result<Evidence> {
        let gather = Gather {
            rig: &self.rig,
            producer: &self.crowd.producer,
        };
        let promises = self.crowd.since(skipped);
        let earlier = self.crowd.ids()[..skipped].to_vec();
        // Calls for batches of earlier scenarios were theirs.
        let mut calls = self.receiver.calls()?;
        calls.retain(|call| !earlier.contains(&call.batch));
        Ok(Evidence {
            batches: gather.evidence(&promises).await?,
            calls,
            unknown_batches: gather.others(&self.crowd.ids(), terms.abandoned).await?,
            no_duplicates: strict,
            losses: if strict { 0 } else { LOSSES },
        })
    }

    async fn undrained(&self) -> Result<Vec<Violation>> {
        let depths = self.rig.management()?.try_depths().await?;
        let left = depths.into_iter().filter_map(|(queue, depth)| match depth {
            Some(0) => None,
            Some(messages) => Some(Violation::NotDrained { queue, messages }),
            // No statistics yet, right after a start.
            None => Some(Violation::NotDrained { queue, messages: 0 }),
        });
        Ok(left.collect())
    }

    /// Copies logs and the ledger to where they survive this bench. Answers where that is.
    pub(crate) fn keep_logs(&self, name: &str) -> Result<PathBuf> {
        let target = std::env::current_exe()?;
        let folder = target
            .ancestors()
            .skip(1)
            .find(|folder| !folder.ends_with("deps"))
            .context("a program is in a folder")?
            .join("chaos-logs")
            .join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        copy_logs(self.fleet.folder(), &folder)?;
        for server in ["rabbitmq", "postgres", "redis"] {
            copy_logs(&self.rig.folder().join(server), &folder)?;
        }
        fs::copy(self.rig.folder().join("ledger"), folder.join("ledger"))?;
        Ok(folder)
    }
}

/// One fault after the other, each when it is due.
async fn break_things(
    scene: &mut Scene<'_>,
    receiver: &Receiver,
    scenario: &Scenario,
    began: u64,
) -> Result<()> {
    for (percent, fault) in &scenario.steps {
        let due = began + u64::from(scenario.items) * u64::from(*percent) / 100;
        wait_for_calls(receiver, scene.fleet, due).await;
        let injected = scene.inject(fault).await;
        injected.with_context(|| format!("injecting: {fault}"))?;
    }
    Ok(())
}

fn copy_logs(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from)?.flatten() {
        let name = entry.file_name();
        let text = name.to_string_lossy();
        if [".stderr", ".stdout", ".log"]
            .iter()
            .any(|end| text.ends_with(end))
        {
            fs::copy(entry.path(), to.join(&name))?;
        }
    }
    Ok(())
}

/// Waits for so many calls, or until it seems that they will not come.
async fn wait_for_calls(receiver: &Receiver, fleet: &mut Fleet, due: u64) {
    let deadline = Instant::now() + PROGRESS;
    while receiver.count() < due && Instant::now() < deadline {
        fleet.revive();
        sleep(Duration::from_millis(5)).await;
    }
}

/// Violations that time may mend.
fn may_lag(violation: &Violation) -> bool {
    match violation {
        Violation::CountsDiffer { place, .. } => *place == "live view",
        Violation::NotShown { .. }
        | Violation::NotDrained { .. }
        | Violation::LeftOver { .. }
        | Violation::UnexpectedBatch { .. } => true,
        _ => false,
    }
}
