//! The layer of command line flags.

use figment::value::{Dict, Map};
use figment::{Metadata, Profile, Provider};

use super::{environment, keys};

/// Settings that were given as flags.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overrides(Dict);

impl Overrides {
    /// Sets `path` where a flag was given.
    #[must_use]
    pub(crate) fn set(mut self, path: &str, flag: Option<impl ToString>) -> Self {
        if let Some(value) = flag {
            environment::insert(&mut self.0, path, environment::typed(&value.to_string()));
        }
        self
    }
}

impl Provider for Overrides {
    fn metadata(&self) -> Metadata {
        Metadata::named("the command line").interpolater(|_, path| keys::flag(&path.join(".")))
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        Ok(Profile::Default.collect(self.0.clone()))
    }
}
