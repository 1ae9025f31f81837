//! Items that have to look like something: they are checked before anything is accepted.

use flotilla_api::{Config, Schemas};
use flotilla_core::job_type::{HandlerSpec, JobType, JobTypes};
use flotilla_core::schema::ItemSchema;
use serde_json::{Value, json};
use std::sync::Arc;

use crate::harness::{Answer, Api, CSV, JSON, NDJSON};

const Q: &str = "?job_type=typed";

/// An API with a job type `typed`, whose items have a `url` and maybe a `size`.
async fn typed() -> Api {
    let schema = json!({
        "type": "object",
        "required": ["url"],
        "properties": {
            "url": {"type": "string", "pattern": "^https?://"},
            "size": {"type": "integer", "minimum": 1},
        },
    });
    let mut job_type = JobType::new(HandlerSpec::Echo {});
    job_type.schema = Some(ItemSchema::Inline(schema.as_object().unwrap().clone()));
    let mut types = JobTypes::builtin();
    types.insert("typed", job_type);
    let mut api = Api::with(Config::default()).await;
    api.deps.schemas = Arc::new(Schemas::compile(&types).unwrap());
    api.deps.job_types = Arc::new(types);
    api.router = flotilla_api::router(api.deps.clone(), api.config.clone());
    api
}

fn lines(items: &[Value]) -> String {
    items.iter().map(|item| format!("{item}\n")).collect()
}

fn places(answer: &Answer) -> Vec<(u64, u64, &str)> {
    let errors = answer.json["errors"].as_array().unwrap();
    errors
        .iter()
        .map(|error| {
            (
                error["item"].as_u64().unwrap(),
                error["line"].as_u64().unwrap_or(0),
                error["pointer"].as_str().unwrap_or("-"),
            )
        })
        .collect()
}

#[tokio::test]
async fn every_mistake_is_told_with_its_place() {
    let api = typed().await;
    let body = lines(&[
        json!({"url": "http://a"}),
        json!({"url": "ftp://b", "size": 0}),
        json!({"url": "http://c", "size": 3}),
        json!(7),
        json!({"size": "4"}),
    ]) + "{\"url\"\n";
    let answer = api.post(Q, NDJSON, body).await;
    let detail = answer.problem(400, "invalid-item");
    assert!(
        detail.contains("item 1") && detail.contains("in `errors`"),
        "{detail}"
    );
    let mut told = places(&answer);
    told.sort_unstable();
    assert_eq!(
        told,
        [
            (1, 2, "/size"),
            (1, 2, "/url"),
            (3, 4, ""),
            (4, 5, ""),
            (4, 5, "/size"),
            (5, 6, "-"),
        ]
    );
    let errors = answer.json["errors"].as_array().unwrap();
    let size = errors.iter().find(|error| error["pointer"] == "/size").unwrap();
    assert_eq!(size["expected"], json!({"minimum": 1}));
    assert_eq!(answer.json["errors_truncated"], false);
    assert_eq!(api.rows(), (0, 0));
}

#[tokio::test]
async fn the_first_hundred_mistakes_are_enough() {
    let api = typed().await;
    let answer = api.post(Q, NDJSON, "{\"url\": 1}\n".repeat(5_000)).await;
    answer.problem(400, "invalid-item");
    assert_eq!(answer.json["errors"].as_array().unwrap().len(), 100);
    assert_eq!(answer.json["errors_truncated"], true);
    assert_eq!(api.rows(), (0, 0));
}

#[tokio::test]
async fn json_and_csv_are_checked_alike() {
    let api = typed().await;
    for body in [
        json!({"job_type": "typed", "items": [{"url": "http://a"}, {"url": 1}]}),
        // As programs do that sort their fields.
        json!({"items": [{"url": "http://a"}, {"url": 1}], "job_type": "typed"}),
    ] {
        let answer = api.post("", JSON, body.to_string()).await;
        answer.problem(400, "invalid-item");
        assert_eq!(places(&answer), [(1, 0, "/url")]);
    }
    let many: Vec<Value> = (0..2_000).map(|_| json!({"url": "http://a"})).collect();
    let late = format!(
        "{{\"items\":{},\"job_type\":\"typed\"}}",
        serde_json::to_string(&many).unwrap()
    );
    let detail = api.post("", JSON, late).await;
    assert!(
        detail
            .problem(400, "invalid-field")
            .contains("`job_type` stands behind")
    );
    let answer = api.post(Q, CSV, "url,a\nhttp://a,1\nb,2\n").await;
    answer.problem(400, "invalid-item");
    assert_eq!(places(&answer), [(1, 3, "/url")]);
    assert_eq!(api.rows(), (0, 0));
    let fine = api.post("?job_type=echo", NDJSON, "7\n").await;
    assert_eq!(fine.status, 202, "other job types take anything");
}

#[tokio::test]
async fn what_is_appended_is_checked() {
    let api = typed().await;
    let open = api.post(&format!("{Q}&start=open"), NDJSON, "").await;
    let id = open.json["id"].as_str().unwrap();
    let answer = api
        .post(&format!("/{id}/items"), NDJSON, "{\"url\": \"http://a\"}\n{}\n")
        .await;
    answer.problem(400, "invalid-item");
    assert_eq!(places(&answer), [(1, 2, "")]);
    assert_eq!(
        api.get(&format!("/v1/batches/{id}")).await.json["counts"]["total"],
        0
    );
    let answer = api
        .post(
            &format!("/{id}/items?on_invalid=skip"),
            NDJSON,
            "{\"url\": \"http://a\"}\n{}\n",
        )
        .await;
    let expected = json!({"appended": 1, "deduplicated": 0, "skipped": 1, "total": 1});
    assert_eq!(answer.json, expected);
}

