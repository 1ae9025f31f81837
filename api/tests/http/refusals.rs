//! Uploads that are refused: the answer says why and where, and nothing is stored.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use flotilla_api::Config;

use crate::harness::{Api, CSV, JSON, NDJSON, config};

struct Case {
    query: &'static str,
    content_type: &'static str,
    body: String,
    status: u16,
    slug: &'static str,
    /// Members of the document.
    members: Value,
    /// Part of the detail.
    detail: &'static str,
}

fn case(
    (query, content_type, body): (&'static str, &'static str, impl Into<String>),
    (status, slug): (u16, &'static str),
    members: Value,
    detail: &'static str,
) -> Case {
    let body = body.into();
    Case {
        query,
        content_type,
        body,
        status,
        slug,
        members,
        detail,
    }
}

async fn check(api: &Api, cases: Vec<Case>) {
    for case in cases {
        let answer = api.post(case.query, case.content_type, case.body.clone()).await;
        let detail = answer.problem(case.status, case.slug);
        assert!(
            detail.contains(case.detail),
            "{detail:?} should contain {:?}",
            case.detail
        );
        for (name, value) in case.members.as_object().unwrap() {
            assert_eq!(&answer.json[name], value, "{name} of {}", answer.text);
        }
        assert_eq!(api.rows(), (0, 0), "after {}", answer.text);
    }
}

const Q: &str = "?job_type=echo";

#[tokio::test]
async fn bodies_that_are_not_what_they_should_be() {
    // Five items are three chunks: what is wrong comes after rows were stored.
    let bad = (400, "invalid-json");
    check(
        &Api::new().await,
        vec![
            case(
                (Q, NDJSON, "1\n2\n3\n4\n\n{\"a\" 1}\n"),
                bad,
                json!({"item": 4, "line": 6, "column": 6}),
                "expected `:`",
            ),
            case(
                (Q, NDJSON, "1\n2\n3 3\n"),
                bad,
                json!({"item": 2, "line": 3}),
                "one JSON value",
            ),
            case(
                (Q, NDJSON, "1\n2\n3\n4\n{\"a\":"),
                bad,
                json!({"item": 4, "line": 5}),
                "EOF",
            ),
            case(
                ("", JSON, "{\"job_type\":\"echo\",\"items\":[1,2,3,\n4,x]}"),
                bad,
                json!({"item": 4, "line": 2, "column": 3}),
                "item 4",
            ),
            case(
                ("", JSON, "{\"job_type\":\"echo\",\"items\":[1,2,3]} {"),
                bad,
                json!({"line": 1}),
                "trailing",
            ),
            case(
                ("", JSON, "{\"job_type\":\"echo\",\"items\":[1,2,3,4"),
                (400, "truncated-body"),
                json!({"item": 4, "line": 1}),
                "EOF",
            ),
            case(
                ("", JSON, "{\"job_type\":\"echo\",\"items\":[1,2,3]"),
                (400, "truncated-body"),
                json!({"line": 1}),
                "EOF",
            ),
            case(("", JSON, ""), (400, "truncated-body"), json!({}), "EOF"),
        ],
    )
    .await;
}

#[tokio::test]
async fn rows_that_are_not_what_they_should_be() {
    check(
        &Api::new().await,
        vec![
            case(
                (Q, CSV, "a,b\n1,2\n3,4\n5\n"),
                (400, "invalid-csv"),
                json!({"item": 2, "line": 4, "expected": 2, "found": 1}),
                "1 fields",
            ),
            case(
                (Q, CSV, "a,b\n1,2\n3,4\n\n5,6,7\n"),
                (400, "invalid-csv"),
                json!({"item": 2, "line": 5, "found": 3}),
                "3 fields",
            ),
            case(
                (Q, CSV, "a,b,a\n1,2,3\n"),
                (400, "invalid-csv"),
                json!({"line": 1, "column": 3}),
                "same name",
            ),
            case((Q, CSV, ""), (400, "invalid-csv"), json!({"line": 1}), "empty"),
        ],
    )
    .await;
}

#[tokio::test]
async fn custom_ids_that_can_not_be_kept() {
    check(
        &Api::new().await,
        vec![
            case(
                (Q, NDJSON, "1\n2\n{\"custom_id\":\"a\\u0000\"}\n"),
                (400, "invalid-item"),
                json!({"item": 2, "line": 3}),
                "zero byte",
            ),
            case(
                (
                    Q,
                    NDJSON,
                    format!("1\n2\n{{\"custom_id\":\"{}\"}}\n", "x".repeat(600)),
                ),
                (400, "invalid-item"),
                json!({"item": 2}),
                "512",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn text_that_is_not_utf_8() {
    let api = Api::new().await;
    for (query, content_type, body, slug, item, line) in [
        (Q, NDJSON, &b"1\n2\n3\n\"\xff\"\n"[..], "invalid-json", 3, 4),
        (
            "",
            JSON,
            b"{\"job_type\":\"echo\",\"items\":[1,2,3,\n\"\xff\"]}",
            "invalid-json",
            3,
            2,
        ),
        (Q, CSV, b"a,b\n1,2\n3,4\n5,\xff\n", "invalid-csv", 2, 4),
    ] {
        let answer = api.post(query, content_type, body.to_vec()).await;
        answer.problem(400, slug);
        assert_eq!(
            (&answer.json["item"], &answer.json["line"]),
            (&json!(item), &json!(line)),
            "{}",
            answer.text
        );
        assert_eq!(api.rows(), (0, 0));
    }
}

#[tokio::test]
async fn options_that_make_no_sense() {
    let known = json!({"known": ["echo", "sleep"], "field": "job_type"});
    check(
        &Api::new().await,
        vec![
            case(
                ("?job_type=ehco", NDJSON, "1\n"),
                (400, "unknown-job-type"),
                known.clone(),
                "echo, sleep",
            ),
            case(
                ("", JSON, r#"{"job_type":"ehco","items":[1,2,3]}"#),
                (400, "unknown-job-type"),
                known.clone(),
                "\"ehco\"",
            ),
            case(
                ("", JSON, r#"{"items":[1,2,3],"job_type":"ehco"}"#),
                (400, "unknown-job-type"),
                known,
                "\"ehco\"",
            ),
            case(
                ("", NDJSON, "1\n"),
                (400, "missing-field"),
                json!({"field": "job_type"}),
                "`job_type` is missing",
            ),
            case(
                ("", JSON, r#"{"items":[1,2,3]}"#),
                (400, "missing-field"),
                json!({"field": "job_type"}),
                "`job_type` is missing",
            ),
            case(
                ("", JSON, r#"{"job_type":"echo"}"#),
                (400, "missing-field"),
                json!({"field": "items"}),
                "`items` is missing",
            ),
            case(
                ("?job_type=echo&prio=3", NDJSON, "1\n"),
                (400, "unknown-field"),
                json!({"field": "prio"}),
                "priority",
            ),
            case(
                ("", JSON, r#"{"items":[1,2,3],"jobtype":"echo"}"#),
                (400, "unknown-field"),
                json!({"field": "jobtype"}),
                "items",
            ),
            case(
                ("?job_type=echo", JSON, r#"{"items":[]}"#),
                (400, "unknown-field"),
                json!({"field": "job_type"}),
                "belongs into the body",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn values_that_make_no_sense() {
    check(
        &Api::new().await,
        vec![
            case(
                ("?job_type=echo&priority=500", NDJSON, "1\n"),
                (400, "invalid-field"),
                json!({"field": "priority"}),
                "between -100 and 100",
            ),
            case(
                ("", JSON, r#"{"job_type":"echo","concurrency":"3","items":[]}"#),
                (400, "invalid-field"),
                json!({"field": "concurrency"}),
                "whole number",
            ),
            case(
                ("", JSON, r#"{"job_type":"echo","items":{"a":1}}"#),
                (400, "invalid-field"),
                json!({"line": 1}),
                "array of items",
            ),
            case(
                ("", JSON, "[1,2,3]"),
                (400, "invalid-field"),
                json!({"line": 1}),
                "application/x-ndjson",
            ),
            case(
                ("?space=Team", NDJSON, "1\n"),
                (400, "invalid-parameter"),
                json!({"parameter": "space"}),
                "not valid",
            ),
            case(
                ("?space=a", JSON, r#"{"job_type":"echo","space":"b","items":[]}"#),
                (400, "space-mismatch"),
                json!({"field": "space"}),
                "the body says b",
            ),
            case(
                ("", JSON, r#"{"items":[1,2,3],"job_type":"echo","space":"b"}"#),
                (400, "space-mismatch"),
                json!({"field": "space"}),
                "?space=b",
            ),
        ],
    )
    .await;
}

const PARAMETER: (u16, &str) = (400, "invalid-parameter");
const FIELD: (u16, &str) = (400, "invalid-field");

/// Query, content type, status and kind, a part of the detail, and what is named.
type Term = (
    &'static str,
    &'static str,
    (u16, &'static str),
    &'static str,
    &'static str,
);

const TERMS: &[Term] = &[
    (
        "?job_type=echo&on_invalid=drop",
        NDJSON,
        FIELD,
        "reject",
        "on_invalid",
    ),
    ("?job_type=echo&dry_run=yes", NDJSON, FIELD, "true", "dry_run"),
    (
        "?job_type=echo&dry_run=true&dry_run=true",
        NDJSON,
        FIELD,
        "more than once",
        "dry_run",
    ),
    (
        "?job_type=echo&delimiter=comma",
        NDJSON,
        PARAMETER,
        "text/csv",
        "delimiter",
    ),
    ("?job_type=echo&map={}", JSON, PARAMETER, "text/csv", "map"),
    ("?job_type=echo&delimiter=x", CSV, FIELD, "semicolon", "delimiter"),
    ("?job_type=echo&map=[]", CSV, FIELD, "map", "map"),
    ("?job_type=echo&map={%22a%22:3}", CSV, FIELD, "map", "map"),
    ("?job_type=echo&map={%22a%22:%22{b%22}", CSV, FIELD, "map", "map"),
    (
        "?job_type=echo&deduplicate=0",
        NDJSON,
        FIELD,
        "31 days",
        "deduplicate",
    ),
    (
        "?job_type=echo&deduplicate=1000h",
        NDJSON,
        FIELD,
        "31 days",
        "deduplicate",
    ),
    (
        "?job_type=echo&deduplicate=soon",
        NDJSON,
        FIELD,
        "30s",
        "deduplicate",
    ),
    (
        "?job_type=echo&retention={%22inputs%22:%22x%22}",
        NDJSON,
        FIELD,
        "retention",
        "retention",
    ),
    (
        "?job_type=echo&on_complete={}",
        NDJSON,
        FIELD,
        "job_type",
        "on_complete",
    ),
];

#[tokio::test]
async fn terms_that_make_no_sense() {
    let api = Api::new().await;
    for &(query, content_type, (status, slug), part, named) in TERMS {
        let answer = api.post(query, content_type, "a\n1\n").await;
        let detail = answer.problem(status, slug);
        assert!(
            detail.contains(part),
            "{query}: {detail:?} should contain {part:?}"
        );
        let member = if slug == "invalid-field" {
            "field"
        } else {
            "parameter"
        };
        assert_eq!(answer.json[member], named, "{query}: {}", answer.text);
    }
    assert_eq!(api.rows(), (0, 0));
}

#[tokio::test]
async fn items_that_can_not_be_taken() {
    let deep = format!("1\n{}1{}\n", "[".repeat(200), "]".repeat(200));
    let invalid = (400, "invalid-item");
    check(
        &Api::new().await,
        vec![
            case(
                (Q, NDJSON, deep),
                invalid,
                json!({"item": 1, "line": 2}),
                "128 levels",
            ),
            case(
                (Q, NDJSON, "{\"custom_id\":\"a\"}\n{\"custom_id\":\"a\"}\n"),
                invalid,
                json!({"item": 1, "line": 2, "custom_id": "a", "pointer": "/custom_id"}),
                "unique",
            ),
            case(
                (Q, CSV, "custom_id,n\na,1\nb,2\nb,3\n"),
                invalid,
                json!({"item": 2, "line": 4, "custom_id": "b"}),
                "unique",
            ),
            case(
                (Q, "text/csv; charset=ebcdic", "a\n1\n"),
                (415, "unsupported-media-type"),
                json!({"charset": "ebcdic"}),
                "windows-1252",
            ),
            case(
                ("?job_type=echo&map={%22x%22:%22Nme%22}", CSV, "Name,n\na,1\n"),
                (400, "invalid-field"),
                json!({"field": "map", "column": "Nme"}),
                "Did you mean \"Name\"?",
            ),
            case(
                (Q, "text/tab-separated-values", "a\tb\n1\t2\t3\n"),
                (400, "invalid-csv"),
                json!({"item": 0, "line": 2, "expected": 2, "found": 3}),
                "3 fields",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn more_than_is_allowed() {
    let long = format!("\"{}\"", "x".repeat(100_000));
    let many = "1\n".repeat(101);
    let large = (413, "item-too-large");
    let api = Api::new().await;
    check(
        &api,
        vec![
            case(
                (Q, NDJSON, format!("1\n2\n3\n{long}\n")),
                large,
                json!({"item": 3, "line": 4, "limit": 1000}),
                "item 3",
            ),
            case(
                (
                    "",
                    JSON,
                    format!(r#"{{"job_type":"echo","items":[1,2,3,{long}]}}"#),
                ),
                large,
                json!({"item": 3, "limit": 1000}),
                "item 3",
            ),
            case(
                (Q, CSV, format!("a\n1\n2\n3\n{long}\n")),
                large,
                json!({"item": 3, "line": 5, "limit": 1000}),
                "item 3",
            ),
            case(
                (Q, NDJSON, many),
                (413, "too-many-items"),
                json!({"item": 100, "line": 101, "limit": 100}),
                "at most 100 items",
            ),
        ],
    )
    .await;
    let api = Api::with(Config {
        max_upload_bytes: Some(1_000),
        ..config()
    })
    .await;
    let too_large = api.post(Q, NDJSON, " \n".repeat(600)).await;
    too_large.problem(413, "upload-too-large");
    assert_eq!(too_large.json["limit"], 1_000);
    // The same without an announced length.
    let pieces = futures_util::stream::iter((0..600).map(|_| Ok::<_, std::io::Error>("  \n")));
    api.post(Q, NDJSON, Body::from_stream(pieces))
        .await
        .problem(413, "upload-too-large");
    assert_eq!(api.rows(), (0, 0));
}

#[tokio::test]
async fn content_that_is_not_accepted() {
    let api = Api::new().await;
    let answer = api.post(Q, "application/xml", "<a/>").await;
    assert!(answer.problem(415, "unsupported-media-type").contains("text/csv"));
    assert_eq!(answer.json["accepted"].as_array().unwrap().len(), 6);
    let none = Request::post("/v1/batches").body(Body::from("1")).unwrap();
    api.send(none).await.problem(415, "unsupported-media-type");
    let packed = Request::post("/v1/batches?job_type=echo")
        .header("content-type", NDJSON)
        .header("content-encoding", "br")
        .body(Body::from("1"))
        .unwrap();
    api.send(packed).await.problem(415, "unsupported-encoding");
    let keyed = Request::post("/v1/batches?job_type=echo")
        .header("content-type", NDJSON)
        .header("idempotency-key", "a b")
        .body(Body::from("1"))
        .unwrap();
    api.send(keyed).await.problem(400, "invalid-idempotency-key");
    assert_eq!(api.rows(), (0, 0));
}

#[tokio::test]
async fn a_body_that_breaks() {
    let api = Api::new().await;
    let pieces = ["1\n2\n3\n", "4\n"].map(Ok).into_iter();
    let broken = pieces.chain([Err(std::io::Error::other("gone"))]);
    let answer = api
        .post(Q, NDJSON, Body::from_stream(futures_util::stream::iter(broken)))
        .await;
    answer.problem(400, "truncated-body");
    assert_eq!(api.rows(), (0, 0));
}

#[tokio::test]
async fn paths_and_methods_that_do_not_exist() {
    let api = Api::new().await;
    let answer = api.get("/v1/batchs?token=secret").await;
    answer.problem(404, "unknown-route");
    assert_eq!(answer.json["instance"], "/v1/batchs");
    assert!(!answer.text.contains("secret"));
    let answer = api
        .send(Request::delete("/v1/job-types").body(Body::empty()).unwrap())
        .await;
    answer.problem(405, "method-not-allowed");
    assert_eq!(answer.header("allow"), Some("GET,HEAD"));
    for path in [
        "/v1/batches/no-id",
        "/v1/batches/00000000-0000-7000-8000-000000000000/result",
    ] {
        api.get(path).await.problem(404, "unknown-batch");
    }
    api.get("/v1/batches/%FF").await.problem(400, "bad-request");
}
