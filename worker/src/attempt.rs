//! Runs a handler within its limits.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use flotilla_core::message::Verdict;
use flotilla_core::outcome::{ItemError, ItemErrorKind};
use flotilla_core::{Json, Shutdown};
use futures_util::FutureExt;
use tokio::time::timeout;

use crate::handlers::Handler;
use crate::item::ItemContext;

/// Makes one attempt at an item: in its time, whatever the handler does, a panic included. Ends it when `cancelled` does.
/// `None` where the worker stops at once before the handler has answered.
pub async fn attempt(
    handler: &dyn Handler,
    item: &ItemContext,
    input: &Json,
    cancelled: impl Future<Output = ()>,
    shutdown: &Shutdown,
) -> Option<Verdict> {
    let handling = AssertUnwindSafe(handler.handle(item, input)).catch_unwind();
    let mut handling = std::pin::pin!(handling);
    let stopped_with = tokio::select! {
        biased;
        answer = &mut handling => return Some(answer.unwrap_or_else(|panic| panicked(panic.as_ref()))),
        () = shutdown.aborting() => None,
        () = cancelled => Some(Verdict::Cancelled),
        () = tokio::time::sleep(item.timeout) => Some(again(item.out_of_time())),
    };
    item.stop();
    // It may clean up; its answer comes too late.
    let _ = timeout(handler.grace(), &mut handling).await;
    stopped_with
}

/// Nobody knows what a handler that panicked ran into: the next attempt may fare better.
fn panicked(panic: &(dyn Any + Send)) -> Verdict {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let message = format!("the handler panicked: {}", text.unwrap_or("without a message"));
    again(ItemError::new(ItemErrorKind::Handler, message))
}

fn again(error: ItemError) -> Verdict {
    Verdict::Retry {
        error,
        after_ms: None,
    }
}
