//! Whatever JSON is submitted is stored byte for byte, in either format.

use std::collections::HashSet;
use std::fmt::Write;

use flotilla_core::Space;
use flotilla_core::item::ItemFilter;
use proptest::prelude::*;
use serde_json::Value;

use crate::harness::{Api, JSON, NDJSON};

fn any_json() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number,
        "\\PC{0,12}|[\\x00-\\x1f\"\\\\]{0,4}|custom_id".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("\\PC{0,6}|custom_id", inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The inputs of a batch, as stored.
async fn stored(api: &Api, id: &str) -> Vec<String> {
    let (space, all) = (Space::default(), ItemFilter::default());
    let items = api
        .deps
        .store
        .items(&space, id.parse().unwrap(), &all, 1_000)
        .await;
    items
        .unwrap()
        .into_iter()
        .map(|item| item.input.into_string())
        .collect()
}

#[test]
fn items_are_stored_byte_for_byte() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let api = runtime.block_on(Api::new());
    let cases = ProptestConfig {
        cases: 48,
        ..ProptestConfig::default()
    };
    proptest!(cases, |(values in prop::collection::vec(any_json(), 0..12))| {
        // Refused, and tested so elsewhere: no database keeps a zero byte in a text.
        prop_assume!(!values.iter().any(|item| item["custom_id"].as_str().is_some_and(|id| id.contains('\0'))));
        // So are two items of one name.
        let names: Vec<&str> = values
            .iter()
            .filter_map(|item| item["custom_id"].as_str().filter(|id| !id.is_empty()))
            .collect();
        prop_assume!(names.iter().collect::<HashSet<_>>().len() == names.len());
        let texts: Vec<String> = values.iter().map(Value::to_string).collect();
        runtime.block_on(async {
            let json = format!(r#"{{"items": [ {} ], "job_type": "echo"}}"#, texts.join(" ,\n"));
            let answer = api.post("", JSON, json).await;
            prop_assert_eq!(answer.status, 202, "{}", &answer.text);
            prop_assert_eq!(&stored(&api, answer.json["id"].as_str().unwrap()).await, &texts);
            let lines = texts.iter().fold(String::new(), |mut lines, text| {
                writeln!(lines, " {text}\r").unwrap();
                lines
            });
            let answer = api.post("?job_type=echo", NDJSON, lines).await;
            prop_assert_eq!(answer.status, 202, "{}", &answer.text);
            prop_assert_eq!(&stored(&api, answer.json["id"].as_str().unwrap()).await, &texts);
            Ok(())
        })?;
    });
}
