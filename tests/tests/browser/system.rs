//! What the browser looks at.

use flotilla_tests::Sandbox;
use serde_json::{Value, json};

use crate::client::Client;
use crate::fleet::{Fleet, Size};

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
        let sandbox = Sandbox::new().await;
        let fleet = Fleet::start(&sandbox, SIZE, JOB_TYPES, &[]).await;
        Self { sandbox, fleet }
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
