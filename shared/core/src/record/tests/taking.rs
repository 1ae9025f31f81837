use super::*;

#[test]
fn each_item_is_written_where_it_came_to() {
    let (mut record, mut places) = running(6, |_| ());
    let leased = told(4, Verdict::Leased { ttl_ms: 5_000 });
    let lost = told(2, Verdict::Lost);
    let attempts = [done(0), retry(1), lost, waiting(3), leased, failed(5)];
    let writes = record.take(attempts, &mut places, NOW);
    let outcomes: Vec<_> = writes
        .outcomes
        .iter()
        .map(|outcome| (outcome.index, outcome.ending.state()))
        .collect();
    assert_eq!(outcomes, [(0, ItemState::Succeeded), (5, ItemState::Failed)]);
    let due: Vec<_> = writes
        .due
        .iter()
        .map(|due| (due.index, due.place.at, due.place.attempt, due.place.losses))
        .collect();
    assert_eq!(
        due,
        [(1, Whereabouts::Retrying, 2, 0), (2, Whereabouts::Returned, 2, 1)]
    );
    let leases: Vec<_> = writes
        .leases
        .iter()
        .map(|(index, attempt, at, lease)| (*index, *attempt, *at, lease.until))
        .collect();
    assert_eq!(
        leases,
        [
            (3, 1, Whereabouts::Waiting, later(60)),
            (4, 1, Whereabouts::Leased, later(5))
        ]
    );
    assert_eq!(
        (writes.ended_leases, writes.tried.len(), writes.changed),
        (vec![], 1, true)
    );
    let counts = record.tally.counts(10, 6);
    assert_eq!(
        (
            counts.pending,
            counts.queued,
            counts.retrying,
            counts.waiting,
            counts.settled()
        ),
        (5, 1, 1, 1, 2)
    );
}

#[test]
fn told_twice_is_taken_once() {
    let attempts = || {
        [
            done(0),
            failed(1),
            retry(2),
            told(3, Verdict::Released),
            told(4, Verdict::Lost),
        ]
    };
    let (mut record, mut places) = running(6, |_| ());
    let first = record.take(attempts(), &mut places, NOW);
    assert_eq!(
        (first.outcomes.len(), first.due.len(), first.tried.len()),
        (2, 3, 1)
    );
    let after = record.clone();
    assert_eq!(record.take(attempts(), &mut places, later(9)), Writes::default());
    assert_eq!(record, after, "nor is there a new version");
    let (mut record, mut places) = running(6, |_| ());
    let twice = attempts().into_iter().chain(attempts());
    assert_eq!(
        record.take(twice, &mut places, NOW),
        first,
        "within one group as well"
    );
}

#[test]
fn unknown_items_are_ignored() {
    let (mut record, mut places) = running(2, |_| ());
    let before = record.clone();
    assert_eq!(record.take([done(7)], &mut places, NOW), Writes::default());
    assert_eq!(record, before);
}

#[test]
fn of_several_attempts_at_an_item_the_last_place_is_written() {
    let (mut record, mut places) = running(3, |_| ());
    let attempts = [waiting(0), done(0), waiting(1), retry(1), retry(2), done(2)];
    let writes = record.take(attempts, &mut places, NOW);
    assert_eq!(writes.outcomes.len(), 2);
    assert_eq!(writes.due.iter().map(|due| due.index).collect::<Vec<_>>(), [1]);
    assert_eq!(
        (writes.leases, writes.ended_leases),
        (vec![], vec![]),
        "they came and went"
    );
    assert_eq!(writes.tried.len(), 2);
    let counts = record.tally.counts(10, 3);
    assert_eq!((counts.retrying, counts.waiting, counts.succeeded), (1, 0, 2));
}

#[test]
fn a_lease_ends_with_whatever_follows_it() {
    let (mut record, mut places) = running(4, |_| ());
    record.take((0..4).map(waiting), &mut places, NOW);
    let writes = record.take([done(0), retry(1), waiting(2)], &mut places, later(7));
    assert_eq!(writes.ended_leases, [0, 1]);
    let renewed: Vec<_> = writes
        .leases
        .iter()
        .map(|(index, _, _, lease)| (*index, lease.until))
        .collect();
    assert_eq!(renewed, [(2, later(67))]);
}

/// Further apart than what is remembered of the items touched last.
#[test]
fn attempts_at_one_item_may_be_far_apart_in_a_group() {
    let (mut record, mut places) = running(10, |_| ());
    let mut attempts: Vec<_> = (0..10).map(waiting).collect();
    attempts.push(retry(0));
    attempts.extend((1..10).map(done));
    attempts.push(done(0));
    let writes = record.take(attempts, &mut places, NOW);
    assert_eq!(
        (writes.outcomes.len(), writes.due, writes.leases),
        (10, vec![], vec![])
    );
    assert_eq!(record.state, BatchState::Completed);

    let (mut record, mut places) = running(10, |_| ());
    let mut attempts: Vec<_> = (0..10).map(waiting).collect();
    attempts.push(retry(0));
    let writes = record.take(attempts, &mut places, NOW);
    assert_eq!(
        writes.due.iter().map(|due| due.index).collect::<Vec<_>>(),
        [0],
        "once"
    );
    assert_eq!(writes.leases.len(), 9);
}

#[test]
fn late_reports_of_an_ended_batch_change_nothing() {
    for state in [BatchState::Completed, BatchState::Cancelled, BatchState::Failed] {
        let mut record = in_state(state);
        let before = record.clone();
        let mut settled = Place::dispatched(&record.spec);
        settled.at = Whereabouts::Settled;
        let mut places = (0..10).map(|index| (index, settled)).collect();
        let writes = record.take((0..10).map(done), &mut places, NOW);
        assert_eq!((writes, &record), (Writes::default(), &before));
    }
}
