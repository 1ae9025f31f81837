//! What publishers see of the batches that can move.

use std::time::Duration;

use flotilla_core::batch::{BatchState, Start};
use flotilla_core::command::Command;
use flotilla_core::ids::BatchId;
use flotilla_core::limits::{Bucket, Ceiling, Ceilings, Scope, ScopeUse, Supply};
use flotilla_core::ports::store::{Active, ActiveBatch};

use super::fixture::Fixture;
use super::samples::{REST, indexes, inputs, lost, retry, success};

async fn read(t: &Fixture) -> Active {
    let none = Ceilings::default();
    let active = t.store.active_batches(10, &none, t.now()).await;
    active.expect("reads what is active")
}

async fn supply_in(t: &Fixture, id: BatchId) -> Supply {
    let active = read(t).await.batches;
    let found = active.into_iter().find(|batch| batch.id == id);
    found.expect("it is active").supply
}

/// However many batches a space or a pool has, those of others are seen.
pub async fn nobody_hides_the_batches_of_others(t: Fixture) {
    let mut crowd = Vec::new();
    for _ in 0..5 {
        crowd.push(t.sealed(3).await);
    }
    let urgent = t.sealed_as(3, |spec| spec.priority = 9).await;
    let stuck = t
        .sealed_as(3, |spec| spec.pool = "gpu".parse().expect("a name"))
        .await;
    let elsewhere = t.in_space("elsewhere").sealed(3).await;
    assert_eq!(t.active(2).await, [crowd[0], urgent, stuck, elsewhere]);
    t.sent(crowd[0], 3).await;
    assert_eq!(
        t.active(2).await,
        [crowd[0], crowd[1], urgent, stuck, elsewhere],
        "in flight, and so always seen"
    );
}

/// Nor do those that can't dispatch: paused, to be started by hand, to be started later, being cancelled.
pub async fn what_can_not_dispatch_hides_nothing(t: Fixture) {
    for _ in 0..3 {
        let paused = t.sealed_as(3, |spec| spec.priority = 50).await;
        t.done(paused, &Command::Pause).await;
        let cancelled = t.sealed_as(3, |spec| spec.priority = 50).await;
        t.done(cancelled, &Command::Cancel).await;
        t.sealed_as(3, |spec| (spec.priority, spec.start) = (50, Start::Manual))
            .await;
        let later = Start::At(t.now() + Duration::from_secs(3_600));
        t.sealed_as(3, |spec| (spec.priority, spec.start) = (50, later))
            .await;
    }
    let ready = t.sealed(3).await;
    assert_eq!(t.active(1).await, [ready]);
}

/// What they have in flight holds room, so publishers must see it.
pub async fn what_is_in_flight_is_seen_in_every_state(t: Fixture) {
    let paused = t.dispatched(2).await;
    t.done(paused, &Command::Pause).await;
    let cancelled = t.dispatched(2).await;
    t.done(cancelled, &Command::Cancel).await;
    let all_out = t.dispatched(2).await;
    assert_eq!(t.active(1).await, [paused, cancelled, all_out]);
    assert_eq!(supply_in(&t, paused).await.state, BatchState::Paused);
    let supply = supply_in(&t, cancelled).await;
    assert_eq!((supply.in_flight, supply.ready(t.now())), (2, 0));
}

/// What a publisher needs to know to be fair: of every space, oldest first, with what is ready.
pub async fn active_batches_are_what_can_move(t: Fixture) {
    let elsewhere = t.in_space("elsewhere");
    let first = elsewhere.sealed_as(10, |spec| spec.priority = -7).await;
    let _open = t.uploaded(inputs(0..2)).await;
    let done = t.sealed(1).await;
    t.finish(done).await;
    let limited = t
        .sealed_as(10, |spec| {
            (spec.concurrency, spec.pool) = (Some(4), "gpu".parse().expect("a name"));
            spec.job_type = "thumbnail".into();
        })
        .await;
    assert_eq!(t.active(1).await, [first, limited], "of each pool");

    t.sent(limited, 3).await;
    t.record(vec![success(limited, 0)]).await;
    let supply = |concurrency, fresh, in_flight| Supply {
        state: if in_flight > 0 {
            BatchState::Processing
        } else {
            BatchState::Pending
        },
        start: Start::Auto,
        fresh,
        due: 0,
        suspects: 0,
        next_due: None,
        in_flight,
        suspects_in_flight: 0,
        concurrency,
        canary_left: None,
        rate_per_s: None,
        bucket: Bucket::default(),
    };
    let expected = [
        ActiveBatch {
            id: first,
            space: elsewhere.space.clone(),
            job_type: "echo".into(),
            pool: "default".parse().expect("a name"),
            priority: -7,
            settled: 0,
            supply: supply(None, 10, 0),
            max_input_bytes: 8,
        },
        ActiveBatch {
            id: limited,
            space: t.space.clone(),
            job_type: "thumbnail".into(),
            pool: "gpu".parse().expect("a name"),
            priority: 0,
            settled: 1,
            supply: supply(Some(4), 7, 2),
            max_input_bytes: 8,
        },
    ];
    let active = read(&t).await;
    assert_eq!(
        (active.batches.as_slice(), active.next_start),
        (&expected[..], None)
    );
    assert_eq!(t.redispatch(limited).await, 2);
    let again = supply_in(&t, limited).await;
    assert_eq!(
        (again.in_flight, again.due, again.ready(t.now())),
        (0, 2, 4),
        "two that wait again and seven new ones, of which four may"
    );
}

