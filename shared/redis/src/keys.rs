//! The names of keys and channels: nobody else builds one. They are public, see `docs/redis.md`.

use flotilla_core::{BatchId, Space, WorkerId};

/// Names under one prefix.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    prefix: String,
}

impl Keys {
    pub(crate) fn new(prefix: String) -> Self {
        Self { prefix }
    }

    /// The hash with the snapshot of a batch.
    pub(crate) fn progress(&self, batch: BatchId) -> String {
        format!("{}:progress:{batch}", self.prefix)
    }

    /// The sorted set of the batches of a space that are not final.
    pub(crate) fn active(&self, space: &Space) -> String {
        format!("{}:space:{space}:active", self.prefix)
    }

    /// The key that says that a batch does not exist any more.
    pub(crate) fn gone(&self, batch: BatchId) -> String {
        format!("{}:gone:{batch}", self.prefix)
    }

    /// The hash with what a worker said last.
    pub(crate) fn worker(&self, worker: &WorkerId) -> String {
        format!("{}:worker:{worker}", self.prefix)
    }

    /// The key that tells a worker to drain.
    pub(crate) fn drain(&self, worker: &WorkerId) -> String {
        format!("{}:drain:{worker}", self.prefix)
    }

    /// The sorted set of worker ids by the time at which they are forgotten.
    pub(crate) fn workers(&self) -> String {
        format!("{}:workers", self.prefix)
    }

    /// The key that goes with everything else where the server loses what it holds.
    pub(crate) fn incarnation(&self) -> String {
        format!("{}:incarnation", self.prefix)
    }

    /// The channel with the events of a space.
    pub(crate) fn events(&self, space: &Space) -> String {
        format!("{}:events:{space}", self.prefix)
    }

    /// The pattern of all those channels.
    pub(crate) fn all_events(&self) -> String {
        format!("{}:events:*", self.prefix)
    }

    /// The space whose channel this is.
    pub(crate) fn space_of(&self, channel: &str) -> Option<Space> {
        let rest = channel.strip_prefix(self.prefix.as_str())?;
        rest.strip_prefix(":events:")?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_names_its_space() {
        let (keys, space) = (Keys::new("flotilla".into()), "team-a".parse::<Space>().unwrap());
        assert_eq!(keys.space_of(&keys.events(&space)), Some(space));
        for foreign in [
            "other:events:team-a",
            "flotilla:events:",
            "flotilla:events:A/B",
            "flotilla:worker:x",
        ] {
            assert_eq!(keys.space_of(foreign), None, "{foreign}");
        }
    }
}
