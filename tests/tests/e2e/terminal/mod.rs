//! The program on a terminal, in pipes and in scripts.

mod exit_codes;
mod top;
mod watch;

use std::path::Path;
use std::time::Duration;

use flotilla_tests::Flotilla;
use flotilla_tests::process::FlotillaCommand;
use serde_json::{Value, json};

use crate::client::Client;

const PATIENCE: Duration = Duration::from_secs(60);

/// Few slots, so that batches take their time.
const SLOW: &str = "[worker]\nconcurrency = 4\n";

/// A command of the program against this server.
fn command(client: &Client, arguments: &[&str]) -> FlotillaCommand {
    Flotilla::command(arguments.iter().copied()).env("FLOTILLA_SERVER", client.server.clone())
}

/// Its exit code, standard output and standard error.
async fn run(client: &Client, folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = command(client, arguments).output(folder, PATIENCE).await;
    (output.status.code().unwrap_or(-1), output.stdout, output.stderr)
}

/// A batch of items that take `ms` each, four at a time wherever it runs.
async fn naps(client: &Client, name: &str, count: usize, ms: u64) -> String {
    let items = vec![json!({"ms": ms}); count];
    client
        .create(
            json!({"job_type": "sleep", "name": name, "concurrency": 4}),
            items,
        )
        .await
}

/// A batch of which every other item fails.
async fn broken(client: &Client, name: &str, count: usize) -> String {
    let item = |n| match n % 2 {
        0 => json!({"n": n}),
        _ => json!({"n": n, "fail": "no such thing", "permanent": true}),
    };
    let items: Vec<Value> = (0..count).map(item).collect();
    client
        .create(json!({"job_type": "sleep", "name": name}), items)
        .await
}
