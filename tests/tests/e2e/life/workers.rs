//! What workers say, and how they leave.

use std::time::Duration;

use flotilla_tests::{Signal, eventually};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::backend::{Backend, Mode};
use crate::engine::{Deployment, Engine, PATIENCE, on_both_engines};

on_both_engines!(
    workers_say_what_they_do,
    a_drain_finishes_what_runs_and_a_second_signal_does_not_wait,
    workers_drain_and_work_again_as_they_are_told,
    a_job_type_is_capped_per_worker,
    a_command_has_a_ceiling_of_memory,
);

fn items(count: u32) -> Vec<Value> {
    (0..count).map(|n| json!({"n": n})).collect()
}

async fn workers_say_what_they_do(engine: Engine) {
    let backend = Backend::start().await;
    let deployment = Deployment::start(engine, &backend.job_type("work", "")).await;
    let client = deployment.client();
    backend.set(Mode::Hold);
    let batch = client.create(json!({"job_type": "work"}), items(5)).await;
    let doing = eventually("five items to be shown", PATIENCE, || async {
        let workers = client.json("/v1/workers").await;
        let doing: Vec<Value> = workers["workers"]
            .as_array()?
            .iter()
            .flat_map(|worker| worker["doing"].as_array().cloned().unwrap_or_default())
            .collect();
        (doing.len() == 5).then_some(doing)
    })
    .await;
    for one in &doing {
        assert_eq!(
            (&one["batch_id"], &one["job_type"]),
            (&json!(batch), &json!("work")),
            "{one}"
        );
    }
    let elsewhere = client.json("/v1/workers?space=other").await;
    assert!(
        !elsewhere.to_string().contains(&batch),
        "another space's batch is shown"
    );
    let (code, out, err) = deployment.cli(&["workers"]).await;
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("default"), "{out}");
    backend.set(Mode::Answer);
    client.result(&batch, PATIENCE).await;
    deployment.end().await;
}

async fn a_drain_finishes_what_runs_and_a_second_signal_does_not_wait(engine: Engine) {
    let backend = Backend::start().await;
    let mut deployment = Deployment::start(engine, &backend.job_type("work", "")).await;
    // Only where every slot is taken does the worker that is told to stop surely have something to finish.
    let slots = deployment.slots();
    let full = || async { (backend.running() == slots).then_some(()) };
    backend.set(Mode::Hold);
    let job = json!({"job_type": "work"});
    let first = deployment.client().create(job.clone(), items(200)).await;
    eventually("every slot to be taken", PATIENCE, full).await;
    // One signal: what runs finishes, nothing is interrupted.
    deployment.worker().signal(Signal::TERM);
    deployment
        .worker()
        .wait_for_log("draining", Duration::from_secs(10))
        .await;
    backend.set(Mode::Answer);
    let status = deployment.worker().wait(PATIENCE).await;
    assert!(status.success(), "{status}");
    assert_eq!(backend.dropped(), 0);
    deployment.revive();
    deployment.ready().await;
    deployment.client().result(&first, PATIENCE).await;

    // Two signals: what runs is given back, and runs elsewhere.
    backend.set(Mode::Hold);
    let second = deployment.client().create(job, items(200)).await;
    eventually("every slot to be taken", PATIENCE, full).await;
    deployment.worker().signal(Signal::TERM);
    deployment
        .worker()
        .wait_for_log("draining", Duration::from_secs(10))
        .await;
    let asked = Instant::now();
    deployment.worker().signal(Signal::TERM);
    deployment.worker().wait(PATIENCE).await;
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    deployment.revive();
    deployment.ready().await;
    backend.set(Mode::Answer);
    let result = deployment.client().result(&second, PATIENCE).await;
    assert_eq!(result["result_summary"]["succeeded"], 200, "{result}");
    deployment.end().await;
}

/// Workers take more than they run. While what they run takes long, the rest goes to one that has just come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_comes_late_gets_what_waits_behind_long_items() {
    let backend = Backend::start().await;
    let mut deployment = Deployment::start(Engine::Distributed, &backend.job_type("work", "")).await;
    let slots = deployment.slots();
    backend.set(Mode::Hold);
    deployment.worker().kill();
    // Two for each slot: so much is sent out before anything is known of how long items take.
    let total = 2 * (slots - 16);
    let client = deployment.client();
    let batch = client.create(json!({"job_type": "work"}), items(total)).await;
    let running = async |what: &str, most: u32| {
        eventually(what, PATIENCE, || async {
            (backend.running() == most).then_some(())
        })
        .await;
    };
    running("the others to be busy", slots - 16).await;
    client
        .until(&batch, "everything to be sent out", PATIENCE, |batch| {
            batch["counts"]["pending"] == 0
        })
        .await;
    deployment.revive();
    running("the new one to be busy, too", slots).await;
    backend.set(Mode::Answer);
    let result = deployment.client().result(&batch, PATIENCE).await;
    assert_eq!(result["result_summary"]["succeeded"], total, "{result}");
    assert_eq!(backend.count(), total as usize, "nothing ran twice");
    deployment.end().await;
}

