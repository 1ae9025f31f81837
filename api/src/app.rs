//! The state that every endpoint shares.

use std::ops::Deref;
use std::sync::Arc;

use flotilla_core::{Batch, Space};
use tokio::sync::Semaphore;

use crate::config::Config;
use crate::deps::Deps;
use crate::problem::{Kind, Problem};

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) deps: Deps,
    pub(crate) config: Config,
    /// A permit per upload that may be read.
    pub(crate) uploads: Arc<Semaphore>,
}

impl App {
    pub(crate) fn new(deps: Deps, config: Config) -> Self {
        let uploads = Arc::new(Semaphore::new(config.concurrent_uploads));
        Self(Arc::new(Inner {
            deps,
            config,
            uploads,
        }))
    }

    /// The batch of `space` whose id the path says. Text that is no id names no batch either.
    pub(crate) async fn batch(&self, space: &Space, id: &str) -> Result<Batch, Problem> {
        let found = match id.parse() {
            Ok(id) => self.deps.store.batch(space, id).await?,
            Err(_) => None,
        };
        found.ok_or_else(|| {
            let id: String = id.chars().take(80).collect();
            Problem::new(
                Kind::UnknownBatch,
                format!(
                    "there is no batch {id:?} in the space {space:?}",
                    space = space.as_str()
                ),
            )
        })
    }
}

impl Deref for App {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}
