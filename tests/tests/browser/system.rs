//! What the browser looks at.

use flotilla_tests::{Flotilla, Sandbox, eventually};
use serde_json::{Value, json};

use crate::client::Client;
use crate::fleet::{Fleet, STARTUP, Size};

/// `fail` says how an item fails; a table has an empty text where it does not.
pub(crate) const JOB_TYPES: &str = r#"
[job_types.echo]
handler = { kind = "echo" }

[job_types.crawl]
handler = { kind = "sleep" }
timeout = "30s"
concurrency = 64
[job_types.crawl.schema]
type = "object"
required = ["ms"]
[job_types.crawl.schema.properties]
ms = { type = "integer", minimum = 0 }
fail = { type = ["string", "null"] }
"#;

const SIZE: Size = Size {
    apis: 1,
    workers: 2,
    schedulers: 1,
};

/// RabbitMQ, Redis and PostgreSQL; an API, two workers, a scheduler.
pub(crate) struct System {
    pub(crate) sandbox: Sandbox,
    fleet: Fleet,
}

impl System {
    pub(crate) async fn start() -> Self {
        Self::with(Sandbox::new().await, JOB_TYPES, &[]).await
    }

    /// With `config` as `flotilla.toml` and `env` on top.
    pub(crate) async fn with(sandbox: Sandbox, config: &str, env: &[(&str, String)]) -> Self {
        let fleet = Fleet::start(&sandbox, SIZE, config, env).await;
        Self { sandbox, fleet }
    }

    /// One more worker, started with `flotilla {arguments}`, as soon as the API lists it as one of `pool`.
    pub(crate) async fn hire(&self, arguments: &[&str], pool: &str) -> Flotilla {
        let config = self.sandbox.folder().join("flotilla.toml");
        let worker = Flotilla::command(arguments.iter().copied())
            .arg("--config")
            .arg(config.display().to_string())
            .envs(self.sandbox.env())
            .start(self.sandbox.folder());
        eventually("the worker to say hello", STARTUP, || async {
            let listed = self.client().json("/v1/workers").await;
            let workers = listed["workers"].as_array()?;
            workers
                .iter()
                .any(|worker| worker["pools"] == json!([pool]))
                .then_some(())
        })
        .await;
        worker
    }

    pub(crate) fn client(&self) -> &Client {
        self.fleet.client()
    }

    pub(crate) async fn end(self) {
        drop(self.fleet);
        self.sandbox.drop_all().await;
    }
}

/// Items that take `ms`; every tenth one fails.
pub(crate) fn crawls(count: u32, ms: u32) -> Vec<Value> {
    let item = |index: u32| match index % 10 {
        3 => json!({"ms": ms, "fail": format!("host {index} does not answer")}),
        _ => json!({"ms": ms}),
    };
    (0..count).map(item).collect()
}

/// The same as a table.
pub(crate) fn table(count: u32, ms: u32) -> String {
    let row = |index: u32| match index % 10 {
        3 => format!("{ms},host {index} does not answer\n"),
        _ => format!("{ms},\n"),
    };
    let rows: String = (0..count).map(row).collect();
    format!("ms,fail\n{rows}")
}
