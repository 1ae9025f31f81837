use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::batch::BatchSpec;
use crate::command::{Actor, PauseReason, Paused};
use crate::ids::{BatchId, Space};
use crate::limits::{Bucket, Ceiling};
use crate::tally::Tally;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// A batch of 100 items, 40 of them to be dispatched, 10 in flight, 50 done.
fn facts() -> Facts {
    let tally = Tally {
        succeeded: 50,
        ..Tally::default()
    };
    let batch = Batch {
        id: BatchId(uuid::Uuid::nil()),
        space: Space::default(),
        spec: BatchSpec {
            job_type: "echo".into(),
            ..BatchSpec::default()
        },
        state: BatchState::Processing,
        paused: None,
        awaits_approval: false,
        epoch: 0,
        revision: 0,
        version: 1,
        counts: tally.counts(100, 60),
        skipped: 0,
        rate_per_s: 0.0,
        eta: None,
        max_input_bytes: 1,
        created_at: NOW,
        started_at: Some(NOW),
        completed_at: None,
        expired: Vec::new(),
        expiring: Vec::new(),
        archived: 0,
        deleted: false,
        error: None,
        errors: Vec::new(),
    };
    let supply = Supply {
        state: batch.state,
        start: Start::Auto,
        fresh: 40,
        due: 0,
        suspects: 0,
        next_due: None,
        in_flight: 10,
        suspects_in_flight: 0,
        concurrency: None,
        canary_left: None,
        rate_per_s: None,
        bucket: Bucket::default(),
    };
    Facts {
        batch,
        supply,
        scopes: Vec::new(),
        fleet: Some(Fleet {
            workers: 2,
            slots: 100,
            draining: 0,
        }),
        others_in_flight: 0,
        now: NOW,
    }
}

fn in_state(state: BatchState) -> Facts {
    let mut facts = facts();
    facts.batch.state = state;
    facts.supply.state = state;
    facts
}

fn with(change: impl FnOnce(&mut Facts)) -> Facts {
    let mut facts = facts();
    change(&mut facts);
    facts
}

fn used(scope: Scope, in_flight: u32, rate_per_s: Option<f64>) -> ScopeUse {
    ScopeUse {
        scope,
        ceiling: Ceiling {
            concurrency: Some(10),
            rate_per_s,
        },
        in_flight,
        bucket: Bucket {
            tokens: -1.0,
            at: Some(NOW),
        },
    }
}

fn paused(reason: PauseReason) -> Facts {
    let mut facts = in_state(BatchState::Paused);
    facts.batch.paused = Some(Paused {
        reason,
        by: Actor::system(),
        at: NOW,
    });
    facts
}

