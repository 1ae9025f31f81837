//! The public contract, read as a dashboard would: with plain commands, and `docs/redis.md` in hand.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use flotilla_core::BatchState;
use flotilla_core::ports::Progress;
use flotilla_core::ports::progress::KEEP_FINAL;
use flotilla_core::snapshot::Snapshot;
use flotilla_tests::Sandbox;
use flotilla_tests::conformance::progress::fixture::{SOON, at, ended, running, worker};
use futures_util::StreamExt;
use jiff::Timestamp;
use redis::AsyncCommands;
use tokio::time::timeout;

use super::document::{Document, Row};
use super::open;

type Hash = BTreeMap<String, String>;

/// Compares a hash with the table that describes it: the same fields, each of the type and with the value it should have.
fn compare(table: &[Row], hash: &Hash, expected: &[(&str, &str)]) {
    let documented: BTreeSet<_> = table.iter().map(|row| row["field"].as_str()).collect();
    let known: BTreeSet<_> = expected.iter().map(|(field, _)| *field).collect();
    let written: BTreeSet<_> = hash.keys().map(String::as_str).collect();
    assert_eq!(documented, known, "the document names what this test knows");
    assert_eq!(documented, written, "what is written is what the document names");
    for (field, value) in expected {
        assert_eq!(hash[*field], *value, "{field}");
    }
    for row in table {
        let (field, value) = (&row["field"], &hash[&row["field"]]);
        assert!(
            has_type(&row["type"], value),
            "{field} is {value:?}, not of the type {}",
            row["type"]
        );
    }
}

