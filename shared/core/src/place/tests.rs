use super::*;
use crate::ids::BatchId;
use crate::json::Json;
use crate::message::Waiting;
use crate::outcome::Output;
use crate::retry::Backoff;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn spec() -> BatchSpec {
    BatchSpec {
        max_attempts: 3,
        callback_timeout: Some(Duration::from_secs(60)),
        backoff: Backoff {
            initial: Duration::from_secs(10),
            max: Duration::from_secs(10),
        },
        ..BatchSpec::default()
    }
}

/// An item at its second attempt.
fn place(at: Whereabouts) -> Place {
    Place {
        attempt: 2,
        last_attempt: 3,
        losses: 0,
        at,
    }
}

fn told(attempt: u16, verdict: Verdict) -> Attempt {
    Attempt {
        batch: BatchId(uuid::Uuid::nil()),
        index: 7,
        attempt,
        verdict,
        started_at: NOW,
        duration_us: 5,
        worker: Some(WorkerId("w".into())),
        artifacts: Vec::new(),
    }
}

fn take(place: &mut Place, attempt: u16, verdict: Verdict) -> Effect {
    place.take(told(attempt, verdict), &spec(), BatchState::Processing, NOW)
}

fn done() -> Verdict {
    Verdict::Done(Output::Inline(Json::null()))
}

fn fail() -> Verdict {
    Verdict::Fail(ItemError::new(ItemErrorKind::Handler, "no"))
}

fn retry() -> Verdict {
    Verdict::Retry {
        error: ItemError::new(ItemErrorKind::Handler, "busy"),
        after_ms: None,
    }
}

fn waiting() -> Verdict {
    Verdict::Waiting(Waiting::default())
}

const LEASED: Verdict = Verdict::Leased { ttl_ms: 90_000 };

fn every_verdict() -> Vec<Verdict> {
    let plain = [Verdict::Cancelled, Verdict::Released, Verdict::Lost, LEASED];
    let mut all = vec![done(), fail(), retry(), waiting()];
    all.extend(plain);
    all
}

const EVERYWHERE: [Whereabouts; 7] = [
    Whereabouts::Pending,
    Whereabouts::Dispatched,
    Whereabouts::Leased,
    Whereabouts::Retrying,
    Whereabouts::Returned,
    Whereabouts::Waiting,
    Whereabouts::Settled,
];

#[track_caller]
fn assert_settled(effect: Effect, expected: &str, attempt: u16) {
    let Effect::Settled(outcome) = effect else {
        panic!("{effect:?} is not settled");
    };
    assert_eq!(
        (outcome.ending.state().as_str(), outcome.attempt),
        (expected, attempt)
    );
}

#[test]
fn what_has_its_outcome_or_was_never_dispatched_stays_where_it_is() {
    for at in [Whereabouts::Settled, Whereabouts::Pending] {
        for verdict in every_verdict() {
            let mut item = place(at);
            assert_eq!(take(&mut item, 2, verdict), Effect::Nothing);
            assert_eq!(item, place(at));
        }
    }
}

#[test]
fn an_attempt_that_was_never_made_changes_nothing() {
    for at in EVERYWHERE {
        for verdict in every_verdict() {
            let mut item = place(at);
            assert_eq!(take(&mut item, 3, verdict), Effect::Nothing);
            assert_eq!(item, place(at));
        }
    }
}

#[test]
fn an_earlier_attempt_counts_where_it_succeeded_and_only_then() {
    for at in EVERYWHERE {
        for verdict in every_verdict() {
            let counts = matches!(verdict, Verdict::Done(_))
                && !matches!(at, Whereabouts::Settled | Whereabouts::Pending);
            let mut item = place(at);
            let effect = take(&mut item, 1, verdict.clone());
            assert_eq!(
                effect != Effect::Nothing,
                counts,
                "{verdict:?} where it is {at:?}"
            );
            assert_eq!(
                item.at == Whereabouts::Settled,
                counts || at == Whereabouts::Settled
            );
        }
    }
}

#[test]
fn success_is_an_attempt_of_all_that_were_made() {
    let mut under_way = place(Whereabouts::Dispatched);
    assert_settled(take(&mut under_way, 1, done()), "succeeded", 2);
    let mut resting = place(Whereabouts::Retrying);
    assert_settled(take(&mut resting, 1, done()), "succeeded", 1);
}

#[test]
fn what_is_due_is_told_of_by_its_success_only() {
    for at in [Whereabouts::Retrying, Whereabouts::Returned] {
        for verdict in every_verdict() {
            let counts = matches!(verdict, Verdict::Done(_));
            let mut item = place(at);
            assert_eq!(take(&mut item, 2, verdict) != Effect::Nothing, counts);
        }
    }
}

