//! What can happen.

use std::time::Duration;

use flotilla_core::batch::{BatchSpec, FailureAction, FailureThreshold, Start};
use flotilla_core::command::{Change, Command};
use flotilla_core::retry::Backoff;
use jiff::Timestamp;
use proptest::prelude::*;

/// What a batch is to do.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) total: u32,
    pub(crate) spec: BatchSpec,
}

/// Any batch of a few items.
pub(crate) fn setup() -> impl Strategy<Value = Setup> {
    let limits = (
        prop::option::of(1_u32..6),
        prop::option::of(1.0_f64..200.0),
        prop::option::of(0_u32..6),
        prop::option::weighted(0.3, threshold()),
        start(),
    );
    (1_u32..12, 1_u16..4, any::<bool>(), limits).prop_map(|(total, max_attempts, callbacks, limits)| {
        let (concurrency, rate_per_s, canary, failure_threshold, start) = limits;
        let spec = BatchSpec {
            job_type: "echo".into(),
            concurrency,
            rate_per_s,
            start,
            max_attempts,
            backoff: Backoff {
                initial: Duration::from_secs(1),
                max: Duration::from_secs(4),
            },
            callback_timeout: callbacks.then(|| Duration::from_secs(20)),
            failure_threshold,
            canary,
            ..BatchSpec::default()
        };
        Setup { total, spec }
    })
}

fn threshold() -> impl Strategy<Value = FailureThreshold> {
    (0_u32..5, any::<bool>(), any::<bool>()).prop_map(|(count, by_share, fails)| FailureThreshold {
        count: (!by_share).then_some(count),
        percent: by_share.then_some(f64::from(count) * 15.0),
        min_sample: 2,
        action: if fails {
            FailureAction::Fail
        } else {
            FailureAction::Pause
        },
    })
}

fn start() -> impl Strategy<Value = Start> {
    prop_oneof![
        6 => Just(Start::Auto),
        1 => Just(Start::Manual),
        1 => Just(Start::At(Timestamp::UNIX_EPOCH + Duration::from_secs(5))),
    ]
}

/// One thing that happens. Numbers choose among what is there.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// A publisher claims items.
    Claim { items: u32, suspects: u32 },
    /// A publisher's items are with the broker; it may die before it says so.
    Publish { nth: usize, dies: bool },
    /// Another publisher takes over what one that died has left.
    TakeOver,
    /// A worker gets a message. It may be lost before the broker knows that the message is done with.
    Work { nth: usize, does: Does, lost: bool },
    /// A worker is lost with a message, and never told of it.
    LoseWorker { nth: usize },
    /// A worker that keeps an item tells how it is.
    Renew { nth: usize, does: Does },
    /// Something calls back.
    CallBack { nth: usize, does: Does },
    /// A report is recorded; whoever did that may die before the broker knows.
    Report { nth: usize, again: bool },
    /// The broker forgets everything.
    LoseBroker,
    /// Somebody believes that it has.
    Redispatch,
    /// Leases that are over end.
    ExpireLeases,
    /// Items of a batch that is being cancelled are.
    Sweep { limit: usize, force: bool },
    /// Time passes.
    Pass { ms: u64 },
    /// Somebody does something.
    Do(Command),
    /// Items that ended are to run again: of these states, one of so many.
    Reopen {
        failed: bool,
        succeeded: bool,
        cancelled: bool,
        one_in: u32,
    },
}

/// What becomes of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Does {
    Succeed,
    Fail,
    Retry,
    Wait,
    Keep,
    GiveBack,
    Stop,
}

fn does() -> impl Strategy<Value = Does> {
    prop_oneof![
        6 => Just(Does::Succeed),
        2 => Just(Does::Fail),
        4 => Just(Does::Retry),
        2 => Just(Does::Wait),
        2 => Just(Does::Keep),
        1 => Just(Does::GiveBack),
        1 => Just(Does::Stop),
    ]
}

/// Anything that can happen.
pub(crate) fn step() -> impl Strategy<Value = Step> {
    let nth = any::<usize>;
    prop_oneof![
        10 => (0_u32..6, 0_u32..3).prop_map(|(items, suspects)| Step::Claim { items, suspects }),
        10 => (nth(), prop::bool::weighted(0.15)).prop_map(|(nth, dies)| Step::Publish { nth, dies }),
        2 => Just(Step::TakeOver),
        16 => (nth(), does(), prop::bool::weighted(0.15)).prop_map(|(nth, does, lost)| Step::Work { nth, does, lost }),
        4 => nth().prop_map(|nth| Step::LoseWorker { nth }),
        4 => (nth(), does()).prop_map(|(nth, does)| Step::Renew { nth, does }),
        4 => (nth(), does()).prop_map(|(nth, does)| Step::CallBack { nth, does }),
        16 => (nth(), prop::bool::weighted(0.25)).prop_map(|(nth, again)| Step::Report { nth, again }),
        1 => Just(Step::LoseBroker),
        2 => Just(Step::Redispatch),
        3 => Just(Step::ExpireLeases),
        4 => (1_usize..5, any::<bool>()).prop_map(|(limit, force)| Step::Sweep { limit, force }),
        6 => (0_u64..10_000).prop_map(|ms| Step::Pass { ms }),
        6 => command().prop_map(Step::Do),
        3 => (any::<[bool; 3]>(), 1_u32..4).prop_map(|([failed, succeeded, cancelled], one_in)| Step::Reopen {
            failed, succeeded, cancelled, one_in,
        }),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        1 => Just(Command::Seal),
        2 => prop::option::of(1_u32..6).prop_map(|concurrency| Command::Run { concurrency }),
        4 => Just(Command::Pause),
        6 => Just(Command::Resume),
        2 => Just(Command::Cancel),
        1 => Just(Command::Fail { error: "on fire".into() }),
        2 => prop::option::of(1_u32..6).prop_map(|most| Command::Change(Change { concurrency: Some(most), ..Change::default() })),
        1 => any::<i16>().prop_map(|priority| Command::Change(Change { priority: Some(priority), ..Change::default() })),
        1 => any::<bool>().prop_map(|force| Command::Delete { force }),
    ]
}
