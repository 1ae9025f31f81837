//! `[api]`: how much the API accepts.

use serde::{Deserialize, Serialize};

use super::Invalid;
use super::raw::Period;

/// `[api]` as it is written.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawApi {
    max_item_bytes: Option<usize>,
    max_items: Option<u32>,
    max_upload_bytes: Option<u64>,
    concurrent_uploads: Option<usize>,
    upload_idle_timeout: Option<Period>,
    request_timeout: Option<Period>,
    max_connections: Option<usize>,
    max_listeners: Option<usize>,
}

/// How much the API accepts.
pub(crate) type ApiSettings = flotilla_api::Config;

impl RawApi {
    pub(super) fn validate(self) -> Result<ApiSettings, Invalid> {
        let default = ApiSettings::default();
        let settings = ApiSettings {
            max_item_bytes: self.max_item_bytes.unwrap_or(default.max_item_bytes),
            max_items: self.max_items.unwrap_or(default.max_items),
            max_upload_bytes: self.max_upload_bytes.or(default.max_upload_bytes),
            concurrent_uploads: self.concurrent_uploads.unwrap_or(default.concurrent_uploads),
            upload_idle_timeout: self
                .upload_idle_timeout
                .map_or(default.upload_idle_timeout, |period| period.0),
            request_timeout: self
                .request_timeout
                .map_or(default.request_timeout, |period| period.0),
            max_connections: self.max_connections.unwrap_or(default.max_connections),
            max_listeners: self.max_listeners.unwrap_or(default.max_listeners),
            ..default
        };
        let positive = [
            ("api.max_item_bytes", settings.max_item_bytes > 0),
            (
                "api.max_items",
                (1..=flotilla_core::ids::MAX_ITEMS).contains(&settings.max_items),
            ),
            ("api.max_upload_bytes", settings.max_upload_bytes != Some(0)),
            ("api.concurrent_uploads", settings.concurrent_uploads > 0),
            ("api.upload_idle_timeout", !settings.upload_idle_timeout.is_zero()),
            ("api.request_timeout", !settings.request_timeout.is_zero()),
            ("api.max_connections", settings.max_connections > 0),
            ("api.max_listeners", settings.max_listeners > 0),
        ];
        match positive.into_iter().find(|(_, fine)| !fine) {
            Some((path, _)) => Err(Invalid::new(path, "must be more than 0 and within its range")),
            None => Ok(settings),
        }
    }
}