async fn workers_drain_and_work_again_as_they_are_told(engine: Engine) {
    let backend = Backend::start().await;
    let deployment = Deployment::start(engine, &backend.job_type("work", "")).await;
    let (client, slots) = (deployment.client(), deployment.slots());
    backend.set(Mode::Hold);
    let batch = client.create(json!({"job_type": "work"}), items(200)).await;
    eventually("every slot to be taken", PATIENCE, || async {
        (backend.running() == slots).then_some(())
    })
    .await;
    let listed = client.json("/v1/workers").await;
    let listed = listed["workers"].as_array().unwrap().iter();
    let workers: Vec<String> = listed
        .map(|worker| worker["id"].as_str().unwrap().to_owned())
        .collect();
    for worker in &workers {
        let (code, out, err) = deployment.cli(&["workers", "drain", worker]).await;
        assert_eq!(code, 0, "{out}{err}");
    }
    // What runs is finished, and nothing is begun.
    let all = async |draining: bool, held: bool| {
        eventually("the workers to be as they are told", PATIENCE, || async {
            let now = client.json("/v1/workers").await;
            let fits = |worker: &Value| worker["draining"] == draining && (held || worker["held"] == 0);
            now["workers"].as_array()?.iter().all(fits).then_some(())
        })
        .await;
    };
    all(true, true).await;
    backend.set(Mode::Answer);
    all(true, false).await;
    let (code, out, _) = deployment.cli(&["workers", "--output", "table"]).await;
    assert!(code == 0 && out.contains("drained"), "{out}");
    let settled = client
        .until(&batch, "what ran to be counted", PATIENCE, |batch| {
            batch["counts"]["succeeded"] == slots
        })
        .await;
    assert_eq!(settled["state"], "processing");
    assert!(client.reasons(&batch).await.contains(&"no_worker".to_owned()));
    assert_eq!((backend.count(), backend.dropped()), (slots as usize, 0));

    for worker in &workers {
        let (code, out, err) = deployment.cli(&["workers", "resume", worker]).await;
        assert_eq!(code, 0, "{out}{err}");
    }
    let result = client.result(&batch, PATIENCE).await;
    assert_eq!(result["result_summary"]["succeeded"], 200, "{result}");
    assert_eq!(backend.count(), 200, "nothing ran twice");
    all(false, true).await;
    let (code, _, err) = deployment.cli(&["workers", "drain", "nobody"]).await;
    assert!(code != 0 && err.contains("nobody"), "{err}");
    deployment.end().await;
}

async fn a_job_type_is_capped_per_worker(engine: Engine) {
    let backend = Backend::start().await;
    let config = [
        backend.job_type("heavy", "worker_concurrency = 2"),
        backend.job_type("light", ""),
    ];
    let deployment = Deployment::start(engine, &config.concat()).await;
    let client = deployment.client();
    let tagged = |tag: &'static str| (0..100).map(move |_| json!({"tag": tag, "ms": 20})).collect();
    let heavy = client.create(json!({"job_type": "heavy"}), tagged("heavy")).await;
    let light = client.create(json!({"job_type": "light"}), tagged("light")).await;
    client.result(&light, PATIENCE).await;
    client.result(&heavy, PATIENCE).await;
    let workers = if engine == Engine::Embedded { 1 } else { 4 };
    assert!(backend.most("heavy") <= 2 * workers, "{}", backend.most("heavy"));
    assert!(backend.most("light") > 2 * workers, "{}", backend.most("light"));
    deployment.end().await;
}

async fn a_command_has_a_ceiling_of_memory(engine: Engine) {
    let program = "import sys; block = bytearray(int(sys.argv[1]) << 20); print(len(block))";
    let config = format!(
        "[job_types.hungry]\nhandler = {{ kind = \"exec\", memory = \"256MiB\", \
         command = [\"python3\", \"-c\", '{program}', \"{{mib}}\"] }}\n"
    );
    let deployment = Deployment::start(engine, &config).await;
    let client = deployment.client();
    let batch = client
        .create(
            json!({"job_type": "hungry"}),
            vec![json!({"mib": 16}), json!({"mib": 1_024})],
        )
        .await;
    client.result(&batch, PATIENCE).await;
    let items = client.items(&batch).await;
    assert_eq!(items[0]["state"], "succeeded", "{}", items[0]);
    assert_eq!(items[1]["state"], "failed", "{}", items[1]);
    let message = items[1]["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("256"),
        "it says which ceiling there is: {message}"
    );
    deployment.end().await;
}
