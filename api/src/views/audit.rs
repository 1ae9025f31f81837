//! Whether a batch adds up.

use flotilla_core::audit::{Audit, Finding, Rows};
use serde::Serialize;
use utoipa::ToSchema;

/// A batch, recounted from its rows.
#[derive(Serialize, ToSchema)]
#[schema(as = Audit)]
pub(crate) struct AuditView {
    /// The batch.
    #[schema(value_type = String, format = "uuid")]
    batch_id: String,
    /// Where it stands.
    state: &'static str,
    /// Whether counters, rows and result agree. False is a defect: please report it.
    adds_up: bool,
    /// What was counted.
    rows: RowsView,
    /// What does not add up.
    findings: Vec<FindingView>,
}

/// The rows of a batch, counted.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditedRows)]
struct RowsView {
    /// Items as they were submitted.
    items: u32,
    /// Of those, the ones that were dispatched at least once.
    dispatched: u32,
    /// Items that are due for another attempt, now or later.
    retrying: u32,
    /// Items that came back without being run, or whose message was lost, and that are due for dispatch.
    returned: u32,
    /// Items that wait for a callback.
    waiting: u32,
    /// Items that run under a lease because they take long.
    leased: u32,
    /// Outcomes: done.
    succeeded: u32,
    /// Outcomes: given up on.
    failed: u32,
    /// Outcomes: stopped.
    cancelled: u32,
    /// Dead letters.
    dead_letters: u32,
    /// Dispatches that were repeated because a message was lost, of items that have no outcome yet.
    resent: u32,
    /// Results, one for each revision.
    results: u32,
}

/// Two numbers that have to be equal and are not.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditFinding)]
struct FindingView {
    /// What was counted twice.
    #[schema(example = "succeeded items")]
    what: &'static str,
    /// What it has to be.
    expected: u64,
    /// What it is.
    found: u64,
}

impl From<&Audit> for AuditView {
    fn from(audit: &Audit) -> Self {
        let findings = audit.findings();
        Self {
            batch_id: audit.batch.id.to_string(),
            state: audit.batch.state.as_str(),
            adds_up: findings.is_empty(),
            rows: RowsView::of(&audit.rows),
            findings: findings.into_iter().map(FindingView::from).collect(),
        }
    }
}

impl RowsView {
    fn of(rows: &Rows) -> Self {
        Self {
            items: rows.items,
            dispatched: rows.dispatched,
            retrying: rows.retrying,
            returned: rows.returned,
            waiting: rows.waiting,
            leased: rows.leased,
            succeeded: rows.succeeded,
            failed: rows.failed,
            cancelled: rows.cancelled,
            dead_letters: rows.dead_letters,
            resent: rows.resent,
            results: rows.results,
        }
    }
}

impl From<Finding> for FindingView {
    fn from(finding: Finding) -> Self {
        let Finding {
            what,
            expected,
            found,
        } = finding;
        Self {
            what,
            expected,
            found,
        }
    }
}
