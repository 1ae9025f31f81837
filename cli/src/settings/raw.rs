//! Settings as they are written, before they are checked.

use std::path::PathBuf;
use std::time::Duration;

use flotilla_core::job_type::{JobTypes, duration};
use serde::{Deserialize, Serialize};

use super::api::RawApi;
use super::retention::RawRetention;
use super::spaces::RawSpaces;
use super::worker::RawWorker;

/// All settings. The names of the fields are the names in `flotilla.toml`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Raw {
    pub(super) store_url: Option<String>,
    pub(super) broker_url: Option<String>,
    pub(super) progress_url: Option<String>,
    pub(super) objects_url: Option<String>,
    pub(super) data: Option<PathBuf>,
    pub(super) listen: Option<String>,
    pub(super) listen_public: Option<bool>,
    pub(super) public_url: Option<String>,
    pub(super) shards: Option<u16>,
    pub(super) wait: Option<Period>,
    pub(super) drain: Option<Period>,
    pub(super) open_ttl: Option<Period>,
    pub(super) keep: Option<Period>,
    pub(super) retention: RawRetention,
    pub(super) cancel_grace: Option<Period>,
    pub(super) log: Option<String>,
    pub(super) otlp_endpoint: Option<String>,
    pub(super) worker: RawWorker,
    pub(super) api: RawApi,
    pub(super) job_types: JobTypes,
    pub(super) spaces: RawSpaces,
}

/// A duration with a unit.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Period(#[serde(with = "duration")] pub(super) Duration);

/// Names as a list, or as text with commas, which is how they are given in the environment.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Names {
    /// `["default", "gpu"]`
    List(Vec<String>),
    /// `"default,gpu"`
    Text(String),
}

impl Names {
    /// The names, without white space around them.
    pub(super) fn into_vec(self) -> Vec<String> {
        let names = match self {
            Self::List(names) => names,
            Self::Text(text) => text.split(',').map(str::to_owned).collect(),
        };
        let trimmed = names.iter().map(|name| name.trim().to_owned());
        trimmed.filter(|name| !name.is_empty()).collect()
    }
}
