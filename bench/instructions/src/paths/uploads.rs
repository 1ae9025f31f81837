//! Items on their way in: from the body of a request to what is sent to PostgreSQL.

use std::fmt::Write;
use std::hint::black_box;

use flotilla_api::hot_paths::upload;
use flotilla_core::item::NewItem;
use flotilla_core::{BatchId, Json};
use flotilla_postgres::hot_paths::copy_items;
use uuid::Uuid;

use super::{Path, Turn};

/// What the API stores at once.
const CHUNK: u32 = 1_000;

pub(super) const NDJSON: Path = Path {
    name: "upload-ndjson",
    items: CHUNK,
    turns: 4,
    prepare: || {
        let lines = (0..CHUNK).map(|index| item(index) + "\n");
        parse("application/x-ndjson", lines.collect())
    },
};

pub(super) const CSV: Path = Path {
    name: "upload-csv",
    items: CHUNK,
    turns: 4,
    prepare: || {
        let mut body = String::from("custom_id,name,email,amount,note\n");
        for index in 0..CHUNK {
            let id = if index.is_multiple_of(2) {
                format!("order-{index}")
            } else {
                String::new()
            };
            writeln!(
                body,
                "{id},Ada Lovelace,ada.{index}@example.org,{index}.50,\"first, and \"\"last\"\"\""
            )
            .expect("memory takes everything");
        }
        parse("text/csv", body)
    },
};

pub(super) const JSON: Path = Path {
    name: "upload-json",
    items: CHUNK,
    turns: 4,
    prepare: || {
        let items: Vec<_> = (0..CHUNK).map(item).collect();
        parse(
            "application/json",
            format!("{{\"items\": [{}]}}", items.join(", ")),
        )
    },
};

pub(super) const COPY: Path = Path {
    name: "copy-items",
    items: CHUNK,
    turns: 20,
    prepare: || {
        let new = |index: u32| NewItem {
            custom_id: index.is_multiple_of(2).then(|| format!("order-{index}")),
            input: Json::parse(item(index)).expect("it is JSON"),
        };
        let items: Vec<NewItem> = (0..CHUNK).map(new).collect();
        Box::new(move || {
            let pieces = copy_items(BatchId(Uuid::from_u128(7)), 12_000, &items);
            let bytes: usize = pieces.map(|piece| black_box(piece).len()).sum();
            assert!(bytes > 100 * items.len());
        })
    },
};

/// Every other one has a name of its producer's.
fn item(index: u32) -> String {
    let id = if index.is_multiple_of(2) {
        format!("\"custom_id\": \"order-{index}\", ")
    } else {
        String::new()
    };
    let email = format!("ada.{index}@example.org");
    format!(
        r#"{{{id}"name": "Ada Lovelace", "email": "{email}", "amount": {index}.50, "note": "first, and \"last\""}}"#
    )
}

fn parse(content_type: &'static str, body: String) -> Turn {
    Box::new(move || {
        let items = upload(content_type, black_box(body.as_bytes()));
        assert_eq!(items.ok(), Some(CHUNK as usize));
    })
}
