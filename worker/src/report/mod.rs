//! What became of items on its way back: gathered, published, and only then acknowledged.
//!
//! A crash between the publish and the acknowledgement makes the broker deliver the item again, and the store ignores
//! the second outcome. A crash before the publish costs the work, never the item.

mod lane;
mod reporter;

pub(crate) use reporter::Reporter;

use flotilla_core::artifact;
use flotilla_core::message::{ItemReport, Verdict};
use flotilla_core::outcome::Output;

use crate::activity::Held;
use crate::ticket::Ticket;

/// A report of an item, and what to let go of when that is known.
pub(crate) struct Finished {
    pub(crate) report: ItemReport,
    /// The delivery to acknowledge; none where the item was leased before.
    pub(crate) ticket: Option<Ticket>,
    /// The item in hand; none where it stays there.
    pub(crate) held: Option<Held>,
}

/// About how many bytes `report` adds to a message.
fn size(report: &ItemReport) -> usize {
    /// Ids, times and punctuation.
    const REST: usize = 250;
    let payload = match &report.verdict {
        Verdict::Done(Output::Inline(json)) => json.len(),
        Verdict::Done(Output::Stored { key, .. }) => key.len(),
        Verdict::Fail(error) | Verdict::Retry { error, .. } => error.message.len(),
        Verdict::Waiting(waiting) => waiting.message.as_ref().map_or(0, String::len),
        Verdict::Leased { .. } | Verdict::Cancelled | Verdict::Released | Verdict::Lost => 0,
    };
    REST + payload + artifact::size(&report.artifacts)
}
