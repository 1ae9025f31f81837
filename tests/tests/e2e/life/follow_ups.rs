//! One more step, once all items of a batch have ended.

use flotilla_tests::eventually;
use serde_json::{Value, json};

use crate::engine::{Deployment, Engine, PATIENCE, on_both_engines};

on_both_engines!(a_word_count_is_reduced_to_one_sum);

const ITEMS: u32 = 1_000;

/// Each item counts the words of its text; the follow-up adds up what all of them answered.
async fn a_word_count_is_reduced_to_one_sum(engine: Engine) {
    // Lines of the results file, each with the output of an item.
    let add = "sed -n 's/.*\"output\":\\([0-9][0-9]*\\).*/\\1/p' \"$FLOTILLA_RESULTS\" | awk '{{ s += $1 }} END {{ print s }}'";
    let config = format!(
        "[job_types.words]\nhandler = {{ kind = \"exec\", shell = true, command = [\"printf '%s' {{text}} | wc -w\"] }}\n\
         [job_types.sum]\nhandler = {{ kind = \"exec\", shell = true, command = [{}] }}\n\
         [job_types.peek]\nhandler = {{ kind = \"exec\", shell = true, command = [\"echo \\\"${{FLOTILLA_RESULTS-none}}\\\"\"] }}\n",
        json!(add)
    );
    let deployment = Deployment::start(engine, &config).await;
    let client = deployment.client();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("texts.ndjson");
    let text = |n: u32| "word ".repeat((n % 7) as usize);
    let lines: String = (0..ITEMS)
        .map(|n| format!("{}\n", json!({"text": text(n)})))
        .collect();
    std::fs::write(&file, lines).unwrap();
    let expected: u32 = (0..ITEMS).map(|n| n % 7).sum();
    let name = file.display().to_string();
    let submit = ["submit", &name, "--job-type", "words", "--on-complete", "sum"];
    let (code, id, error) = deployment.cli(&submit).await;
    assert_eq!((code, &*error), (0, ""));
    let id = id.trim();
    client.result(id, PATIENCE).await;
    let result = eventually("the sum", PATIENCE, || async {
        let result = client.json(&format!("/v1/batches/{id}/result")).await;
        (result["on_complete"]["state"] == "completed").then_some(result)
    })
    .await;
    assert_eq!(result["on_complete"]["output"], expected, "{result}");
    let follow_up = result["on_complete"]["batch_id"].as_str().unwrap();
    let told = &client.items(follow_up).await[0]["input"];
    assert_eq!(
        (&told["batch_id"], &told["results"]["lines"]),
        (&json!(id), &json!(ITEMS))
    );
    let url = told["results"]["url"].as_str().unwrap();
    let text = client.get(url).await.text().await.unwrap();
    assert_eq!(text.len() as u64, told["results"]["bytes"].as_u64().unwrap());
    let (code, text, error) = deployment.cli(&["result", id, "--output", "table"]).await;
    assert_eq!((code, &*error), (0, ""));
    assert!(text.contains(&format!("completed: {expected}")), "{text}");
    let (_, text, _) = deployment.cli(&["get", id, "--output", "table"]).await;
    assert!(text.contains("sum, on complete"), "{text}");

    // Whoever only says that its item follows on a batch gets nothing of it.
    let forged: Vec<Value> = vec![told.clone()];
    let peek = client.create(json!({"job_type": "peek"}), forged).await;
    client.result(&peek, PATIENCE).await;
    assert_eq!(client.items(&peek).await[0]["output"], "none");
    deployment.end().await;
}
