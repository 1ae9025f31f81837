//! `[spaces.NAME]`: how much of the fleet a space gets, and how long what its batches leave stays.

use std::collections::{BTreeMap, HashMap};

use flotilla_core::Space;
use flotilla_core::job_type::is_rate;
use flotilla_core::limits::{Ceiling, Ceilings, Scope};
use flotilla_core::retention::Retention;
use serde::{Deserialize, Serialize};

use super::Invalid;

/// `[spaces]` as it is written.
pub(super) type RawSpaces = BTreeMap<String, RawSpace>;

/// `[spaces.NAME]` as it is written.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawSpace {
    weight: Option<u32>,
    concurrency: Option<u32>,
    rate_per_s: Option<f64>,
    retention: Retention,
}

/// How much of the fleet spaces get that are named.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct SpaceSettings {
    /// Shares of a busy fleet, where they are not 1.
    pub(crate) weights: HashMap<Space, u32>,
    /// How long what its batches leave stays, where that was said.
    pub(super) retention: HashMap<Space, Retention>,
    ceilings: Vec<(Space, Ceiling)>,
}

/// A turn of a space grows with its weight; more would let one space wait very long for another.
const MAX_WEIGHT: u32 = 1_000;

impl SpaceSettings {
    pub(super) fn validate(raw: RawSpaces) -> Result<Self, Invalid> {
        let mut settings = Self::default();
        for (name, raw) in raw {
            let invalid = |reason: String| Invalid::new("spaces", format!("`spaces.{name}`: {reason}"));
            let space: Space = name
                .parse()
                .map_err(|error: flotilla_core::ids::InvalidName| invalid(error.to_string()))?;
            raw.check().map_err(invalid)?;
            let ceiling = Ceiling {
                concurrency: raw.concurrency,
                rate_per_s: raw.rate_per_s,
            };
            if let Some(weight) = raw.weight {
                settings.weights.insert(space.clone(), weight);
            }
            settings.retention.insert(space.clone(), raw.retention);
            settings.ceilings.push((space, ceiling));
        }
        Ok(settings)
    }

    /// Adds the ceilings of all of them to `ceilings`.
    pub(super) fn add_ceilings(&self, ceilings: &mut Ceilings) {
        for (space, ceiling) in &self.ceilings {
            ceilings.insert(Scope::Space(space.clone()), *ceiling);
        }
    }
}

impl RawSpace {
    fn check(&self) -> Result<(), String> {
        if self
            .weight
            .is_some_and(|weight| !(1..=MAX_WEIGHT).contains(&weight))
        {
            return Err(format!("weight must be 1 to {MAX_WEIGHT}"));
        }
        if self.concurrency == Some(0) {
            return Err("concurrency must be at least 1".to_owned());
        }
        if self.rate_per_s.is_some_and(|rate| !is_rate(rate)) {
            return Err("rate_per_s must be over 0".to_owned());
        }
        self.retention
            .validate()
            .map_err(|why| format!("retention.{why}"))
    }
}

/// The keys of `[spaces.NAME]`, for the documentation.
#[cfg(test)]
pub(super) fn keys() -> Vec<String> {
    match serde_json::to_value(RawSpace::default()) {
        Ok(serde_json::Value::Object(raw)) => raw.into_iter().map(|(key, _)| key).collect(),
        _ => Vec::new(),
    }
}
