//! Nothing that a worker has reported is left unread when a process with an embedded broker stops in good order.

use std::sync::Arc;
use std::time::Duration;

use flotilla_core::ports::Broker;
use flotilla_core::ports::broker::Queue;
use flotilla_core::shard::Shard;

/// How often the queues are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Waits until the schedulers have taken every report. What a volatile broker still holds at the end of the process is
/// forgotten: those items would run once more. Any other broker keeps its messages, so there is nothing to wait for.
pub(crate) async fn reports_taken(broker: Arc<dyn Broker>, shards: u16) {
    if !broker.is_volatile() {
        return;
    }
    for shard in Shard::all(shards) {
        while let Ok(depth) = broker.depth(&Queue::Reports(shard)).await
            && depth.ready > 0
        {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
