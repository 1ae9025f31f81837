//! An item that kills its worker does not take others with it.

use serde_json::json;
use tokio::time::Instant;

use crate::engine::{Deployment, Engine, PATIENCE, on_both_engines};

on_both_engines!(a_poison_item_ends_alone);

/// The command kills its parent, which is the worker: with `flotilla up` that is everything. A supervisor starts again
/// what has ended.
async fn a_poison_item_ends_alone(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("poison.sh");
    std::fs::write(
        &script,
        "if [ \"$1\" = true ]; then kill -9 $PPID; sleep 60; fi; sleep 0.02\n",
    )
    .unwrap();
    let config = format!(
        "[job_types.work]\nhandler = {{ kind = \"exec\", command = [\"sh\", \"{}\", \"{{poison}}\"] }}\n\
         max_attempts = 3\n",
        script.display()
    );
    let mut deployment = Deployment::start(engine, &config).await;
    let items = (0..501).map(|n| json!({"n": n, "poison": n == 250})).collect();
    let batch = deployment
        .client()
        .create(json!({"job_type": "work"}), items)
        .await;
    let began = Instant::now();
    let mut deaths = 0;
    let ended = loop {
        deaths += u32::from(deployment.revive());
        let (_, seen) = deployment
            .client()
            .try_request(&format!("/v1/batches/{batch}"))
            .await
            .unwrap_or_default();
        if seen["state"] == "completed" {
            break seen;
        }
        assert!(began.elapsed() < PATIENCE, "after {deaths} deaths: {seen}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    println!("{engine:?}: {deaths} deaths, {:?}", began.elapsed());
    assert_eq!(
        (&ended["counts"]["succeeded"], &ended["counts"]["failed"]),
        (&json!(500), &json!(1)),
        "{ended}"
    );
    assert!((2..=6).contains(&deaths), "{deaths} deaths");
    let dead = deployment.client().json("/v1/dead-letters").await;
    let dead = dead["dead_letters"].as_array().unwrap();
    assert_eq!(dead.len(), 1, "{dead:?}");
    assert_eq!(
        (&dead[0]["index"], &dead[0]["error"]["kind"]),
        (&json!(250), &json!("worker_lost"))
    );
    deployment.end().await;
}