#[test]
fn a_failed_attempt_is_followed_by_another_until_the_last() {
    let mut item = place(Whereabouts::Dispatched);
    let Effect::Retrying { due_at, tried } = take(&mut item, 2, retry()) else {
        panic!("{item:?}");
    };
    assert!(NOW <= due_at && due_at <= after(NOW, Duration::from_secs(10)));
    assert_eq!(
        (tried.index, tried.attempt, tried.error.message.as_str()),
        (7, 2, "busy")
    );
    assert_eq!((item.attempt, item.at), (3, Whereabouts::Retrying));
    let again = item;
    assert_eq!(take(&mut item, 2, retry()), Effect::Nothing, "told twice");
    assert_eq!(item, again);

    item.at = Whereabouts::Dispatched;
    assert_settled(take(&mut item, 3, retry()), "failed", 3);
}

#[test]
fn a_retry_that_is_told_twice_is_due_at_the_same_time() {
    let (mut once, mut twice) = (place(Whereabouts::Dispatched), place(Whereabouts::Dispatched));
    assert_eq!(take(&mut once, 2, retry()), take(&mut twice, 2, retry()));
}

#[test]
fn a_handler_says_when() {
    let mut item = place(Whereabouts::Dispatched);
    let later = Verdict::Retry {
        error: ItemError::new(ItemErrorKind::Handler, "HTTP 503"),
        after_ms: Some(60_000),
    };
    let Effect::Retrying { due_at, .. } = take(&mut item, 2, later) else {
        panic!("{item:?}");
    };
    assert!(due_at >= after(NOW, Duration::from_secs(60)), "{due_at}");
}

#[test]
fn a_permanent_failure_is_not_repeated() {
    let mut item = place(Whereabouts::Dispatched);
    assert_settled(take(&mut item, 2, fail()), "failed", 2);
}

#[test]
fn in_a_halted_batch_success_and_failure_count_and_all_else_is_cancelled() {
    for verdict in every_verdict() {
        for at in [Whereabouts::Dispatched, Whereabouts::Leased, Whereabouts::Waiting] {
            let mut item = place(at);
            let effect = item.take(told(2, verdict.clone()), &spec(), BatchState::Cancelling, NOW);
            let expected = match verdict {
                Verdict::Done(_) => "succeeded",
                Verdict::Fail(_) => "failed",
                _ => "cancelled",
            };
            assert_settled(effect, expected, 2);
        }
    }
}

#[test]
fn a_paused_batch_takes_what_comes_back() {
    let mut item = place(Whereabouts::Dispatched);
    let effect = item.take(told(2, Verdict::Released), &spec(), BatchState::Paused, NOW);
    assert_eq!((effect, item), (Effect::Returned, place(Whereabouts::Returned)));
}

#[test]
fn cancelled_on_old_news_goes_out_again() {
    let mut item = place(Whereabouts::Dispatched);
    assert_eq!(take(&mut item, 2, Verdict::Cancelled), Effect::Returned);
    assert_eq!(item, place(Whereabouts::Returned));
    assert_eq!(
        take(&mut item, 2, Verdict::Cancelled),
        Effect::Nothing,
        "told twice"
    );
}

#[test]
fn losses_are_counted_once_each_and_do_not_cost_an_attempt() {
    let mut item = place(Whereabouts::Dispatched);
    for loss in 1..MAX_LOSSES {
        let number = item.attempt;
        let left = item.last_attempt - item.attempt;
        assert_eq!(take(&mut item, number, Verdict::Lost), Effect::Returned);
        assert_eq!((item.losses, item.at), (loss, Whereabouts::Returned));
        assert_eq!(
            item.last_attempt - item.attempt,
            left,
            "as many attempts are left"
        );
        item.at = Whereabouts::Dispatched;
        let before = item;
        assert_eq!(
            take(&mut item, number, Verdict::Lost),
            Effect::Nothing,
            "told again"
        );
        assert_eq!(item, before);
    }
    let Effect::Settled(outcome) = take(&mut item, 4, Verdict::Lost) else {
        panic!("{item:?}");
    };
    assert_eq!(outcome.ending, Ending::Failed(worker_lost()));
}

#[test]
fn what_was_lost_runs_alone_from_then_on() {
    let mut item = place(Whereabouts::Dispatched);
    take(&mut item, 2, Verdict::Lost);
    item.at = Whereabouts::Dispatched;
    assert!(matches!(take(&mut item, 3, retry()), Effect::Retrying { .. }));
    assert_eq!(item.losses, 1);
}

