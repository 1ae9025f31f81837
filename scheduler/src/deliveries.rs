//! Taking deliveries, until the end of a shutdown.

use flotilla_core::Shutdown;
use futures_util::{FutureExt, Stream, StreamExt};

/// The next deliveries. While draining, only those that are here already: recording them now is cheaper than having them
/// delivered again, and with a broker that ends with this process there is no again.
pub(crate) async fn next<T>(
    deliveries: &mut (impl Stream<Item = T> + Unpin),
    shutdown: &Shutdown,
) -> Option<T> {
    match shutdown.until_draining(deliveries.next()).await {
        Some(next) => next,
        None => deliveries.next().now_or_never().flatten(),
    }
}
