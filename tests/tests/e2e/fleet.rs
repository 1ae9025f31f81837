//! Fleets of real processes.

use std::path::Path;
use std::time::Duration;

use flotilla_tests::{Flotilla, Sandbox, eventually, free_port};

use crate::client::Client;

/// How long a process may take to become ready.
pub(crate) const STARTUP: Duration = Duration::from_secs(60);

/// The distributed engine on the sandbox's servers.
pub(crate) struct Fleet {
    pub(crate) apis: Vec<(Client, Flotilla)>,
    pub(crate) workers: Vec<Flotilla>,
    pub(crate) schedulers: Vec<Flotilla>,
}

/// How many processes of each role.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) apis: usize,
    pub(crate) workers: usize,
    pub(crate) schedulers: usize,
}

impl Fleet {
    /// Migrates and starts everything, with `config` as `flotilla.toml` and `env` on top.
    pub(crate) async fn start(sandbox: &Sandbox, size: Size, config: &str, env: &[(&str, String)]) -> Self {
        let file = sandbox.folder().join("flotilla.toml");
        std::fs::write(&file, config).expect("the configuration can be written");
        let command = |arguments: &[&str]| {
            let config = file.display().to_string();
            let all = arguments
                .iter()
                .map(|&argument| argument.to_owned())
                .chain(["--config".into(), config]);
            Flotilla::command(all)
                .envs(sandbox.env())
                .envs(env.iter().cloned())
        };
        let migrated = command(&["migrate"]).output(sandbox.folder(), STARTUP).await;
        assert!(
            migrated.status.success(),
            "{}{}",
            migrated.stdout,
            migrated.stderr
        );

        let start = |arguments: &[&str]| command(arguments).start(sandbox.folder());
        let apis = (0..size.apis).map(|_| {
            let listen = format!("127.0.0.1:{}", free_port());
            (
                Client::new(format!("http://{listen}")),
                start(&["api", "--listen", &listen]),
            )
        });
        let fleet = Self {
            apis: apis.collect(),
            workers: (0..size.workers)
                .map(|_| start(&["worker", "--concurrency", "16"]))
                .collect(),
            schedulers: (0..size.schedulers).map(|_| start(&["scheduler"])).collect(),
        };
        for (client, _) in &fleet.apis {
            ready(client).await;
        }
        let workers = size.workers as u32;
        let queue = "flotilla.work.v2.default";
        eventually("workers to consume", STARTUP, || async {
            let queue = sandbox.management().queue(queue).await?;
            (queue["consumers"].as_u64()? >= u64::from(workers)).then_some(())
        })
        .await;
        fleet
    }

    /// Starts a worker in the place of each one that has ended. Answers whether there was any.
    pub(crate) fn revive_workers(&mut self, sandbox: &Sandbox) -> bool {
        let file = sandbox.folder().join("flotilla.toml").display().to_string();
        let mut revived = false;
        for worker in &mut self.workers {
            if worker.exited().is_some() {
                *worker = Flotilla::command(["worker", "--concurrency", "16", "--config", &file])
                    .envs(sandbox.env())
                    .start(sandbox.folder());
                revived = true;
            }
        }
        revived
    }

    pub(crate) fn client(&self) -> &Client {
        &self.apis[0].0
    }
}

/// `flotilla up` with the embedded engine and its data in `folder`, ready.
pub(crate) async fn up(folder: &Path, config: &str, env: &[(&str, String)]) -> (Client, Flotilla) {
    let (client, process) = start_up(folder, config, env);
    ready(&client).await;
    (client, process)
}

/// The same, as soon as its process is there: for what may end before it is ready.
pub(crate) fn start_up(folder: &Path, config: &str, env: &[(&str, String)]) -> (Client, Flotilla) {
    let listen = format!("127.0.0.1:{}", free_port());
    let file = folder.join("flotilla.toml");
    std::fs::write(&file, config).expect("the configuration can be written");
    let data = folder.join("data").display().to_string();
    let arguments = [
        "up",
        "--listen",
        &listen,
        "--data",
        &data,
        "--config",
        &file.display().to_string(),
    ];
    let process = Flotilla::command(arguments)
        .envs(env.iter().cloned())
        .start(folder);
    (Client::new(format!("http://{listen}")), process)
}

/// Waits until the API says that it is ready.
pub(crate) async fn ready(client: &Client) {
    let http = flotilla_tests::http_client();
    let url = format!("{}/readyz", client.server);
    eventually("the API to be ready", STARTUP, || async {
        let answer = http.get(&url).send().await.ok()?;
        answer.status().is_success().then_some(())
    })
    .await;
}
