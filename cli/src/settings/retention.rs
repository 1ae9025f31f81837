//! `[retention]`: how long what batches leave stays after their end, where nothing more specific says so.

use std::time::Duration;

use flotilla_core::retention::{Retention, Retentions};
use serde::{Deserialize, Serialize};

use super::raw::Period;
use super::{Invalid, SpaceSettings};

/// `[retention]` as it is written.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawRetention {
    inputs: Option<Period>,
    outputs: Option<Period>,
    artifacts: Option<Period>,
    results: Option<Period>,
    dead_letters: Option<Period>,
    archive: Option<bool>,
}

impl RawRetention {
    /// Those of the deployment and of its spaces. `keep` is how long batches are kept where nobody says so.
    pub(super) fn validate(
        &self,
        keep: Option<Duration>,
        spaces: &SpaceSettings,
    ) -> Result<Retentions, Invalid> {
        let time = |period: Option<Period>| period.map(|period| period.0);
        let deployment = Retention {
            inputs: time(self.inputs),
            outputs: time(self.outputs),
            artifacts: time(self.artifacts),
            results: time(self.results).or(keep),
            dead_letters: time(self.dead_letters),
            archive: self.archive,
        };
        deployment
            .validate()
            .map_err(|why| Invalid::new("retention", why))?;
        Ok(Retentions {
            deployment,
            spaces: spaces.retention.clone(),
        })
    }
}
