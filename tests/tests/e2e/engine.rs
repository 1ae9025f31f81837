//! One deployment for tests that must hold on both engines.

use std::time::Duration;

use flotilla_tests::{Flotilla, Sandbox};
use tempfile::TempDir;

use crate::client::Client;
use crate::fleet::{Fleet, Size, ready, start_up, up};

/// How long anything may take that is not measured.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// How many items a worker runs at once.
const SLOTS: u32 = 16;

/// How many workers a fleet has.
const WORKERS: u32 = 4;

/// Which engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    /// `flotilla up`, everything in one process.
    Embedded,
    /// RabbitMQ, Redis and PostgreSQL; an API, four workers of 16 slots, two schedulers.
    Distributed,
}

/// Runs each case on both engines: a module with a test of that name for each.
macro_rules! on_both_engines {
    ($($case:ident),+ $(,)?) => {
        mod embedded {
            use crate::engine::Engine;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case(Engine::Embedded).await;
            })+
        }
        mod distributed {
            use crate::engine::Engine;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case(Engine::Distributed).await;
            })+
        }
    };
}
pub(crate) use on_both_engines;

/// A deployment that runs.
pub(crate) struct Deployment {
    config: String,
    processes: Processes,
    /// The servers of the distributed engine.
    pub(crate) sandbox: Option<Sandbox>,
    folder: TempDir,
}

enum Processes {
    Up(Client, Flotilla),
    Fleet(Fleet),
}

impl Deployment {
    /// Starts it with `config` as the rest of `flotilla.toml`. 16 items at once per worker.
    pub(crate) async fn start(engine: Engine, config: &str) -> Self {
        let config = format!("{config}\n[worker]\nconcurrency = {SLOTS}\n");
        let folder = tempfile::tempdir().expect("a folder can be made");
        let sandbox = match engine {
            Engine::Embedded => None,
            Engine::Distributed => Some(Sandbox::new().await),
        };
        let processes = Processes::start(sandbox.as_ref(), &folder, &config).await;
        Self {
            config,
            processes,
            sandbox,
            folder,
        }
    }

    /// A client of its API.
    pub(crate) fn client(&self) -> &Client {
        match &self.processes {
            Processes::Up(client, _) => client,
            Processes::Fleet(fleet) => fleet.client(),
        }
    }

    /// The process that runs items: one of them, of a fleet.
    pub(crate) fn worker(&mut self) -> &mut Flotilla {
        match &mut self.processes {
            Processes::Up(_, process) => process,
            Processes::Fleet(fleet) => &mut fleet.workers[0],
        }
    }

    /// How many items can run at once.
    pub(crate) fn slots(&self) -> u32 {
        match &self.processes {
            Processes::Up(..) => SLOTS,
            Processes::Fleet(_) => SLOTS * WORKERS,
        }
    }

    /// Kills every process with SIGKILL and starts the same ones again; the servers stay.
    pub(crate) async fn crash(&mut self) {
        match &mut self.processes {
            Processes::Up(_, process) => process.kill(),
            Processes::Fleet(fleet) => {
                let all = fleet.apis.iter_mut().map(|(_, api)| api);
                all.chain(&mut fleet.workers)
                    .chain(&mut fleet.schedulers)
                    .for_each(Flotilla::kill);
            }
        }
        self.processes = Processes::start(self.sandbox.as_ref(), &self.folder, &self.config).await;
    }

    /// Starts whatever has ended, as a supervisor would, and does not wait for it. Answers whether there was anything.
    pub(crate) fn revive(&mut self) -> bool {
        match &mut self.processes {
            Processes::Up(_, process) => {
                if process.exited().is_none() {
                    return false;
                }
                let (client, process) = start_up(self.folder.path(), &self.config, &[]);
                self.processes = Processes::Up(client, process);
                true
            }
            Processes::Fleet(fleet) => {
                let sandbox = self.sandbox.as_ref().expect("a fleet has servers");
                fleet.revive_workers(sandbox)
            }
        }
    }

    /// Waits until its API answers.
    pub(crate) async fn ready(&self) {
        ready(self.client()).await;
    }

    /// A command of the program against this deployment: its exit code, standard output and standard error.
    pub(crate) async fn cli(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = Flotilla::command(arguments.iter().copied())
            .env("FLOTILLA_SERVER", self.client().server.clone())
            .output(self.folder.path(), PATIENCE)
            .await;
        let code = output.status.code().unwrap_or(-1);
        (code, output.stdout, output.stderr)
    }

    /// Removes what is on the servers, and fails where that is impossible.
    pub(crate) async fn end(self) {
        drop(self.processes);
        if let Some(sandbox) = self.sandbox {
            sandbox.drop_all().await;
        }
    }
}

impl Processes {
    async fn start(sandbox: Option<&Sandbox>, folder: &TempDir, config: &str) -> Self {
        match sandbox {
            None => {
                let (client, process) = up(folder.path(), config, &[]).await;
                Self::Up(client, process)
            }
            Some(sandbox) => {
                let size = Size {
                    apis: 1,
                    workers: WORKERS as usize,
                    schedulers: 2,
                };
                Self::Fleet(Fleet::start(sandbox, size, config, &[]).await)
            }
        }
    }
}
