//! How long what a batch leaves stays after its end. Pure: what is due when.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ids::Space;
use crate::job_type::optional_duration;

/// Nothing is kept for a counted time that is longer: a century.
pub const MAX_RETENTION: Duration = Duration::from_secs(36_500 * 86_400);

/// What a batch leaves, by how long it may be of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// What its items were submitted with. Without them nothing of it can run again.
    Inputs,
    /// What its handlers answered.
    Outputs,
    /// The objects that were made of it.
    Artifacts,
    /// Its failed items that nobody has decided about.
    DeadLetters,
    /// The batch itself, and with it whatever is left.
    Results,
}

impl Part {
    /// All of them. The whole is last.
    pub const ALL: [Self; 5] = [
        Self::Inputs,
        Self::Outputs,
        Self::Artifacts,
        Self::DeadLetters,
        Self::Results,
    ];

    /// The name in the API, in configuration and in both databases.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inputs => "inputs",
            Self::Outputs => "outputs",
            Self::Artifacts => "artifacts",
            Self::DeadLetters => "dead_letters",
            Self::Results => "results",
        }
    }

    /// True for what an archive keeps.
    #[must_use]
    pub fn is_archived(self) -> bool {
        matches!(self, Self::Inputs | Self::Outputs | Self::Results)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Part {
    type Err = UnknownPart;
    fn from_str(text: &str) -> Result<Self, UnknownPart> {
        Self::ALL
            .into_iter()
            .find(|part| part.as_str() == text)
            .ok_or_else(|| UnknownPart(text.to_owned()))
    }
}

/// The name of a part that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a batch has no part {0:?}")]
pub struct UnknownPart(pub String);

/// How long the parts of a batch stay after its end. What is not said stays as long as the batch does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// What its items were submitted with.
    #[serde(with = "optional_duration", skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Duration>,
    /// What its handlers answered.
    #[serde(with = "optional_duration", skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Duration>,
    /// The objects that were made of it.
    #[serde(with = "optional_duration", skip_serializing_if = "Option::is_none")]
    pub artifacts: Option<Duration>,
    /// The batch itself, and with it everything that is left.
    #[serde(with = "optional_duration", skip_serializing_if = "Option::is_none")]
    pub results: Option<Duration>,
    /// Its failed items that nobody has decided about.
    #[serde(with = "optional_duration", skip_serializing_if = "Option::is_none")]
    pub dead_letters: Option<Duration>,
    /// Its items are written to object storage before inputs, outputs or all of it are removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive: Option<bool>,
}

impl Retention {
    /// True where nothing was said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What this says, and `default` where it says nothing.
    #[must_use]
    pub fn over(self, default: Self) -> Self {
        Self {
            inputs: self.inputs.or(default.inputs),
            outputs: self.outputs.or(default.outputs),
            artifacts: self.artifacts.or(default.artifacts),
            results: self.results.or(default.results),
            dead_letters: self.dead_letters.or(default.dead_letters),
            archive: self.archive.or(default.archive),
        }
    }

    /// How long a part stays, where that was said.
    #[must_use]
    pub fn of(&self, part: Part) -> Option<Duration> {
        match part {
            Part::Inputs => self.inputs,
            Part::Outputs => self.outputs,
            Part::Artifacts => self.artifacts,
            Part::DeadLetters => self.dead_letters,
            Part::Results => self.results,
        }
    }

    /// What is to be removed of a batch that ended at `ended`, and when. What would outlive the whole goes with it.
    pub fn due(&self, ended: Timestamp) -> impl Iterator<Item = (Part, Timestamp)> {
        let retention = *self;
        Part::ALL.into_iter().filter_map(move |part| {
            let kept = retention.of(part)?;
            let outlives = part != Part::Results && retention.results.is_some_and(|whole| kept >= whole);
            (!outlives).then(|| (part, after(ended, kept)))
        })
    }

    /// When a part of a batch that ended at `ended` is gone at the latest.
    #[must_use]
    pub fn expires_at(&self, part: Part, ended: Timestamp) -> Option<Timestamp> {
        let own = self.of(part).into_iter().chain(self.results).min()?;
        Some(after(ended, own))
    }

