//! What becomes of a batch whose time is over, part by part.

use jiff::Timestamp;

use super::BatchRecord;
use crate::batch::{BatchState, Forbidden};
use crate::retention::Part;

impl BatchRecord {
    /// The state in which ended items of it would run again.
    ///
    /// # Errors
    /// Where its state does not allow it, its inputs were removed, or something of it is being removed.
    pub fn may_reopen(&self) -> Result<BatchState, Forbidden> {
        let reopened = self.state.reopen()?;
        if self.control.expired.contains(&Part::Inputs) {
            return Err(self.state.forbids(INPUTS_ARE_GONE));
        }
        if !self.control.expiring.is_empty() {
            return Err(self.state.forbids(BEING_REMOVED));
        }
        Ok(reopened)
    }

    /// What is to be removed of it, and when: nothing before its end, nor once it was deleted.
    pub fn expiries(&self) -> impl Iterator<Item = (Part, Timestamp)> {
        let ended = self.completed_at.filter(|_| self.deleted_at.is_none());
        ended.into_iter().flat_map(|ended| self.spec.retention.due(ended))
    }

    /// When all of it is removed, where that was said and it has ended.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        let whole = self.expiries().find(|(part, _)| *part == Part::Results);
        whole.map(|(_, due_at)| due_at)
    }

    /// True where it must be archived before `part` of it goes.
    fn needs_archive(&self, part: Part) -> bool {
        needs_archive(
            self.spec.retention.archive,
            part,
            self.control.archived,
            self.revision,
        )
    }

    /// Decides that `part` is removed from now on. False where it may not be: it runs again, was deleted, or has to be
    /// archived first.
    pub fn begin_expiry(&mut self, part: Part) -> bool {
        if !self.state.is_final() || self.deleted_at.is_some() || self.needs_archive(part) {
            return false;
        }
        add(&mut self.control.expired, part);
        add(&mut self.control.expiring, part);
        true
    }

    /// Nothing of `part` is left.
    pub fn end_expiry(&mut self, part: Part) {
        self.control.expiring.retain(|other| *other != part);
    }

    /// Its archive is written, as it was at the end of `revision`. False where it has run again since.
    pub fn archived(&mut self, revision: u32) -> bool {
        let still = self.state.is_final() && self.revision == revision;
        if still {
            self.control.archived = revision;
        }
        still
    }
}

/// Why nothing of a batch without inputs runs again.
const INPUTS_ARE_GONE: &str = "be retried: its inputs were removed, as its retention says";
/// Why it has to wait.
const BEING_REMOVED: &str = "be retried at this moment: some of it is being removed, as its retention says";

/// True where a batch that ended `revision` times, and was archived at `archived` of them, must be archived before `part`
/// of it goes.
pub(crate) fn needs_archive(archive: Option<bool>, part: Part, archived: u32, revision: u32) -> bool {
    archive == Some(true) && part.is_archived() && archived < revision
}

fn add(parts: &mut Vec<Part>, part: Part) {
    if !parts.contains(&part) {
        parts.push(part);
        parts.sort_unstable();
    }
}
