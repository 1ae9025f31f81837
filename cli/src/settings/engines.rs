//! `store_url`, `broker_url`, `progress_url`, `objects_url`: which engine is behind each port.

use std::path::Path;
use std::str::FromStr;

use super::Invalid;
use super::raw::Raw;
use crate::compose::broker::BrokerUrl;
use crate::compose::objects::ObjectsUrl;
use crate::compose::progress::ProgressUrl;
use crate::compose::store::StoreUrl;

/// The engine behind each port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Engines {
    /// The truth.
    pub(crate) store: StoreUrl,
    /// The transport.
    pub(crate) broker: BrokerUrl,
    /// The live view.
    pub(crate) progress: ProgressUrl,
    /// The artifacts.
    pub(crate) objects: ObjectsUrl,
}

impl Engines {
    /// What needs nothing installed, with everything under `data`.
    pub(crate) fn embedded(data: &Path) -> Self {
        Self {
            store: StoreUrl::Sqlite(data.join("flotilla.db")),
            broker: BrokerUrl::Embedded,
            progress: ProgressUrl::Embedded,
            objects: ObjectsUrl::Folder(data.join("objects")),
        }
    }

    pub(super) fn validate(raw: &Raw, data: &Path) -> Result<Self, Invalid> {
        let embedded = Self::embedded(data);
        Ok(Self {
            store: parsed("store_url", raw.store_url.as_deref(), embedded.store)?,
            broker: parsed("broker_url", raw.broker_url.as_deref(), embedded.broker)?,
            progress: parsed("progress_url", raw.progress_url.as_deref(), embedded.progress)?,
            objects: parsed("objects_url", raw.objects_url.as_deref(), embedded.objects)?,
        })
    }
}

fn parsed<T>(path: &'static str, given: Option<&str>, default: T) -> Result<T, Invalid>
where
    T: FromStr,
    T::Err: ToString,
{
    given.map_or(Ok(default), |text| {
        text.parse()
            .map_err(|error: T::Err| Invalid::new(path, error.to_string()))
    })
}