    /// Checks that every time can be counted.
    ///
    /// # Errors
    /// The first that is too long, in words.
    pub fn validate(&self) -> Result<(), String> {
        let long = Part::ALL
            .into_iter()
            .find(|part| self.of(*part).is_some_and(|kept| kept > MAX_RETENTION));
        long.map_or(Ok(()), |part| {
            Err(format!(
                "{part} must be at most {} days",
                MAX_RETENTION.as_secs() / 86_400
            ))
        })
    }
}

fn after(ended: Timestamp, kept: Duration) -> Timestamp {
    let kept = SignedDuration::try_from(kept).unwrap_or(SignedDuration::MAX);
    ended.saturating_add(kept).unwrap_or(Timestamp::MAX)
}

/// What a deployment says for batches that say nothing themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retentions {
    /// For all of them.
    pub deployment: Retention,
    /// For those of a space.
    pub spaces: HashMap<Space, Retention>,
}

impl Retentions {
    /// What holds in `space`.
    #[must_use]
    pub fn of(&self, space: &Space) -> Retention {
        let own = self.spaces.get(space).copied().unwrap_or_default();
        own.over(self.deployment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn days(days: u32) -> Option<Duration> {
        Some(DAY * days)
    }

    #[test]
    fn the_most_specific_wins_part_by_part() {
        let batch = Retention {
            inputs: days(1),
            ..Retention::default()
        };
        let space: Space = "a".parse().unwrap();
        let deployment = Retention {
            outputs: days(4),
            results: days(9),
            archive: Some(true),
            ..Retention::default()
        };
        let own = Retention {
            inputs: days(2),
            outputs: days(3),
            archive: Some(false),
            ..Retention::default()
        };
        let all = Retentions {
            deployment,
            spaces: [(space.clone(), own)].into(),
        };
        let resolved = batch.over(all.of(&space));
        assert_eq!(
            (resolved.inputs, resolved.outputs, resolved.results),
            (days(1), days(3), days(9))
        );
        assert_eq!(resolved.archive, Some(false));
        assert_eq!(all.of(&"b".parse().unwrap()), deployment);
    }

    #[test]
    fn nothing_outlives_the_whole() {
        let retention = Retention {
            inputs: days(30),
            outputs: days(7),
            dead_letters: days(90),
            results: days(30),
            ..Retention::default()
        };
        let ended = Timestamp::UNIX_EPOCH;
        let due: Vec<_> = retention.due(ended).collect();
        assert_eq!(
            due,
            [
                (Part::Outputs, after(ended, DAY * 7)),
                (Part::Results, after(ended, DAY * 30))
            ]
        );
        let gone = |part| retention.expires_at(part, ended);
        assert_eq!(gone(Part::DeadLetters), Some(after(ended, DAY * 30)));
        assert_eq!(gone(Part::Artifacts), gone(Part::Results));
        assert_eq!(gone(Part::Outputs), Some(after(ended, DAY * 7)));
        assert_eq!(Retention::default().expires_at(Part::Inputs, ended), None);
    }

    #[test]
    fn it_reads_back_and_knows_its_bounds() {
        let retention: Retention =
            serde_json::from_str(r#"{"inputs": "30d", "outputs": 60, "archive": true}"#).unwrap();
        assert_eq!((retention.inputs, retention.results), (days(30), None));
        let text = serde_json::to_string(&retention).unwrap();
        assert_eq!(serde_json::from_str::<Retention>(&text).unwrap(), retention);
        assert!(serde_json::from_str::<Retention>(r#"{"input": "30d"}"#).is_err());
        assert_eq!(retention.validate(), Ok(()));
        let long = Retention {
            results: Some(MAX_RETENTION + DAY),
            ..retention
        };
        assert_eq!(
            long.validate(),
            Err("results must be at most 36500 days".to_owned())
        );
        assert_eq!(
            long.due(Timestamp::MAX).last(),
            Some((Part::Results, Timestamp::MAX))
        );
        for part in Part::ALL {
            assert_eq!(part.as_str().parse(), Ok(part));
            assert_eq!(serde_json::to_value(part).unwrap(), part.as_str());
        }
    }
}
