//! The live view.

use std::sync::Arc;

use flotilla_core::{BatchState, Clock};
use flotilla_embedded::progress::EmbeddedProgress;
use flotilla_scheduler::RunningItems;
use flotilla_scheduler::reconcile::{StaleProgress, Task};

use crate::support::{World, done, report};

/// The live view is lost: batches that run and batches that ended a moment ago are shown again, and nothing is written
/// when nothing changed.
#[tokio::test]
async fn a_lost_live_view_is_written_again() {
    let mut world = World::new().await;
    let running = world.dispatched(2).await[0].batch;
    let ended = world.dispatched(1).await;
    world.record(report(&ended, done)).await;

    let mut task = StaleProgress::new(&world.deps, &RunningItems::default());
    assert_eq!(task.run_once().await.unwrap(), 2);
    assert_eq!(task.run_once().await.unwrap(), 0, "nothing changed");

    let clock: Arc<dyn Clock> = Arc::clone(&world.deps.clock);
    world.deps.progress = Arc::new(EmbeddedProgress::new(clock));
    let mut task = StaleProgress::new(&world.deps, &RunningItems::default());
    assert_eq!(task.run_once().await.unwrap(), 2);
    let states = [
        world.shown(running).await.unwrap().state,
        world.shown(ended[0].batch).await.unwrap().state,
    ];
    assert_eq!(states, [BatchState::Processing, BatchState::Completed]);
}
