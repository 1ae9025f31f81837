//! What the API is built from.

use std::fmt;
use std::sync::Arc;

use flotilla_core::job_type::JobTypes;
use flotilla_core::limits::Ceilings;
use flotilla_core::ports::{Broker, Objects, Progress, Store};
use flotilla_core::{Clock, Ids, Propagator, Tasks};
use tokio::sync::Notify;

use crate::intake::Schemas;

/// The engines and helpers that the API works with.
#[derive(Clone)]
pub struct Deps {
    /// The truth.
    pub store: Arc<dyn Store>,
    /// The live view. The API works without it, only less precisely.
    pub progress: Arc<dyn Progress>,
    /// Where long outputs are.
    pub objects: Objects,
    /// The broker, where this process has a connection: only to tell in `/readyz` how it is.
    pub broker: Option<Arc<dyn Broker>>,
    /// What batches may ask for.
    pub job_types: Arc<JobTypes>,
    /// What spaces and job types may have in flight: to explain why a batch waits.
    pub ceilings: Arc<Ceilings>,
    /// What items of those look like.
    pub schemas: Arc<Schemas>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes the ids of batches and requests.
    pub ids: Arc<Ids>,
    /// Where uploads run: they outlive a request that is dropped, to clean up after it.
    pub tasks: Tasks,
    /// Notified when a batch was sealed or steered, so that the publisher in this process starts at once.
    pub wake: Arc<Notify>,
    /// Connects requests with the traces of their callers.
    pub trace: Arc<dyn Propagator>,
}

impl fmt::Debug for Deps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deps").finish_non_exhaustive()
    }
}