fn has_type(kind: &str, value: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    match kind {
        "integer" => digits(value),
        "decimal" => value
            .split_once('.')
            .map_or(digits(value), |(whole, part)| digits(whole) && digits(part)),
        "time" => value.ends_with('Z') && value.parse::<Timestamp>().is_ok(),
        "boolean" => ["true", "false"].contains(&value),
        "json" => serde_json::from_str::<serde_json::Value>(value).is_ok(),
        "text" => !value.is_empty(),
        other => panic!("the document uses an unknown type {other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_hash_of_a_batch_is_as_documented() {
    let (sandbox, document) = (Sandbox::new().await, Document::open());
    let (progress, mut redis) = (open(&sandbox.redis_url()), sandbox.redis().await);
    let mut snapshot = running();
    snapshot.completed_at = Some(at(3));
    progress.publish(std::slice::from_ref(&snapshot)).await.unwrap();
    let key = format!("{}:progress:{}", sandbox.name(), snapshot.batch);
    let hash: Hash = redis.hgetall(&key).await.unwrap();
    let table = document.table("Fields of a batch");
    let expected = [
        ("total", "1000"),
        ("pending", "400"),
        ("queued", "100"),
        ("processing", "50"),
        ("retrying", "20"),
        ("waiting", "5"),
        ("succeeded", "400"),
        ("failed", "15"),
        ("cancelled", "10"),
        ("percent", "42.5"),
        ("rate", "12.25"),
        ("eta_low_s", "40.1"),
        ("eta_high_s", "60"),
        ("state", "processing"),
        ("epoch", "3"),
        ("version", "7"),
        ("space", "default"),
        ("name", "nightly"),
        ("job_type", "thumbnail"),
        ("created_at", "2023-11-14T22:13:20.123456Z"),
        ("started_at", "2023-11-14T22:13:21.123456Z"),
        ("completed_at", "2023-11-14T22:13:23.123456Z"),
        ("updated_at", "2023-11-14T22:13:22.123456Z"),
    ];
    compare(&table, &hash, &expected);

    let bare = Snapshot {
        name: None,
        eta: None,
        started_at: None,
        completed_at: None,
        version: 8,
        ..snapshot
    };
    progress.publish(&[bare]).await.unwrap();
    let hash: Hash = redis.hgetall(&key).await.unwrap();
    for row in &table {
        let optional = row["absent"] != "never";
        assert_eq!(
            hash.contains_key(&row["field"]),
            !optional,
            "{}: {}",
            row["field"],
            row["absent"]
        );
    }
    sandbox.drop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_hash_of_a_worker_is_as_documented() {
    let (sandbox, document) = (Sandbox::new().await, Document::open());
    let (progress, mut redis) = (open(&sandbox.redis_url()), sandbox.redis().await);
    let status = worker("node-1-77-aa");
    progress
        .heartbeat(&status, Duration::from_secs(3600))
        .await
        .unwrap();
    let hash: Hash = redis
        .hgetall(format!("{}:worker:node-1-77-aa", sandbox.name()))
        .await
        .unwrap();
    let running = format!(r#"[{{"batch":"{}","items":3}}]"#, status.running[0].batch);
    let holding = format!(
        r#"[{{"batch":"{}","items":[[3,12],[41,41],[60,68]]}}]"#,
        status.running[0].batch
    );
    let doing = format!(
        r#"[{{"batch":"{}","index":41,"attempt":2,"job_type":"thumbnail \"large\"","since":"2023-11-14T22:13:24.123456Z"}}]"#,
        status.running[0].batch
    );
    let expected = [
        ("id", "node-1-77-aa"),
        ("pools", r#"["default","gpu"]"#),
        ("concurrency", "16"),
        ("running", running.as_str()),
        ("held", "20"),
        ("holding", holding.as_str()),
        ("doing", doing.as_str()),
        ("draining", "true"),
        ("started_at", "2023-11-14T22:13:20.123456Z"),
        ("seen_at", "2023-11-14T22:13:25.123456Z"),
        ("version", "0.1.0"),
    ];
    compare(&document.table("Fields of a worker"), &hash, &expected);
    sandbox.drop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_and_their_times_are_as_documented() {
    let (sandbox, document) = (Sandbox::new().await, Document::open());
    let (progress, mut redis) = (open(&sandbox.redis_url()), sandbox.redis().await);
    let (live, status) = (running(), worker("node-1-77-aa"));
    let done = ended(running(), BatchState::Failed);
    progress.publish(&[live.clone(), done.clone()]).await.unwrap();
    let gone = ended(running(), BatchState::Failed);
    progress.publish(std::slice::from_ref(&gone)).await.unwrap();
    progress.forget(&gone.space, gone.batch).await.unwrap();
    progress
        .heartbeat(&status, Duration::from_secs(3600))
        .await
        .unwrap();
    progress.incarnation().await.unwrap();
    progress.tell_to_drain(&status.id, true).await.unwrap();

    let mut named = BTreeSet::new();
    for row in document.table("Keys") {
        let key = row["key"].replacen("flotilla", sandbox.name(), 1);
        let key = key.replace("{space}", "default").replace("{id}", "node-1-77-aa");
        let batches = if key.contains(":gone:") {
            vec![gone.batch]
        } else {
            vec![live.batch, done.batch]
        };
        for batch in batches {
            let key = key.replace("{batch}", &batch.to_string());
            let kind: String = redis::cmd("TYPE")
                .arg(&key)
                .query_async(&mut redis)
                .await
                .unwrap();
            assert_eq!(kind, row["type"], "{key}");
            named.insert(key);
        }
        let seconds = KEEP_FINAL.as_secs();
        assert_eq!(
            row["kept for"].starts_with(&format!("{seconds} s")),
            key.contains("{batch}") || key.contains(":drain:"),
            "{row:?}"
        );
    }
    assert_eq!(
        named,
        sandbox.redis_keys().await.into_iter().collect(),
        "there are no other keys"
    );

    let key = |rest: String| format!("{}:{rest}", sandbox.name());
    let ttl: i64 = redis.ttl(key(format!("progress:{}", live.batch))).await.unwrap();
    assert_eq!(ttl, -1, "a batch that is not final does not expire");
    let ttl: i64 = redis.ttl(key(format!("progress:{}", done.batch))).await.unwrap();
    assert!((604_740..=604_800).contains(&ttl), "{ttl}");
    let ttl: i64 = redis.ttl(key(format!("gone:{}", gone.batch))).await.unwrap();
    assert!((604_740..=604_800).contains(&ttl), "{ttl}");
    let ttl: i64 = redis.ttl(key("worker:node-1-77-aa".into())).await.unwrap();
    assert!((3540..=3600).contains(&ttl), "{ttl}");
    let active: Vec<(String, i64)> = redis
        .zrange_withscores(key("space:default:active".into()), 0, -1)
        .await
        .unwrap();
    assert_eq!(active, [(live.batch.to_string(), 1_700_000_000_123)]);
    sandbox.drop_all().await;
}

/// A deployment is upgraded one process after the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hashes_of_the_version_before_are_read() {
    let sandbox = Sandbox::new().await;
    let (progress, mut redis) = (open(&sandbox.redis_url()), sandbox.redis().await);
    let (snapshot, mut status) = (running(), worker("node-1-77-aa"));
    progress.publish(std::slice::from_ref(&snapshot)).await.unwrap();
    progress
        .heartbeat(&status, Duration::from_secs(3600))
        .await
        .unwrap();
    let key = |rest: String| format!("{}:{rest}", sandbox.name());
    let cut: u32 = redis
        .hdel(key(format!("progress:{}", snapshot.batch)), "epoch")
        .await
        .unwrap();
    assert_eq!(cut, 1);
    let cut: u32 = redis
        .hdel(key("worker:node-1-77-aa".into()), &["doing", "draining"])
        .await
        .unwrap();
    assert_eq!(cut, 2);
    let early = Snapshot { epoch: 0, ..snapshot };
    assert_eq!(
        progress.steering(&[early.batch]).await.unwrap(),
        [Some(early.steering())]
    );
    assert_eq!(progress.read(&[early.batch]).await.unwrap(), [Some(early)]);
    status.doing.clear();
    status.draining = false;
    assert_eq!(progress.workers().await.unwrap(), [status]);
    sandbox.drop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_runs_again_no_longer_expires() {
    let sandbox = Sandbox::new().await;
    let (progress, mut redis) = (open(&sandbox.redis_url()), sandbox.redis().await);
    let done = ended(running(), BatchState::Completed);
    let again = Snapshot {
        state: BatchState::Processing,
        version: done.version + 1,
        ..done.clone()
    };
    progress.publish(&[done, again.clone()]).await.unwrap();
    let ttl: i64 = redis
        .ttl(format!("{}:progress:{}", sandbox.name(), again.batch))
        .await
        .unwrap();
    assert_eq!(ttl, -1);
    sandbox.drop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_as_documented() {
    let (sandbox, document) = (Sandbox::new().await, Document::open());
    let progress = open(&sandbox.redis_url());
    let client = redis::Client::open(sandbox.redis_url().split('?').next().unwrap()).unwrap();
    let mut listener = client.get_async_pubsub().await.unwrap();
    listener
        .subscribe(format!("{}:events:default", sandbox.name()))
        .await
        .unwrap();
    let snapshot = running();
    progress.publish(std::slice::from_ref(&snapshot)).await.unwrap();
    let message = timeout(SOON, listener.on_message().next())
        .await
        .unwrap()
        .unwrap();
    let event: serde_json::Value = serde_json::from_slice(message.get_payload_bytes()).unwrap();
    let expected = serde_json::json!({
        "batch": snapshot.batch, "space": "default", "version": 7, "state": "processing", "epoch": 3, "percent": 42.5
    });
    assert_eq!(event, expected);
    let table = document.table("Events");
    let documented: BTreeSet<_> = table.iter().map(|row| row["field"].as_str()).collect();
    let sent: BTreeSet<_> = event.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(documented, sent);
    for row in &table {
        let value = &event[&row["field"]];
        assert!(
            if row["type"] == "number" {
                value.is_number()
            } else {
                value.is_string()
            },
            "{row:?}"
        );
    }
    sandbox.drop_all().await;
}
