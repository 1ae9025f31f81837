//! Outcomes on their way back: gathered, published, and only then acknowledged.
//!
//! A crash between the publish and the acknowledgement makes the broker deliver the item again, and the store ignores
//! the second outcome. A crash before the publish costs the work, never the item.

mod lane;
mod reporter;

pub(crate) use reporter::Reporter;

use flotilla_core::message::{ItemReport, Verdict};
use flotilla_core::outcome::Output;

use crate::ticket::Ticket;

/// An item that ended, and the delivery to acknowledge when that is known.
pub(crate) struct Finished {
    pub(crate) report: ItemReport,
    pub(crate) ticket: Ticket,
}

/// About how many bytes `report` adds to a message.
fn size(report: &ItemReport) -> usize {
    /// Ids, times and punctuation.
    const REST: usize = 250;
    let payload = match &report.verdict {
        Verdict::Done(Output::Inline(json)) => json.len(),
        Verdict::Done(Output::Stored { key, .. }) => key.len(),
        Verdict::Fail(error) => error.message.len(),
    };
    REST + payload
}