#[test]
fn a_callback_is_waited_for_as_long_as_the_batch_allows() {
    let until = |timeout_ms| {
        let mut item = place(Whereabouts::Dispatched);
        let verdict = Verdict::Waiting(Waiting {
            timeout_ms,
            progress: Some(200),
            message: Some("a\0b".into()),
        });
        let Effect::Leased(lease) = take(&mut item, 2, verdict) else {
            panic!("{item:?}");
        };
        assert_eq!(item, place(Whereabouts::Waiting));
        assert_eq!(
            (lease.progress, lease.message.as_deref()),
            (Some(100), Some("ab"))
        );
        assert_eq!(lease.worker, None, "nobody runs it");
        lease.until.as_second()
    };
    assert_eq!(
        (until(None), until(Some(5_000)), until(Some(u64::MAX))),
        (60, 5, 60)
    );
}

#[test]
fn without_callbacks_waiting_is_a_failure() {
    let spec = BatchSpec {
        callback_timeout: None,
        ..spec()
    };
    let mut item = place(Whereabouts::Dispatched);
    let effect = item.take(told(2, waiting()), &spec, BatchState::Processing, NOW);
    assert_settled(effect, "failed", 2);
}

#[test]
fn a_lease_is_held_by_the_worker_and_ends_at_some_time() {
    let mut item = place(Whereabouts::Dispatched);
    let Effect::Leased(lease) = take(&mut item, 2, LEASED) else {
        panic!("{item:?}");
    };
    assert_eq!(
        (lease.until.as_second(), lease.worker),
        (90, Some(WorkerId("w".into())))
    );
    let for_ever = Verdict::Leased { ttl_ms: u64::MAX };
    let Effect::Leased(lease) = take(&mut item, 2, for_ever) else {
        panic!("{item:?}");
    };
    assert_eq!(lease.until, after(NOW, MAX_LEASE));
    assert_settled(take(&mut item, 2, done()), "succeeded", 2);
}

#[test]
fn a_lease_that_is_over_is_a_failed_attempt() {
    for at in [Whereabouts::Leased, Whereabouts::Waiting] {
        let mut item = place(at);
        assert!(matches!(take(&mut item, 2, retry()), Effect::Retrying { .. }));
        for late in [waiting(), LEASED] {
            assert_eq!(take(&mut item, 2, late), Effect::Nothing, "renewed too late");
        }
    }
}

#[test]
fn nobody_gives_back_what_waits() {
    for verdict in [Verdict::Released, Verdict::Cancelled, Verdict::Lost, LEASED] {
        let mut item = place(Whereabouts::Waiting);
        assert_eq!(take(&mut item, 2, verdict), Effect::Nothing);
        assert_eq!(item, place(Whereabouts::Waiting));
    }
}

#[test]
fn the_worker_of_a_leased_item_may_be_lost() {
    let mut item = place(Whereabouts::Leased);
    assert_eq!(take(&mut item, 2, Verdict::Lost), Effect::Returned);
    assert_eq!(
        take(&mut item, 2, LEASED),
        Effect::Nothing,
        "it lived after all, and is not heard"
    );
    assert_settled(take(&mut item, 2, done()), "succeeded", 3);
}

#[test]
fn what_was_told_before_an_item_ran_again_is_old_news() {
    // It ended at its second attempt and runs again, with three more.
    for at in [
        Whereabouts::Retrying,
        Whereabouts::Returned,
        Whereabouts::Dispatched,
    ] {
        for attempt in [1, 2] {
            for verdict in every_verdict() {
                let again = Place {
                    attempt: 3,
                    last_attempt: 5,
                    losses: 0,
                    at,
                };
                let mut item = again;
                assert_eq!(take(&mut item, attempt, verdict), Effect::Nothing);
                assert_eq!(item, again);
            }
        }
    }
}

#[test]
fn losses_make_no_old_news() {
    let mut item = Place {
        attempt: 3,
        last_attempt: 5,
        losses: 0,
        at: Whereabouts::Dispatched,
    };
    take(&mut item, 3, Verdict::Lost);
    item.at = Whereabouts::Dispatched;
    assert_eq!(take(&mut item, 2, done()), Effect::Nothing, "of before");
    assert_settled(take(&mut item, 3, done()), "succeeded", 4);
}

#[test]
fn attempts_are_those_that_were_dispatched() {
    let counted = EVERYWHERE.map(|at| place(at).attempts());
    assert_eq!(counted, [0, 2, 2, 1, 2, 2, 2]);
}

#[test]
fn numbers_do_not_overflow() {
    let mut item = Place {
        attempt: u16::MAX,
        last_attempt: u16::MAX,
        losses: 0,
        at: Whereabouts::Dispatched,
    };
    assert_eq!(take(&mut item, u16::MAX, Verdict::Lost), Effect::Returned);
    item.at = Whereabouts::Dispatched;
    assert_settled(take(&mut item, u16::MAX, retry()), "failed", u16::MAX);
}
