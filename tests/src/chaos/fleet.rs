//! A fleet of real processes, each of which can be killed, stopped and started again.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::time::{Instant, sleep};

use super::rig::Rig;
use crate::process::FlotillaCommand;
use crate::{Flotilla, Signal, free_port};

/// How long a process may take to become ready, with two fleets starting on two cores.
const STARTUP: Duration = Duration::from_secs(90);
/// How long a process may take to end on SIGTERM: its `drain` and a little.
const DRAIN: Duration = Duration::from_secs(45);
const STEP: Duration = Duration::from_millis(50);
/// How long a process that ended by itself stays down: what supervisors do with one that ends right after its start.
const AWAY: Duration = Duration::from_secs(1);

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Takes uploads and dispatches items.
    Api,
    /// Runs items.
    Worker,
    /// Counts outcomes and mends.
    Scheduler,
}

/// How many processes of each role.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) apis: usize,
    pub(crate) workers: usize,
    pub(crate) schedulers: usize,
}

/// The processes. They are killed with this value.
#[derive(Debug)]
pub(crate) struct Fleet {
    folder: PathBuf,
    root: PathBuf,
    env: Vec<(String, String)>,
    members: Vec<Member>,
    /// Where the APIs listen.
    pub(crate) apis: Vec<String>,
    /// Processes that were started in the place of one that had ended.
    pub(crate) restarts: u64,
}

#[derive(Debug)]
struct Member {
    role: Role,
    arguments: Vec<String>,
    process: Flotilla,
    started: Instant,
    /// It is meant to be down, so nobody starts it again.
    down: bool,
}

impl Fleet {
    /// Migrates, starts everything, and waits until it works.
    pub(crate) async fn start(rig: &Rig, size: Size, config: &str) -> Result<Self> {
        let folder = rig.make_folder("fleet")?;
        let file = folder.join("flotilla.toml");
        fs::write(&file, config).context("writing the configuration")?;
        let mut fleet = Self {
            folder,
            root: rig.folder().to_owned(),
            env: rig.env(),
            members: Vec::new(),
            apis: Vec::new(),
            restarts: 0,
        };
        let config = file.display().to_string();
        fleet.migrate(&config).await?;
        for _ in 0..size.apis {
            let listen = format!("127.0.0.1:{}", free_port());
            fleet.apis.push(format!("http://{listen}"));
            fleet.add(Role::Api, &["api", "--listen", &listen, "--config", &config]);
        }
        for _ in 0..size.schedulers {
            fleet.add(Role::Scheduler, &["scheduler", "--config", &config]);
        }
        for _ in 0..size.workers {
            fleet.add(
                Role::Worker,
                &["worker", "--concurrency", "12", "--config", &config],
            );
        }
        fleet.wait_until_ready(rig, size.workers as u64).await?;
        Ok(fleet)
    }

    async fn migrate(&self, config: &str) -> Result<()> {
        let command = self.command(
            &["migrate".to_owned(), "--config".to_owned(), config.to_owned()],
            &[],
        );
        let migrated = command.output(&self.folder, STARTUP).await;
        ensure!(
            migrated.status.success(),
            "migrate failed: {}{}",
            migrated.stdout,
            migrated.stderr
        );
        Ok(())
    }

    async fn wait_until_ready(&mut self, rig: &Rig, workers: u64) -> Result<()> {
        let http = crate::http_client();
        let management = rig.management()?;
        let deadline = Instant::now() + STARTUP;
        loop {
            let mut ready = management.consumers("flotilla.work.v2.default").await >= workers;
            for api in &self.apis {
                let answer = http.get(format!("{api}/readyz")).send().await;
                ready &= answer.is_ok_and(|answer| answer.status().is_success());
            }
            if ready {
                return Ok(());
            }
            if Instant::now() >= deadline {
                bail!("the fleet is not ready after {STARTUP:?}");
            }
            self.revive();
            sleep(STEP).await;
        }
    }

    fn add(&mut self, role: Role, arguments: &[&str]) {
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let process = self.command(&arguments, &[]).start(&self.folder);
        self.members.push(Member {
            role,
            arguments,
            process,
            started: Instant::now(),
            down: false,
        });
    }

    fn command(&self, arguments: &[String], env: &[(&str, String)]) -> FlotillaCommand {
        Flotilla::command(arguments.iter().cloned())
            .envs(self.env.iter().cloned())
            .envs(env.iter().cloned())
            .recorded_in(&self.root)
    }

    /// The members that have this role.
    pub(crate) fn of(&self, role: Role) -> Vec<usize> {
        let members = self.members.iter().enumerate();
        members
            .filter(|(_, member)| member.role == role)
            .map(|(number, _)| number)
            .collect()
    }

    /// All members.
    pub(crate) fn all(&self) -> Vec<usize> {
        (0..self.members.len()).collect()
    }

    /// Kills a member with SIGKILL; it stays down.
    pub(crate) fn kill(&mut self, number: usize) {
        self.members[number].down = true;
        self.members[number].process.kill();
    }

    /// Stops a member in good order; it stays down. True where it was done in time.
    pub(crate) async fn terminate(&mut self, number: usize) -> bool {
        let member = &mut self.members[number];
        member.down = true;
        if member.process.exited().is_none() {
            member.process.signal(Signal::TERM);
        }
        let deadline = Instant::now() + DRAIN;
        while Instant::now() < deadline {
            if member.process.exited().is_some() {
                return true;
            }
            sleep(STEP).await;
        }
        member.process.kill();
        false
    }

    /// Lets a member run again, with these variables on top.
    pub(crate) fn restart(&mut self, number: usize, env: &[(&str, String)]) {
        self.members[number].process.kill();
        let process = self
            .command(&self.members[number].arguments, env)
            .start(&self.folder);
        let member = &mut self.members[number];
        (member.process, member.started, member.down) = (process, Instant::now(), false);
        self.restarts += 1;
    }

    /// Freezes a member, or lets it continue.
    pub(crate) fn signal(&mut self, number: usize, signal: Signal) {
        let process = &mut self.members[number].process;
        if process.exited().is_none() {
            process.signal(signal);
        }
    }

    /// Whether a member has ended by itself.
    pub(crate) fn has_ended(&mut self, number: usize) -> bool {
        self.members[number].process.exited().is_some()
    }

    /// Starts whatever has ended without being meant to, as a supervisor would.
    pub(crate) fn revive(&mut self) {
        for number in self.all() {
            let member = &mut self.members[number];
            if !member.down && member.started.elapsed() >= AWAY && member.process.exited().is_some() {
                self.restart(number, &[]);
            }
        }
    }

    /// Everything runs and nothing is frozen.
    pub(crate) fn heal(&mut self) {
        for number in self.all() {
            self.signal(number, Signal::CONT);
            if self.members[number].down || self.has_ended(number) {
                self.restart(number, &[]);
            }
        }
    }

    /// Where the logs are.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}
