use flotilla_core::worker::Holding;
use jiff::SignedDuration;

use super::*;

const BATCH: BatchId = BatchId(uuid::Uuid::from_u128(1));
const NONE: [ItemIndex; 0] = [];

/// A pool with one worker, looked at again and again.
struct Scene {
    watch: Watch,
    now: Timestamp,
    queues: PoolQueues,
    settling: bool,
    /// Of each worker: whether it is heard of, and what it holds.
    workers: Vec<(&'static str, bool, Option<Vec<ItemIndex>>)>,
    items: Vec<Sent>,
}

fn first(index: ItemIndex) -> Sent {
    Sent {
        index,
        attempt: 1,
        resends: 0,
        first: true,
        isolated: false,
        claimed: false,
    }
}

impl Scene {
    fn new(items: impl IntoIterator<Item = ItemIndex>) -> Self {
        Self {
            watch: Watch::default(),
            now: Timestamp::UNIX_EPOCH,
            queues: PoolQueues {
                waiting: 0,
                isolated: 0,
                consumers: 1,
            },
            settling: false,
            workers: vec![("w", true, Some(Vec::new()))],
            items: items.into_iter().map(first).collect(),
        }
    }

    /// The items that are found lost.
    fn look(&mut self) -> Vec<ItemIndex> {
        self.now += SignedDuration::from_secs(6);
        let workers = self.workers.iter().map(|(id, heard, holding)| WorkerStatus {
            id: WorkerId((*id).into()),
            pools: vec![Pool::default()],
            concurrency: 4,
            running: Vec::new(),
            held: 0,
            holding: holding
                .as_ref()
                .map(|held| Holding::of(held.iter().map(|&index| (BATCH, index)))),
            doing: Vec::new(),
            draining: false,
            started_at: Timestamp::UNIX_EPOCH,
            seen_at: if *heard { self.now } else { Timestamp::UNIX_EPOCH },
            version: String::new(),
        });
        let look = Look {
            in_flight: vec![InFlight {
                batch: BATCH,
                pool: Pool::default(),
                seen: 100,
                items: self.items.clone(),
            }],
            queues: BTreeMap::from([(Pool::default(), self.queues)]),
            settling: self.settling,
            workers: workers.collect(),
        };
        let lost = self.watch.look(look).remove(&BATCH).unwrap_or_default();
        lost.into_iter().map(|sent| sent.index).collect()
    }

    /// Looks often enough to find anything, and answers all that was found.
    fn many_looks(&mut self) -> Vec<ItemIndex> {
        let mut found: Vec<_> = (0..10).flat_map(|_| self.look()).collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

#[test]
fn what_is_nowhere_for_three_looks_is_lost() {
    let mut scene = Scene::new([3, 4]);
    scene.workers[0].2 = Some(vec![4]);
    assert_eq!(scene.look(), NONE, "nobody was heard of yet");
    assert_eq!((scene.look(), scene.look()), (vec![], vec![]));
    assert_eq!(scene.look(), [3]);
    assert_eq!(scene.look(), [3], "until something is done about it");
    assert_eq!(
        scene.watch.known(),
        [Known {
            batch: BATCH,
            seen: 100,
            items: scene.watch.known()[0].items.clone()
        }]
    );
    scene.items.retain(|sent| sent.index != 3);
    assert_eq!(scene.many_looks(), NONE);
    assert_eq!(scene.watch.known()[0].items, [4]);
}

#[test]
fn whatever_may_hide_it_saves_it() {
    type Hide = fn(&mut Scene);
    let hides: [(&str, Hide); 9] = [
        ("it waits in the queue", |scene| scene.queues.waiting = 1),
        ("somebody unknown consumes", |scene| scene.queues.consumers = 2),
        ("reports wait", |scene| scene.settling = true),
        ("a worker holds it", |scene| {
            scene.workers[0].2 = Some(vec![1, 3, 7]);
        }),
        ("a worker does not say what it holds", |scene| {
            scene.workers[0].2 = None;
        }),
        ("a worker is silent", |scene| scene.workers[0].1 = false),
        ("a publisher has it", |scene| scene.items[0].claimed = true),
        ("it has to run alone", |scene| {
            scene.items[0].isolated = true;
            scene.queues.isolated = 1;
        }),
        ("another worker is silent", |scene| {
            scene.workers.push(("v", false, Some(Vec::new())));
        }),
    ];
    for (why, hide) in hides {
        let mut scene = Scene::new([3]);
        hide(&mut scene);
        assert_eq!(scene.many_looks(), NONE, "{why}");
    }
    let mut isolated = Scene::new([3]);
    isolated.items[0].isolated = true;
    isolated.queues.waiting = 5;
    assert_eq!(isolated.many_looks(), [3], "another queue does not hide it");
}

#[test]
fn a_single_look_that_finds_it_begins_anew() {
    let mut scene = Scene::new([3]);
    (0..3).for_each(|_| assert_eq!(scene.look(), NONE));
    scene.workers[0].2 = Some(vec![3]);
    assert_eq!(scene.look(), NONE);
    scene.workers[0].2 = Some(Vec::new());
    assert_eq!((scene.look(), scene.look()), (vec![], vec![]));
    assert_eq!(scene.look(), [3]);
}

#[test]
fn a_busy_queue_hides_nothing_for_ever() {
    let mut scene = Scene::new([3]);
    scene.queues.waiting = 500;
    assert_eq!(scene.many_looks(), NONE, "it may wait behind others");
    // Others come after it, wait, and are run.
    for n in 10..20 {
        scene.items = vec![first(3), first(n)];
        if scene.look() == [3] {
            return;
        }
    }
    panic!("later ones were delivered, and it was not");
}

#[test]
fn what_went_out_again_is_another_dispatch() {
    let mut scene = Scene::new([3]);
    (0..3).for_each(|_| assert_eq!(scene.look(), NONE));
    scene.items[0] = Sent {
        resends: 1,
        first: false,
        ..first(3)
    };
    assert_eq!((scene.look(), scene.look()), (vec![], vec![]));
    assert_eq!(scene.look(), [3]);
    assert_eq!(scene.watch.known()[0].items, NONE, "it is found by itself");
}

#[test]
fn a_worker_that_goes_may_have_given_back_what_it_held() {
    let mut scene = Scene::new([3, 10, 11]);
    scene.workers.push(("v", true, Some(Vec::new())));
    scene.queues = PoolQueues {
        waiting: 500,
        isolated: 0,
        consumers: 2,
    };
    scene.look();
    scene.look();
    scene.workers.pop();
    scene.queues.consumers = 1;
    // Later ones were delivered before it went.
    scene.items = vec![first(3)];
    assert_eq!(scene.many_looks(), NONE, "its message may be in the queue again");
    scene.queues.waiting = 0;
    assert_eq!(scene.many_looks(), [3]);
}

#[test]
fn too_little_seen_is_nothing_concluded() {
    let mut scene = Scene::new([3]);
    (0..3).for_each(|_| assert_eq!(scene.look(), NONE));
    scene.watch.forget();
    assert_eq!(scene.watch.known()[0].items, [3]);
    assert_eq!(
        (scene.look(), scene.look(), scene.look()),
        (vec![], vec![], vec![])
    );
    assert_eq!(scene.look(), [3]);
    scene.watch.nothing_in_flight(&[]);
    assert!(scene.watch.known().is_empty());
}
