//! What can happen.

use std::time::Duration;

use flotilla_core::attempt::Attempt;
use flotilla_core::batch::{BatchSpec, FailureAction, FailureThreshold};
use flotilla_core::command::{Change, Command};
use flotilla_core::ids::{BatchId, ItemIndex};
use flotilla_core::item::ItemState;
use proptest::prelude::*;

use crate::conformance::store::samples;

/// One thing that happens. Numbers choose among what is there.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// A publisher claims items.
    Claim { items: u32, suspects: u32 },
    /// A publisher's items are safe with the broker.
    Publish(usize),
    /// Leases of claims run out, and a publisher takes over what it finds.
    TakeOver,
    /// Something is told of messages, from the nth on: in time, again, or much too late.
    Tell { from: usize, verdicts: Vec<Does> },
    /// The broker loses everything, or somebody believes so.
    Redispatch,
    /// Messages are found lost, and sent again.
    Resend,
    /// Leases that are over end.
    ExpireLeases,
    /// Time passes.
    Pass(Duration),
    /// Somebody does something.
    Do(Command),
    /// The items of a batch that is being cancelled are.
    Sweep { by_force: bool },
    /// Items that ended are to run again.
    Reopen {
        states: Vec<ItemState>,
        one_in: Option<u32>,
        same_error: bool,
    },
}

/// What is told of an attempt.
#[derive(Debug, Clone, Copy)]
pub(super) enum Does {
    Succeed,
    Fail(bool),
    Retry,
    Wait,
    Keep,
    GiveBack,
    Lose,
    Stop,
}

impl Does {
    /// As the ledger is told.
    pub(super) fn told(self, batch: BatchId, index: ItemIndex) -> Attempt {
        match self {
            Self::Succeed => samples::success(batch, index),
            Self::Fail(true) => samples::failure(batch, index, &format!("row {index}")),
            Self::Fail(false) => samples::failure(batch, index, "no"),
            Self::Retry => samples::retry(batch, index, "busy"),
            Self::Wait => samples::waiting(batch, index),
            Self::Keep => samples::leased(batch, index, Duration::from_secs(90)),
            Self::GiveBack => samples::released(batch, index),
            Self::Lose => samples::lost(batch, index),
            Self::Stop => samples::cancelled(batch, index),
        }
    }
}

/// What the batches of the walk are to do.
pub(super) fn spec() -> BatchSpec {
    BatchSpec {
        concurrency: Some(7),
        canary: Some(3),
        failure_threshold: Some(FailureThreshold {
            count: Some(4),
            percent: None,
            min_sample: 100,
            action: FailureAction::Pause,
        }),
        max_attempts: 2,
        ..samples::spec()
    }
}

fn does() -> impl Strategy<Value = Does> {
    prop_oneof![
        5 => Just(Does::Succeed),
        2 => any::<bool>().prop_map(Does::Fail),
        4 => Just(Does::Retry),
        2 => Just(Does::Wait),
        2 => Just(Does::Keep),
        2 => Just(Does::GiveBack),
        2 => Just(Does::Lose),
        1 => Just(Does::Stop),
    ]
}

/// Anything that can happen.
pub(super) fn step() -> impl Strategy<Value = Step> {
    let claim = (0_u32..9, 0_u32..3).prop_map(|(items, suspects)| Step::Claim { items, suspects });
    let tell = (any::<usize>(), prop::collection::vec(does(), 1..6))
        .prop_map(|(from, verdicts)| Step::Tell { from, verdicts });
    let pass = (1_u64..900).prop_map(|seconds| Step::Pass(Duration::from_secs(seconds)));
    prop_oneof![
        8 => claim,
        8 => any::<usize>().prop_map(Step::Publish),
        1 => Just(Step::TakeOver),
        14 => tell,
        2 => Just(Step::Redispatch),
        2 => Just(Step::Resend),
        3 => Just(Step::ExpireLeases),
        4 => pass,
        6 => command().prop_map(Step::Do),
        3 => any::<bool>().prop_map(|by_force| Step::Sweep { by_force }),
        3 => reopening(),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    let limit = prop::option::of(1_u32..9).prop_map(|most| {
        Command::Change(Change {
            concurrency: Some(most),
            ..Change::default()
        })
    });
    prop_oneof![
        1 => Just(Command::Seal),
        1 => prop::option::of(1_u32..9).prop_map(|concurrency| Command::Run { concurrency }),
        3 => Just(Command::Pause),
        7 => Just(Command::Resume),
        1 => Just(Command::Cancel),
        1 => Just(Command::Fail { error: "on fire".into() }),
        2 => limit,
    ]
}

fn reopening() -> impl Strategy<Value = Step> {
    let states = prop::sample::subsequence(
        vec![ItemState::Succeeded, ItemState::Failed, ItemState::Cancelled],
        0..=3,
    );
    (states, prop::option::of(1_u32..4), any::<bool>()).prop_map(|(states, one_in, same_error)| {
        Step::Reopen {
            states,
            one_in,
            same_error,
        }
    })
}
