//! The queue without anything around it.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::*;

fn queue(rules: Rules, messages: u32) -> State<u32> {
    let room = Arc::new(Semaphore::new(1_000))
        .try_acquire_many_owned(messages)
        .unwrap();
    let mut state = State::new(rules);
    let _ = state.publish(0..messages, room);
    state
}

fn seen(state: &mut State<u32>, id: u64) -> Vec<u32> {
    std::iter::from_fn(|| state.next(id, Waker::noop()))
        .map(|(_, _, message)| message)
        .collect()
}

#[test]
fn messages_go_round_among_those_with_room() {
    let mut state = queue(Rules::default(), 0);
    for (id, prefetch) in [(1, 1), (2, 10), (3, 10)] {
        let _ = state.subscribe(id, prefetch);
    }
    let room = Arc::new(Semaphore::new(7)).try_acquire_many_owned(7).unwrap();
    let _ = state.publish(0..7, room);
    assert_eq!(seen(&mut state, 1), [0]);
    assert_eq!(seen(&mut state, 2), [1, 3, 5]);
    assert_eq!(seen(&mut state, 3), [2, 4, 6]);
}

#[test]
fn what_comes_back_keeps_its_place_and_counts_if_it_was_seen() {
    let mut state = queue(Rules::default(), 4);
    let _ = state.subscribe(1, 3);
    assert_eq!(
        state.next(1, Waker::noop()).map(|(_, _, message)| message),
        Some(0)
    );
    let _ = state.remove(1);
    let _ = state.subscribe(2, 10);
    let all: Vec<_> = std::iter::from_fn(|| state.next(2, Waker::noop())).collect();
    assert_eq!(all, [(0, 1, 0), (1, 0, 1), (2, 0, 2), (3, 0, 3)]);
}

#[test]
fn after_the_limit_it_is_given_up() {
    let rules = Rules {
        single_active: false,
        delivery_limit: Some(2),
    };
    let mut state = queue(rules, 1);
    let _ = state.subscribe(1, 1);
    for redeliveries in 0..=2 {
        let (number, seen, _) = state.next(1, Waker::noop()).unwrap();
        assert_eq!(seen, redeliveries);
        let after = state.settle(1, Fate::Release, std::iter::once(number));
        assert_eq!(after.dead.len(), usize::from(redeliveries == 2));
    }
    assert_eq!(state.next(1, Waker::noop()), None);
}

#[test]
fn one_consumer_is_active_and_the_next_takes_over() {
    let rules = Rules {
        single_active: true,
        delivery_limit: None,
    };
    let mut state = queue(rules, 3);
    let _ = state.subscribe(1, 1);
    let _ = state.subscribe(2, 10);
    assert_eq!((seen(&mut state, 1), seen(&mut state, 2)), (vec![0], vec![]));
    let _ = state.remove(1);
    assert_eq!(seen(&mut state, 2), [0, 1, 2]);
}

#[test]
fn settled_messages_make_room() {
    let semaphore = Arc::new(Semaphore::new(2));
    let mut state = State::new(Rules::default());
    let _ = state.publish(0..2, Arc::clone(&semaphore).try_acquire_many_owned(2).unwrap());
    let _ = state.subscribe(1, 2);
    assert_eq!(seen(&mut state, 1), [0, 1]);
    assert_eq!(semaphore.available_permits(), 0);
    let _ = state.settle(1, Fate::Ack, 0..1);
    assert_eq!(semaphore.available_permits(), 1);
    let dead = state.settle(1, Fate::Reject, 1..2);
    assert_eq!((dead.dead.len(), semaphore.available_permits()), (1, 1));
    drop(dead);
    assert_eq!(semaphore.available_permits(), 2);
}
