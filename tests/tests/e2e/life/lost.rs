//! Queues that somebody purges or deletes, with everything in them.

use flotilla_tests::eventually;
use serde_json::json;
use tokio::time::Instant;

use crate::backend::{Backend, Mode};
use crate::engine::{Deployment, Engine, PATIENCE};

const WORK: &str = "flotilla.work.v2.default";

/// While workers hold some of its items, the queue goes with the others: they are dispatched again, and nothing that a
/// worker holds is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_deleted_queue_held_is_dispatched_again() {
    let backend = Backend::start().await;
    // Of items that may take so long, workers take no more than they run.
    let job_type = backend.job_type("work", "timeout = \"25m\"");
    let deployment = Deployment::start(Engine::Distributed, &job_type).await;
    let client = deployment.client();
    let management = deployment.sandbox.as_ref().expect("has servers").management();
    backend.set(Mode::Hold);
    let items = 600;
    let batch = client
        .create(
            json!({"job_type": "work"}),
            (0..items).map(|n| json!({"n": n})).collect(),
        )
        .await;
    eventually(
        "the workers to be busy and the queue not empty",
        PATIENCE,
        || async {
            let queue = management.queue(WORK).await?;
            (backend.running() == 64 && queue["messages_ready"].as_u64()? > 0).then_some(())
        },
    )
    .await;
    management.delete_queue(WORK).await;
    let began = Instant::now();
    eventually("the queue to be there again", PATIENCE, || async {
        management.queue(WORK).await.map(|_| ())
    })
    .await;
    // Nothing is answered meanwhile, so nothing but the loss can move an item.
    let audit = format!("/v1/batches/{batch}/audit");
    eventually("what was lost to be found", PATIENCE, || async {
        let found = client.json(&audit).await["rows"]["resent"].as_u64()?;
        (found > 0).then_some(())
    })
    .await;
    println!("found {:?} after the deletion", began.elapsed());
    backend.set(Mode::Answer);
    let ended = client.result(&batch, PATIENCE).await;
    println!("whole {:?} after the deletion", began.elapsed());
    assert_eq!(ended["result_summary"]["succeeded"], items, "{ended}");
    let attempts = backend.attempts();
    assert_eq!(attempts.len(), items as usize);
    let twice = attempts.values().filter(|calls| calls.len() > 1).count();
    assert_eq!(twice, 0, "what a worker held was not lost");
    let audit = client.json(&audit).await;
    assert_eq!(
        (&audit["adds_up"], &audit["findings"]),
        (&json!(true), &json!([]))
    );
    deployment.end().await;
}
