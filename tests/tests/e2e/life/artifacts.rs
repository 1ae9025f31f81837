//! Files that come of items: from a command to whoever downloads them.

use serde_json::json;

use crate::engine::{Deployment, Engine, PATIENCE, on_both_engines};

on_both_engines!(what_a_command_writes_is_downloaded);

const CONFIG: &str = r#"
[job_types.files]
handler = { kind = "exec", shell = true, artifacts = true, command = ["cd \"$FLOTILLA_ARTIFACTS\" && mkdir sub && seq {n} > sub/list.txt && head -c {n} /dev/zero > zeros.bin"] }
"#;

async fn what_a_command_writes_is_downloaded(engine: Engine) {
    let deployment = Deployment::start(engine, CONFIG).await;
    let client = deployment.client();
    let sizes = [1_usize, 1_000, 1_000_000];
    let items = sizes.iter().map(|n| json!({ "n": n })).collect();
    let batch = client.create(json!({"job_type": "files"}), items).await;
    let result = client.result(&batch, PATIENCE).await;
    assert_eq!(result["result_summary"]["succeeded"], 3, "{result}");
    for (item, size) in client.items(&batch).await.iter().zip(sizes) {
        let list: String = (1..=size).map(|n| format!("{n}\n")).collect();
        let expected = [("sub/list.txt", list.into_bytes()), ("zeros.bin", vec![0; size])];
        let artifacts = item["artifacts"].as_array().expect("the item has files");
        assert_eq!(artifacts.len(), 2, "{item}");
        for (artifact, (name, bytes)) in artifacts.iter().zip(expected) {
            assert_eq!(
                (&artifact["name"], &artifact["bytes"]),
                (&json!(name), &json!(bytes.len()))
            );
            let answer = client.get(artifact["url"].as_str().unwrap()).await;
            assert_eq!(answer.status(), 200);
            let got = answer.bytes().await.unwrap();
            assert!(got == bytes, "{name} of {size}");
        }
    }
    deployment.end().await;
}
