//! The broker and the workers: at least once, in any order, and mortal.

use std::collections::BTreeSet;

use flotilla_core::attempt::Attempt;
use flotilla_core::batch::BatchState;
use flotilla_core::ids::{BatchId, ItemIndex, WorkerId};
use flotilla_core::json::Json;
use flotilla_core::message::{Verdict, Waiting};
use flotilla_core::outcome::{ItemError, ItemErrorKind, Output};
use flotilla_core::ports::broker::SUSPECT_AFTER;
use jiff::Timestamp;

use super::model::{Model, Sent};
use super::steps::Does;

/// A message at the broker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message {
    pub(crate) sent: Sent,
    /// How often the item had been made to run again when it was sent.
    pub(crate) life: u32,
    /// How often it came back unsettled.
    pub(crate) redeliveries: u32,
}

/// Something that a worker tells.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) attempt: Attempt,
    pub(crate) life: u32,
}

/// What is with the broker and the workers.
#[derive(Debug, Default)]
pub(crate) struct Fleet {
    /// Messages with the broker or a worker.
    pub(crate) messages: Vec<Message>,
    /// Items that workers keep without holding a message.
    pub(crate) kept: Vec<Message>,
    /// Items that something may call back for: such a promise never ends by itself.
    pub(crate) callbacks: Vec<Message>,
    /// Reports that nobody has recorded for good.
    pub(crate) reports: Vec<Told>,
    /// Messages that workers were lost with, as was told: item, its life, the message.
    pub(crate) losses: BTreeSet<(ItemIndex, u32, u64)>,
}

impl Fleet {
    /// A worker gets a message, and does with it what its batch and the message allow.
    pub(crate) fn work(&mut self, model: &Model, nth: usize, does: Does, lost: bool, now: Timestamp) {
        let Some(nth) = nth.checked_rem(self.messages.len()) else {
            return;
        };
        let message = self.messages[nth];
        let does = steered(model, &message, does);
        if lost {
            self.messages[nth].redeliveries += 1;
        } else {
            self.messages.remove(nth);
        }
        if does == Some(Does::Wait) {
            self.callbacks.push(message);
        }
        if does == Some(Does::Keep) && !lost {
            self.kept.push(message);
        }
        if does.is_none() {
            let sent = &message.sent;
            self.losses.insert((sent.index, message.life, sent.number));
        }
        let verdict = does.map_or(Verdict::Lost, verdict);
        self.tell(model.record.id, &message, verdict, now);
    }

    /// A worker dies with a message.
    pub(crate) fn lose_worker(&mut self, nth: usize) {
        if let Some(nth) = nth.checked_rem(self.messages.len()) {
            self.messages[nth].redeliveries += 1;
        }
    }

    /// A worker that keeps an item tells how it is.
    pub(crate) fn renew(&mut self, batch: BatchId, nth: usize, does: Does, now: Timestamp) {
        let Some(nth) = nth.checked_rem(self.kept.len()) else {
            return;
        };
        let message = self.kept[nth];
        if does != Does::Keep {
            self.kept.remove(nth);
        }
        self.tell(batch, &message, verdict(does), now);
    }

    /// Something calls back, once more or for the first time.
    pub(crate) fn call_back(&mut self, batch: BatchId, nth: usize, does: Does, now: Timestamp) {
        let Some(nth) = nth.checked_rem(self.callbacks.len()) else {
            return;
        };
        let message = self.callbacks[nth];
        let does = match does {
            Does::Succeed | Does::Fail | Does::Retry => does,
            _ => Does::Wait,
        };
        self.tell(batch, &message, verdict(does), now);
    }

    fn tell(&mut self, batch: BatchId, message: &Message, verdict: Verdict, now: Timestamp) {
        self.reports.push(Told {
            attempt: attempt(batch, message.sent.index, message.sent.attempt, verdict, now),
            life: message.life,
        });
    }
}

/// What a worker does; `None` where it does not run what others were lost with.
fn steered(model: &Model, message: &Message, does: Does) -> Option<Does> {
    let record = &model.record;
    if !message.sent.isolated && message.redeliveries >= SUSPECT_AFTER {
        return None;
    }
    Some(match record.state {
        state if state.is_halted() => Does::Stop,
        BatchState::Paused => Does::GiveBack,
        _ if message.sent.epoch < record.epoch => Does::GiveBack,
        // Stopped and given back on old news, now and then.
        _ => does,
    })
}

pub(crate) fn verdict(does: Does) -> Verdict {
    let error = |message: &str| ItemError::new(ItemErrorKind::Handler, message);
    match does {
        Does::Succeed => Verdict::Done(Output::Inline(Json::null())),
        Does::Fail => Verdict::Fail(error("no")),
        Does::Retry => Verdict::Retry {
            error: error("busy"),
            after_ms: None,
        },
        Does::Wait => Verdict::Waiting(Waiting::default()),
        Does::Keep => Verdict::Leased { ttl_ms: 9_000 },
        Does::GiveBack => Verdict::Released,
        Does::Stop => Verdict::Cancelled,
    }
}

pub(crate) fn attempt(
    batch: BatchId,
    index: ItemIndex,
    attempt: u16,
    verdict: Verdict,
    now: Timestamp,
) -> Attempt {
    Attempt {
        batch,
        index,
        attempt,
        verdict,
        started_at: now,
        duration_us: 1_000 * (u64::from(index) + 1),
        worker: Some(WorkerId("w".into())),
        artifacts: Vec::new(),
    }
}