/// A retry that is not due is no reason to look; when it will be is told.
pub async fn the_next_retry_is_told(t: Fixture) {
    let id = t.dispatched(3).await;
    t.record(vec![success(id, 0), retry(id, 1, "busy")]).await;
    let resting = supply_in(&t, id).await;
    assert_eq!((resting.due, resting.in_flight), (0, 1));
    let due = resting.next_due.expect("it is due at some time");
    assert!(t.now() < due && due <= t.now() + REST, "{due}");
    t.advance(REST);
    let supply = supply_in(&t, id).await;
    assert_eq!((supply.due, supply.next_due), (1, None));
    t.record(vec![success(id, 2)]).await;
    assert_eq!(t.active(10).await, [id], "nothing in flight, and one to go");
    assert_eq!(indexes(&t.claim(id, 9).await), [1]);
}

/// They are told apart from the others, also while they are in flight.
pub async fn suspects_are_counted_apart(t: Fixture) {
    let id = t.dispatched(4).await;
    t.record(vec![lost(id, 0), lost(id, 1)]).await;
    let supply = supply_in(&t, id).await;
    assert_eq!((supply.due, supply.suspects, supply.in_flight), (0, 2, 2));
    assert_eq!((supply.ready(t.now()), supply.ready_suspects(t.now())), (0, 2));
    let claims = t.claim_of(id, 0, 1).await;
    t.publish(&claims).await;
    let supply = supply_in(&t, id).await;
    assert_eq!(
        (supply.suspects, supply.suspects_in_flight, supply.in_flight),
        (1, 1, 3)
    );
}

/// Nobody counts a million retries for a turn that takes a hundred.
pub async fn due_items_are_counted_as_far_as_it_matters(t: Fixture) {
    let id = t.dispatched(300).await;
    t.record((0..300).map(|index| retry(id, index, "busy")).collect())
        .await;
    t.advance(REST);
    let supply = supply_in(&t, id).await;
    assert!((1..=300).contains(&supply.due), "{supply:?}");
    assert_eq!(supply.in_flight, 0);
    let mut sent = Vec::new();
    while sent.len() < 300 {
        let some = t.sent(id, 100).await;
        assert!(!some.is_empty(), "{} of 300 were sent", sent.len());
        sent.extend(some);
    }
    sent.sort_unstable();
    assert_eq!(sent, (0..300).collect::<Vec<_>>());
}

/// A batch that starts by itself is listed from then on; until then, the first of these times is told.
pub async fn the_next_start_is_told(t: Fixture) {
    let hour = Duration::from_secs(3_600);
    let (soon, later) = (t.now() + hour, t.now() + hour * 2);
    let second = t.sealed_as(2, |spec| spec.start = Start::At(later)).await;
    let first = t.sealed_as(2, |spec| spec.start = Start::At(soon)).await;
    t.sealed_as(2, |spec| spec.start = Start::Manual).await;
    let cancelled = t
        .sealed_as(2, |spec| spec.start = Start::At(t.now() + hour / 2))
        .await;
    t.done(cancelled, &Command::Cancel).await;
    let active = read(&t).await;
    assert_eq!((active.batches, active.next_start), (vec![], Some(soon)));
    t.advance(hour);
    assert_eq!(
        (t.active(10).await, read(&t).await.next_start),
        (vec![first], Some(later))
    );
    t.advance(hour);
    assert_eq!(
        (t.active(10).await, read(&t).await.next_start),
        (vec![second, first], None)
    );
}

/// Publishers plan with what the batches of everybody use of a ceiling.
pub async fn ceilings_are_told_with_what_is_used_of_them(t: Fixture) {
    let ceiling = |concurrency| Ceiling {
        concurrency: Some(concurrency),
        rate_per_s: None,
    };
    let mut ceilings = Ceilings::default();
    ceilings.insert(Scope::Space(t.space.clone()), ceiling(10));
    ceilings.insert(Scope::JobType("echo".into()), ceiling(20));
    ceilings.insert(Scope::JobType("unused".into()), ceiling(30));
    t.dispatched(3).await;
    t.in_space("elsewhere").dispatched(4).await;
    let mut scopes = t
        .store
        .active_batches(10, &ceilings, t.now())
        .await
        .expect("reads what is active")
        .scopes;
    scopes.retain(|used| used.in_flight > 0);
    scopes.sort_by(|a, b| a.scope.cmp(&b.scope));
    let used = |scope, concurrency, in_flight| ScopeUse {
        scope,
        ceiling: ceiling(concurrency),
        in_flight,
        bucket: Bucket::default(),
    };
    assert_eq!(
        scopes,
        [
            used(Scope::Space(t.space.clone()), 10, 3),
            used(Scope::JobType("echo".into()), 20, 7),
        ]
    );
}
