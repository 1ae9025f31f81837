//! Tables as people have them: their delimiters, characters, names and types.

use std::sync::Arc;

use flotilla_api::Schemas;
use flotilla_core::job_type::{HandlerSpec, JobType, JobTypes};
use flotilla_core::schema::ItemSchema;
use serde_json::{Value, json};

use crate::harness::{Api, CSV, NDJSON};

async fn inputs(api: &Api, query: &str, content_type: &str, body: impl Into<axum::body::Body>) -> Vec<Value> {
    let answer = api.post(query, content_type, body).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let id = answer.json["id"].as_str().unwrap();
    let items = api.get(&format!("/v1/batches/{id}/items")).await;
    let items = items.json["items"].as_array().unwrap().clone();
    items.into_iter().map(|item| item["input"].clone()).collect()
}

#[tokio::test]
async fn a_table_is_read_as_it_is_written() {
    let api = Api::new().await;
    let expected = [
        json!({"name": "Müller; Söhne", "n": "1"}),
        json!({"name": "b", "n": "2"}),
    ];
    let query = "?job_type=echo";
    let semicolons = "name;n\r\n\"Müller; Söhne\";1\r\nb;2\r\n";
    assert_eq!(inputs(&api, query, CSV, semicolons).await, expected);
    let tabs = "name\tn\nMüller; Söhne\t1\nb\t2\n";
    assert_eq!(
        inputs(&api, query, "text/tab-separated-values", tabs).await,
        expected
    );
    let said = "name#n\nMüller; Söhne#1\nb#2\n";
    assert_eq!(
        inputs(&api, "?job_type=echo&delimiter=%23", CSV, said).await,
        expected
    );
    let windows: Vec<u8> = semicolons
        .chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap())
        .collect();
    let declared = "text/csv; charset=windows-1252";
    assert_eq!(inputs(&api, query, declared, windows.clone()).await, expected);
    let utf16: Vec<u8> = "\u{feff}name\tn\nMüller; Söhne\t1\nb\t2\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(inputs(&api, query, CSV, utf16).await, expected);
    let refused = api.post(query, CSV, windows).await;
    let detail = refused.problem(400, "invalid-csv");
    assert!(detail.contains("charset=windows-1252"), "{detail}");
}

#[tokio::test]
async fn columns_become_fields() {
    let api = Api::new().await;
    let map = r#"{"url": "Website", "label": "{Name} <{E-Mail}>"}"#;
    let map: String = url::form_urlencoded::byte_serialize(map.as_bytes()).collect();
    let query = format!("?job_type=echo&map={map}");
    let body = "Name,Website,E-Mail\nAda,https://a.example,ada@a.example\n";
    let expected = json!({
        "Name": "Ada", "url": "https://a.example", "E-Mail": "ada@a.example", "label": "Ada <ada@a.example>",
    });
    assert_eq!(inputs(&api, &query, CSV, body).await, [expected]);
    let answer = api.post(&query, CSV, "Name,Webseite,E-Mail\na,b,c\n").await;
    assert!(
        answer.text.contains("Webseite"),
        "the nearest is named: {}",
        answer.text
    );
    assert_eq!(answer.status, 400);
    for parameter in ["delimiter=tab", "map={}"] {
        let answer = api
            .post(&format!("?job_type=echo&{parameter}"), NDJSON, "1\n")
            .await;
        answer.problem(400, "invalid-parameter");
    }
}

#[tokio::test]
async fn fields_have_the_types_of_the_schema() {
    let mut api = Api::new().await;
    let schema = json!({
        "required": ["id"],
        "properties": {
            "id": {"type": "integer"}, "price": {"type": ["number", "null"]}, "active": {"type": "boolean"},
            "tags": {"type": "array"}, "name": {"type": "string"},
        },
    });
    let mut job_type = JobType::new(HandlerSpec::Echo {});
    job_type.schema = Some(ItemSchema::Inline(schema.as_object().unwrap().clone()));
    let mut types = JobTypes::builtin();
    types.insert("typed", job_type);
    api.deps.schemas = Arc::new(Schemas::compile(&types).unwrap());
    api.deps.job_types = Arc::new(types);
    api.router = flotilla_api::router(api.deps.clone(), api.config.clone());
    let body = "id,price,active,tags,name,more\n7,1.50,TRUE,\"[1,2]\",12,x\n8,,,,,\n";
    let first = json!({"id": 7, "price": 1.5, "active": true, "tags": [1, 2], "name": "12", "more": "x"});
    let second = json!({"id": 8, "price": null, "name": "", "more": ""});
    assert_eq!(inputs(&api, "?job_type=typed", CSV, body).await, [first, second]);
    let answer = api
        .post("?job_type=typed", CSV, "id,active\n7,yes\nseven,true\n")
        .await;
    answer.problem(400, "invalid-item");
    let errors = answer.json["errors"].as_array().unwrap();
    let told: Vec<_> = errors
        .iter()
        .map(|error| (error["line"].as_u64().unwrap(), error["expected"].clone()))
        .collect();
    assert_eq!(
        told,
        [(2, json!({"type": "boolean"})), (3, json!({"type": "integer"}))]
    );
}