/// A code, facts in which it is a reason, how many items it holds, when it ends, and part of the detail.
type Case = (Code, Facts, u32, Option<Timestamp>, &'static str);

/// The batch as a whole dispatches nothing.
fn held() -> Vec<Case> {
    use BatchState as S;
    use Code as C;
    let mut upload = in_state(S::Open);
    upload.batch.spec.job_type.clear();
    let mut failing = in_state(S::Cancelling);
    failing.batch.error = Some("the deadline has passed".into());
    let told = "it fails, and what is left of it is being stopped: the deadline has passed";
    let manual = with(|f| f.supply.start = Start::Manual);
    let later = with(|f| f.supply.start = Start::At(at(60)));
    let crossed = paused(PauseReason::FailureThreshold);
    vec![
        (C::Uploading, upload, 100, None, "has not ended"),
        (C::NotSealed, in_state(S::Open), 100, None, "/seal"),
        (
            C::Paused,
            paused(PauseReason::Requested),
            40,
            None,
            "paused by flotilla, since 1970",
        ),
        (
            C::Paused,
            paused(PauseReason::Canary),
            40,
            None,
            "look at them, since",
        ),
        (C::Paused, crossed, 40, None, "too many"),
        (C::Cancelling, in_state(S::Cancelling), 50, None, "was cancelled"),
        (C::Cancelling, failing, 50, None, told),
        (C::NotStarted, manual, 40, None, "/run"),
        (
            C::NotStarted,
            later,
            40,
            Some(at(60)),
            "starts at 1970-01-01T00:01:00Z",
        ),
    ]
}

/// Limits stop its items.
fn limited() -> Vec<Case> {
    use Code as C;
    let empty = Bucket {
        tokens: 0.0,
        at: Some(NOW),
    };
    let canary = with(|f| f.supply.canary_left = Some(0));
    let concurrency = with(|f| f.supply.concurrency = Some(10));
    let rate = with(|f| (f.supply.rate_per_s, f.supply.bucket) = (Some(0.5), empty));
    let space = with(|f| f.scopes.push(used(Scope::Space(Space::default()), 12, None)));
    let job_type = with(|f| f.scopes.push(used(Scope::JobType("echo".into()), 0, Some(1.0))));
    let of_space = "12 of at most 10 items of all batches of the space default";
    let of_type = "at most 1 items of all batches of the job type echo";
    vec![
        (C::Canary, canary, 40, None, "somebody has looked"),
        (C::ConcurrencyLimit, concurrency, 40, None, "10 of at most 10"),
        (C::RateLimit, rate, 40, Some(at(2)), "at most 0.5 items"),
        (C::SpaceLimit, space, 40, None, of_space),
        (C::JobTypeLimit, job_type, 40, Some(at(2)), of_type),
    ]
}

/// It is a matter of the fleet, or of the items themselves.
fn under_way() -> Vec<Case> {
    use Code as C;
    let nobody = || with(|f| f.fleet = Some(Fleet::default()));
    let drained = with(|f| {
        f.fleet = Some(Fleet {
            draining: 2,
            ..Fleet::default()
        });
    });
    let mut all_queued = nobody();
    (all_queued.supply.fresh, all_queued.batch.counts.pending) = (0, 0);
    let busy = with(|f| {
        f.fleet = Some(Fleet {
            workers: 1,
            slots: 8,
            ..Fleet::default()
        });
    });
    let shared = with(|f| f.others_in_flight = 90);
    let hardly_shared = with(|f| {
        f.fleet = Some(Fleet {
            workers: 1,
            slots: 8,
            ..Fleet::default()
        });
        (f.supply.in_flight, f.others_in_flight) = (58, 2);
    });
    let resting = with(|f| {
        (f.supply.next_due, f.supply.due) = (Some(at(9)), 2);
        (f.batch.counts.retrying, f.batch.counts.succeeded) = (5, 45);
    });
    let waiting = with(|f| (f.batch.counts.waiting, f.batch.counts.succeeded) = (7, 43));
    let blind = || with(|f| f.fleet = None);
    let running = with(|f| f.batch.counts.mark_processing(4));
    let of_others =
        "90 items of other batches and 10 of this one are in flight, and the workers run 100 at once";
    vec![
        (C::TenantShare, shared, 40, None, of_others),
        (C::FleetBusy, busy, 40, None, "more workers"),
        (C::FleetBusy, hardly_shared, 40, None, "58 of its items"),
        (C::NoWorker, nobody(), 50, None, "pool default"),
        (
            C::NoWorker,
            drained,
            50,
            None,
            "every worker of the pool default drains",
        ),
        (C::NoWorker, all_queued, 10, None, "pool default"),
        (C::Backoff, resting, 3, Some(at(9)), "rest until"),
        (C::WaitingForCallbacks, waiting, 7, None, "call back"),
        (C::Ready, facts(), 40, None, "about to be"),
        (C::Ready, blind(), 40, None, "is not known"),
        (C::Queued, facts(), 10, None, "wait there"),
        (C::Queued, blind(), 10, None, "or run"),
        (C::Running, running, 4, None, "run them"),
    ]
}

#[test]
fn every_reason_is_found_and_told() {
    let mut told = HashSet::new();
    for (code, facts, count, until, part) in held().into_iter().chain(limited()).chain(under_way()) {
        let reasons = explain(&facts);
        let reason = reasons.iter().find(|reason| reason.code == code);
        let reason = reason.unwrap_or_else(|| panic!("{code} is not in {reasons:#?}"));
        assert_eq!((reason.count, reason.until), (count, until), "{reason:?}");
        assert!(reason.detail.contains(part), "{reason:?}");
        told.insert(code);
    }
    assert_eq!(told.len(), Code::ALL.len(), "a code has no case");
}

#[test]
fn a_batch_that_ended_waits_for_nothing() {
    for state in BatchState::ALL.into_iter().filter(|state| state.is_final()) {
        assert_eq!(explain(&in_state(state)), []);
    }
}

#[test]
fn a_start_or_a_pause_hides_what_would_only_matter_later() {
    for mut facts in [
        paused(PauseReason::Requested),
        with(|f| f.supply.start = Start::Manual),
    ] {
        facts.supply.concurrency = Some(1);
        let codes: Vec<_> = explain(&facts).iter().map(|reason| reason.code).collect();
        assert!(!codes.contains(&Code::ConcurrencyLimit), "{codes:?}");
        assert!(
            codes.contains(&Code::Queued),
            "what is under way is told: {codes:?}"
        );
    }
}

proptest! {
    /// A batch with anything left is never without a reason, and no reason counts more than there is.
    #[test]
    fn there_is_always_a_reason(
        state in 0_usize..BatchState::ALL.len(), parts in prop::array::uniform7(0_u32..50), start in 0_u8..3,
        concurrency in prop::option::of(1_u32..60), canary_left in prop::option::of(0_u32..60),
        fleet in prop::option::of((0_u32..3, 0_u32..60)), others_in_flight in 0_u32..100, running in 0_u32..50,
    ) {
        let [fresh, due, resting, suspects, in_flight, waiting, done] = parts;
        let mut facts = in_state(BatchState::ALL[state]);
        facts.supply.start = [Start::Auto, Start::Manual, Start::At(at(7))][usize::from(start)];
        facts.supply = Supply {
            fresh, due, suspects, in_flight, concurrency, canary_left,
            next_due: (resting > 0).then(|| at(5)),
            ..facts.supply
        };
        facts.batch.counts = Tally { succeeded: done, waiting, retrying: due + resting, returned: suspects, ..Tally::default() }
            .counts(parts.iter().sum(), parts[1..].iter().sum());
        facts.batch.counts.mark_processing(running);
        facts.fleet = fleet.map(|(workers, slots)| Fleet {
            workers,
            slots,
            ..Fleet::default()
        });
        facts.others_in_flight = others_in_flight;
        let counts = facts.batch.counts;
        let left = counts.total - counts.settled();
        let reasons = explain(&facts);
        prop_assert_eq!(reasons.is_empty(), facts.batch.state.is_final() || left == 0 && facts.supply.may_dispatch(NOW), "{:#?}", facts);
        for reason in reasons {
            prop_assert!(reason.count <= counts.total, "{:?} of {:?}", reason, counts);
            prop_assert!(reason.until.is_none_or(|until| until > NOW));
        }
    }
}