#[tokio::test]
async fn what_is_skipped_is_listed() {
    let api = typed().await;
    let mut body: String = (0..2_500)
        .map(|n| match n % 5 {
            0 => "{\"url\": 1}\n".to_owned(),
            _ => format!("{{\"url\": \"http://{n}\"}}\n"),
        })
        .collect();
    body += "{\"url\": \"http://\u{e9}\"\n";
    let answer = api.post(&format!("{Q}&on_invalid=skip"), NDJSON, body).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    assert_eq!(
        (&answer.json["counts"]["total"], &answer.json["skipped"]),
        (&json!(2_000), &json!(501))
    );
    let id = answer.json["id"].as_str().unwrap();
    let file = api.get(&format!("/v1/batches/{id}/skipped")).await;
    let rows: Vec<Value> = file
        .text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len(), 501);
    assert_eq!(
        rows[1],
        json!({
            "number": 1, "position": 5, "line": 6, "reason": "invalid", "pointer": "/url",
            "detail": rows[1]["detail"], "input": "{\"url\": 1}",
        })
    );
    assert_eq!(rows[500]["reason"], "malformed");
    let rest = api.get(&format!("/v1/batches/{id}/skipped?cursor=499")).await;
    assert_eq!(rest.text.lines().count(), 1);
    let table = api
        .get(&format!("/v1/batches/{id}/skipped?format=csv&cursor=498"))
        .await;
    assert!(table.text.starts_with("499,2495,2496,invalid,"), "{}", table.text);
    let table = api.get(&format!("/v1/batches/{id}/skipped?format=csv")).await;
    assert!(
        table
            .text
            .starts_with("number,position,line,reason,detail,pointer,input\n0,0,1,invalid,"),
        "{}",
        &table.text[..100]
    );
    api.get(&format!("/v1/batches/{id}/skipped?space=other"))
        .await
        .problem(404, "unknown-batch");
    api.get(&format!("/v1/batches/{id}/skipped?format=zip"))
        .await
        .problem(400, "invalid-parameter");
}

#[tokio::test]
async fn a_dry_run_stores_nothing() {
    let api = typed().await;
    let body = lines(&[json!({"url": "http://a"}), json!({"url": "http://b", "size": 2})]);
    let answer = api.post(&format!("{Q}&dry_run=true"), NDJSON, body.clone()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let expected = json!({
        "items": 2, "skipped": 0, "bytes": body.len() - 2, "first": {"url": "http://a"}, "estimate": null,
    });
    assert_eq!(answer.json, expected);
    let bad = body + "{}\n";
    api.post(&format!("{Q}&dry_run=true"), NDJSON, bad.clone())
        .await
        .problem(400, "invalid-item");
    let answer = api
        .post(&format!("{Q}&dry_run=true&on_invalid=skip"), NDJSON, bad)
        .await;
    assert_eq!(
        (&answer.json["items"], &answer.json["skipped"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(api.rows(), (0, 0));
    for (query, parameter) in [("dry_run=1", "dry_run"), ("on_invalid=drop", "on_invalid")] {
        let answer = api.post(&format!("{Q}&{query}"), NDJSON, "").await;
        answer.problem(400, "invalid-field");
        assert_eq!(answer.json["field"], parameter);
    }
}

#[tokio::test]
async fn a_dry_run_estimates_by_what_ran_before() {
    let api = Api::with(Config::default()).await;
    let empty = api.post("?job_type=echo&dry_run=true", NDJSON, "1\n").await;
    assert_eq!(empty.json["estimate"], Value::Null);
    let id = api.create(json!({}), 3).await.parse().unwrap();
    for item in api.dispatch(id).await.iter().flat_map(|claim| &claim.items) {
        let done = flotilla_core::message::Verdict::Done(flotilla_core::outcome::Output::Inline(
            flotilla_core::Json::null(),
        ));
        api.report(id, item.index, item.attempt, done).await;
    }
    let answer = api.post("?job_type=echo&dry_run=true", NDJSON, "1\n2\n").await;
    let estimate = &answer.json["estimate"];
    assert_eq!(estimate["based_on"], 1, "{}", answer.text);
    assert_eq!(estimate["low_s"], estimate["high_s"]);
    assert!(estimate["low_s"].as_f64().unwrap() > 0.0, "{estimate}");
    let other = api.post("?job_type=sleep&dry_run=true", NDJSON, "1\n").await;
    assert_eq!(other.json["estimate"], Value::Null);
}

#[tokio::test]
async fn items_are_not_nested_too_deep() {
    let api = Api::new().await;
    let nested = |levels: usize| format!("{}{}\n", "[".repeat(levels), "]".repeat(levels));
    assert_eq!(api.post("?job_type=echo", NDJSON, nested(128)).await.status, 202);
    let answer = api
        .post("?job_type=echo", NDJSON, format!("1\n{}", nested(129)))
        .await;
    let detail = answer.problem(400, "invalid-item");
    assert!(detail.contains("128 levels"), "{detail}");
    assert_eq!(answer.json["item"], 1);
    // A parser that follows every level would not survive this.
    let answer = api.post("?job_type=echo", NDJSON, nested(400)).await;
    answer.problem(400, "invalid-item");
}

#[tokio::test]
async fn job_types_show_what_they_expect() {
    let api = typed().await;
    let types = api.get("/v1/job-types").await;
    let schema = |name: &str| -> Value {
        let all = types.json["job_types"].as_array().unwrap();
        all.iter().find(|one| one["name"] == name).unwrap()["schema"].clone()
    };
    assert_eq!(schema("typed")["required"], json!(["url"]));
    assert_eq!(schema("echo"), Value::Null);
}
