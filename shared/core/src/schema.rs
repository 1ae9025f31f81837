//! What an item of a job type looks like: a JSON Schema.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The JSON Schema of the items of a job type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ItemSchema {
    /// The file that it is in: in configuration, until that is read.
    File(PathBuf),
    /// The schema itself.
    Inline(Map<String, Value>),
}

impl ItemSchema {
    /// The schema, unless it is still in its file.
    #[must_use]
    pub fn document(&self) -> Option<Value> {
        match self {
            Self::File(_) => None,
            Self::Inline(document) => Some(Value::Object(document.clone())),
        }
    }
}
