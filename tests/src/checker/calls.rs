//! The ledger, sorted.

use std::collections::{BTreeMap, HashMap};

use super::evidence::{Answer, BatchEvidence, Evidence};
use super::{Report, Violation};

/// Calls by item: how often each attempt was called, and what it was answered.
pub(super) struct Calls<'a>(HashMap<&'a str, HashMap<u32, BTreeMap<u32, Attempt>>>);

/// The calls of one attempt.
#[derive(Clone, Copy)]
pub(super) struct Attempt {
    pub(super) calls: u32,
    pub(super) answer: Answer,
}

impl<'a> Calls<'a> {
    /// Complains of calls that nobody asked for, and counts those that were made again.
    pub(super) fn sort(evidence: &'a Evidence, report: &mut Report) -> Self {
        let batches: HashMap<&str, &BatchEvidence> = evidence
            .batches
            .iter()
            .map(|batch| (batch.id.as_str(), batch))
            .collect();
        let mut sorted: HashMap<&str, HashMap<u32, BTreeMap<u32, Attempt>>> = HashMap::new();
        for call in &evidence.calls {
            let (id, index) = (call.batch.clone(), call.index);
            let known = batches.get(call.batch.as_str());
            let Some(batch) = known.filter(|batch| (index as usize) < batch.plan.items.len()) else {
                report.unexpected += 1;
                let upload = call.upload.clone();
                report.violations.push(Violation::UnexpectedCall {
                    batch: id,
                    index,
                    upload,
                });
                continue;
            };
            if (call.upload.as_str(), call.position) != (batch.plan.upload.as_str(), index) {
                report.unexpected += 1;
                report.violations.push(Violation::WrongItem {
                    batch: id,
                    index,
                    upload: call.upload.clone(),
                    position: call.position,
                });
                continue;
            }
            let items = sorted.entry(call.batch.as_str()).or_default();
            let attempts = items.entry(index).or_default();
            let attempt = attempts.entry(call.attempt).or_insert(Attempt {
                calls: 0,
                answer: call.answer,
            });
            attempt.calls += 1;
            report.duplicated += u64::from(attempt.calls > 1);
        }
        Self(sorted)
    }

    /// The attempts of an item that were called.
    pub(super) fn of(&self, batch: &str, index: u32) -> Option<&BTreeMap<u32, Attempt>> {
        self.0.get(batch)?.get(&index)
    }
}
