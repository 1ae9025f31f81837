//! All items of a batch as one file.

use axum::body::Body;
use axum::http::Request;
use flotilla_api::Config;
use flotilla_core::message::Verdict;
use flotilla_core::outcome::{ItemError, ItemErrorKind, Output};
use flotilla_core::{BatchId, Json};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::harness::{Api, config};

/// Pages of a few items.
async fn api() -> Api {
    Api::with(Config {
        page_bytes: 150,
        ..config()
    })
    .await
}

/// Forty items of which some have ended.
async fn batch(api: &Api) -> String {
    let lines = (0..40).map(|n| format!("{{\"custom_id\": \"c{n}\", \"n\": {n}}}\n"));
    let id = api.batch_of("default", &lines.collect::<String>()).await;
    let batch: BatchId = id.parse().unwrap();
    api.dispatch(batch).await;
    for index in 0..20 {
        let verdict = if index % 4 == 3 {
            Verdict::Fail(ItemError::new(ItemErrorKind::Handler, "=no"))
        } else {
            let output = format!("{{\n  \"square\": {}\r\n}}", index * index);
            Verdict::Done(Output::Inline(Json::parse(output).unwrap()))
        };
        api.report(batch, index, 1, verdict).await;
    }
    id
}

async fn file(api: &Api, id: &str, query: &str) -> String {
    let answer = api.get(&format!("/v1/batches/{id}/download{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.text
}

#[tokio::test]
async fn every_item_is_a_line_in_input_order() {
    let api = api().await;
    let id = batch(&api).await;
    let answer = api.get(&format!("/v1/batches/{id}/download")).await;
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let name = format!("attachment; filename=\"{id}.ndjson\"");
    assert_eq!(answer.header("content-disposition"), Some(&*name));
    let lines: Vec<Value> = answer
        .text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 40);
    for (index, line) in lines.iter().enumerate() {
        let item = api.get(&format!("/v1/batches/{id}/items/{index}")).await.json;
        for (name, value) in line.as_object().unwrap() {
            assert_eq!(item[name], *value, "{name} of item {index}");
        }
    }
    assert_eq!(lines[5]["output"], json!({"square": 25}));
    assert_eq!(lines[39]["state"], "queued");
}

#[tokio::test]
async fn a_table_has_what_is_inside_of_items() {
    let api = api().await;
    let id = batch(&api).await;
    let answer = api.get(&format!("/v1/batches/{id}/download?format=csv")).await;
    assert_eq!(answer.header("content-type"), Some("text/csv; charset=utf-8"));
    let mut reader = csv::Reader::from_reader(answer.text.as_bytes());
    let columns = reader.headers().unwrap().clone();
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    let cell = |row: usize, name: &str| {
        let column = columns.iter().position(|column| column == name);
        &rows[row][column.unwrap_or_else(|| panic!("no column {name} in {columns:?}"))]
    };
    assert_eq!(rows.len(), 40);
    assert_eq!(
        (cell(4, "custom_id"), cell(4, "input.n"), cell(4, "output.square")),
        ("c4", "4", "16")
    );
    assert_eq!(
        (cell(7, "state"), cell(7, "error.kind"), cell(7, "error.message")),
        ("failed", "handler", "'=no")
    );
    assert_eq!((cell(39, "index"), cell(39, "output.square")), ("39", ""));
}

#[tokio::test]
async fn a_download_that_broke_goes_on() {
    let api = api().await;
    let id = batch(&api).await;
    for format in ["ndjson", "csv"] {
        let whole = file(&api, &id, &format!("?format={format}")).await;
        let rest = file(&api, &id, &format!("?format={format}&cursor=24")).await;
        let lines: Vec<&str> = whole.split_inclusive('\n').collect();
        assert_eq!(lines[lines.len() - 15..].concat(), rest, "{format}");
        let none = file(&api, &id, &format!("?format={format}&cursor=39")).await;
        assert_eq!(none, "", "{format}");
    }
}

#[tokio::test]
async fn only_items_in_a_state() {
    let api = api().await;
    let id = batch(&api).await;
    let failed = file(&api, &id, "?state=failed").await;
    let indexes: Vec<u64> = failed
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["index"]
                .as_u64()
                .unwrap()
        })
        .collect();
    assert_eq!(indexes, [3, 7, 11, 15, 19]);
    assert_eq!(file(&api, &id, "?state=waiting").await, "");
}

#[tokio::test]
async fn what_can_not_be_asked_for() {
    let api = api().await;
    let id = batch(&api).await;
    for (query, expected) in [
        ("?format=xlsx", "ndjson, csv or zip"),
        ("?cursor=x", "index of an item"),
        ("?format=zip&cursor=3", "does not go with `zip`"),
        ("?state=done", "name of a state"),
        ("?limit=7", "limit"),
    ] {
        let answer = api.get(&format!("/v1/batches/{id}/download{query}")).await;
        let problem = answer.problem(400, "invalid-parameter");
        assert!(problem.to_string().contains(expected), "{problem}");
    }
    api.get("/v1/batches/none/download")
        .await
        .problem(404, "unknown-batch");
}

/// A part must not look like the whole.
#[tokio::test]
async fn a_batch_that_goes_meanwhile_cuts_the_download() {
    let api = api().await;
    let id = batch(&api).await;
    let request = Request::get(format!("/v1/batches/{id}/download"));
    let request = request.body(Body::empty()).unwrap();
    let response = api.router.clone().oneshot(request).await.unwrap();
    let mut pieces = response.into_body().into_data_stream();
    assert!(!pieces.next().await.unwrap().unwrap().is_empty());
    let deleted = api
        .ask("DELETE", &format!("/v1/batches/{id}?force=true"), Value::Null)
        .await;
    assert!(deleted.status < 300, "{}", deleted.text);
    let mut ended = Ok(());
    while let Some(piece) = pieces.next().await {
        ended = piece.map(drop);
    }
    assert!(ended.is_err());
}
