//! The order in which items that were taken may start: pure, it is told the time.
//!
//! There are so many slots. An item starts in the order of arrival, unless its job type runs as many as it may in this
//! process: then it waits beside the others, without a slot. An item that has to run alone starts when nothing else
//! runs, and while it waits for that nothing else starts.
//!
//! What waits here can't run elsewhere. So where slots are not freed for a moment, what waits for them is given back:
//! another worker may have one. Where none has, it comes again, and is given back later each time.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

/// Items that wait, and the slots that are taken.
#[derive(Debug)]
pub(crate) struct Dock<T> {
    slots: u32,
    taken: u32,
    /// Longer than this nothing waits.
    patience: Duration,
    stall: Option<Stall>,
    /// Those without a cap of their own.
    free: VecDeque<Waiting<T>>,
    capped: Vec<Capped<T>>,
    /// The place of a job type in `capped`.
    caps: HashMap<String, usize>,
    alone: VecDeque<Waiting<T>>,
    runs_alone: bool,
    /// One that has to run alone had to give up: until then others start although another one waits. So neither keeps
    /// the other from running for ever, however long items take.
    others_first_until: Option<Instant>,
    arrived: u64,
}

/// Since when no slot was freed, and how long one is waited for.
#[derive(Debug)]
struct Stall {
    freed: Instant,
    first: Duration,
    now: Duration,
}

#[derive(Debug)]
struct Waiting<T> {
    item: T,
    number: u64,
    since: Instant,
}

#[derive(Debug)]
struct Capped<T> {
    cap: u32,
    running: u32,
    waiting: VecDeque<Waiting<T>>,
}

/// What an item that runs takes, to be given back with [`Dock::ended`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Berth(Kind);

/// Beside what an item may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Beside everything, while there are slots.
    Free,
    /// The same, up to the cap of its job type.
    Capped(usize),
    /// Beside nothing.
    Alone,
}

impl<T> Dock<T> {
    /// An empty one. `caps` are the most items that job types run at once. Nothing waits longer than `patience`, and, where
    /// it may go `elsewhere`, while no slot is freed for so long: at first, then twice as long each time.
    pub(crate) fn new(
        slots: u32,
        caps: impl IntoIterator<Item = (String, u32)>,
        patience: Duration,
        elsewhere: Option<Duration>,
        now: Instant,
    ) -> Self {
        let mut dock = Self {
            slots,
            taken: 0,
            patience,
            stall: elsewhere.map(|first| Stall {
                freed: now,
                first,
                now: first,
            }),
            free: VecDeque::new(),
            capped: Vec::new(),
            caps: HashMap::new(),
            alone: VecDeque::new(),
            runs_alone: false,
            others_first_until: None,
            arrived: 0,
        };
        for (job_type, cap) in caps {
            dock.caps.insert(job_type, dock.capped.len());
            dock.capped.push(Capped {
                cap,
                running: 0,
                waiting: VecDeque::new(),
            });
        }
        dock
    }

    /// The kind of an item of `job_type`.
    pub(crate) fn kind(&self, job_type: &str, alone: bool) -> Kind {
        if alone {
            return Kind::Alone;
        }
        // Most deployments cap nothing: then nothing is hashed.
        let capped = (!self.caps.is_empty()).then(|| self.caps.get(job_type)).flatten();
        capped.map_or(Kind::Free, |at| Kind::Capped(*at))
    }

    /// An item waits to start.
    pub(crate) fn add(&mut self, kind: Kind, item: T, now: Instant) {
        self.arrived += 1;
        let queue = match kind {
            Kind::Free => &mut self.free,
            Kind::Capped(at) => &mut self.capped[at].waiting,
            Kind::Alone => &mut self.alone,
        };
        queue.push_back(Waiting {
            item,
            number: self.arrived,
            since: now,
        });
    }

    /// The next item that may start now.
    pub(crate) fn start(&mut self, now: Instant) -> Option<(T, Berth)> {
        if self.runs_alone {
            return None;
        }
        if !self.alone.is_empty() {
            if self.taken == 0 {
                let first = self.alone.pop_front()?;
                self.runs_alone = true;
                self.taken = 1;
                return Some((first.item, Berth(Kind::Alone)));
            }
            if self.others_first_until.is_none_or(|until| until <= now) {
                return None;
            }
        }
        if self.taken >= self.slots {
            return None;
        }
        let free = self.free.front().map(|first| (first.number, Kind::Free));
        let capped = self.capped.iter().enumerate().filter_map(|(at, capped)| {
            let first = capped.waiting.front().filter(|_| capped.running < capped.cap)?;
            Some((first.number, Kind::Capped(at)))
        });
        let (_, kind) = capped.chain(free).min_by_key(|(number, _)| *number)?;
        let first = match kind {
            Kind::Capped(at) => {
                self.capped[at].running += 1;
                self.capped[at].waiting.pop_front()?
            }
            _ => self.free.pop_front()?,
        };
        self.taken += 1;
        Some((first.item, Berth(kind)))
    }

    /// An item has ended.
    pub(crate) fn ended(&mut self, berth: &Berth, now: Instant) {
        self.taken -= 1;
        if let Some(stall) = &mut self.stall {
            stall.freed = now;
            stall.now = stall.first;
        }
        match berth.0 {
            Kind::Free => {}
            Kind::Capped(at) => self.capped[at].running -= 1,
            Kind::Alone => self.runs_alone = false,
        }
    }

    /// When the next item will have waited too long.
    pub(crate) fn due(&self) -> Option<Instant> {
        let alone = self.alone.front().map(|first| first.since + self.patience);
        let others = self.others().filter_map(VecDeque::front);
        others.map(|first| self.due_of(first)).chain(alone).min()
    }

    /// When one will have that does not have to run alone: another worker would be no better for those that do.
    fn due_of(&self, waiting: &Waiting<T>) -> Instant {
        let last = waiting.since + self.patience;
        let stalled = self
            .stall
            .as_ref()
            .map(|stall| stall.freed.max(waiting.since) + stall.now);
        stalled.map_or(last, |stalled| stalled.min(last))
    }

    /// Those that have waited too long.
    pub(crate) fn take_overdue(&mut self, now: Instant) -> Vec<T> {
        let waited = |since: Instant| since + self.patience <= now;
        let mut taken = overdue(&mut self.alone, |waiting| waited(waiting.since));
        if !taken.is_empty() {
            self.others_first_until = Some(now + self.patience);
        }
        let stalled = |since: Instant| {
            let stall = self.stall.as_ref();
            stall.is_some_and(|stall| stall.freed.max(since) + stall.now <= now)
        };
        let before = taken.len();
        let capped = self.capped.iter_mut().map(|capped| &mut capped.waiting);
        for queue in capped.chain([&mut self.free]) {
            taken.extend(overdue(queue, |waiting| {
                waited(waiting.since) || stalled(waiting.since)
            }));
        }
        if let Some(stall) = self.stall.as_mut().filter(|_| taken.len() > before) {
            stall.now = (stall.now * 2).min(self.patience);
        }
        taken
    }

    /// Those that `wanted` names.
    pub(crate) fn take_where(&mut self, wanted: impl Fn(&T) -> bool) -> Vec<T> {
        let mut taken = Vec::new();
        let capped = self.capped.iter_mut().map(|capped| &mut capped.waiting);
        for queue in capped.chain([&mut self.free, &mut self.alone]) {
            if queue.iter().any(|waiting| wanted(&waiting.item)) {
                let (out, kept) = std::mem::take(queue)
                    .into_iter()
                    .partition::<Vec<_>, _>(|waiting| wanted(&waiting.item));
                queue.extend(kept);
                taken.extend(out.into_iter().map(|waiting| waiting.item));
            }
        }
        taken
    }

    /// What does not have to run alone.
    fn others(&self) -> impl Iterator<Item = &VecDeque<Waiting<T>>> {
        let capped = self.capped.iter().map(|capped| &capped.waiting);
        capped.chain([&self.free])
    }
}

/// Takes the first ones of a queue.
fn overdue<T>(queue: &mut VecDeque<Waiting<T>>, is_overdue: impl Fn(&Waiting<T>) -> bool) -> Vec<T> {
    let many = queue.iter().take_while(|waiting| is_overdue(waiting)).count();
    queue.drain(..many).map(|waiting| waiting.item).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(300);

    fn dock(slots: u32, caps: &[(&str, u32)]) -> Dock<u32> {
        let caps = caps.iter().map(|(name, cap)| ((*name).to_owned(), *cap));
        Dock::new(slots, caps, PATIENCE, None, Instant::now())
    }

    fn add(dock: &mut Dock<u32>, job_type: &str, alone: bool, item: u32, now: Instant) {
        let kind = dock.kind(job_type, alone);
        dock.add(kind, item, now);
    }

    fn start_all(dock: &mut Dock<u32>, now: Instant) -> Vec<(u32, Berth)> {
        std::iter::from_fn(|| dock.start(now)).collect()
    }

    fn items(started: &[(u32, Berth)]) -> Vec<u32> {
        started.iter().map(|(item, _)| *item).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn items_start_in_order_while_there_are_slots() {
        let (mut dock, now) = (dock(2, &[]), Instant::now());
        (0..4).for_each(|item| add(&mut dock, "a", false, item, now));
        let started = start_all(&mut dock, now);
        assert_eq!(items(&started), [0, 1]);
        dock.ended(&started[1].1, now);
        assert_eq!(items(&start_all(&mut dock, now)), [2]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_capped_job_type_takes_no_slot_while_it_waits() {
        let (mut dock, now) = (dock(3, &[("heavy", 1)]), Instant::now());
        for (item, job_type) in ["heavy", "heavy", "light", "heavy", "light", "light"]
            .iter()
            .enumerate()
        {
            add(&mut dock, job_type, false, item as u32, now);
        }
        let started = start_all(&mut dock, now);
        assert_eq!(items(&started), [0, 2, 4]);
        dock.ended(&started[1].1, now);
        let next = start_all(&mut dock, now);
        assert_eq!(items(&next), [5], "the cap is still reached");
        dock.ended(&started[0].1, now);
        assert_eq!(items(&start_all(&mut dock, now)), [1]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_runs_alone_has_the_process_for_itself() {
        let (mut dock, now) = (dock(2, &[]), Instant::now());
        add(&mut dock, "a", false, 0, now);
        let before = start_all(&mut dock, now);
        add(&mut dock, "a", true, 10, now);
        add(&mut dock, "a", true, 11, now);
        add(&mut dock, "a", false, 1, now);
        assert_eq!(dock.start(now), None, "nothing new starts while it waits");
        dock.ended(&before[0].1, now);
        let alone = start_all(&mut dock, now);
        assert_eq!(items(&alone), [10], "nothing else starts while it runs");
        dock.ended(&alone[0].1, now);
        let alone = start_all(&mut dock, now);
        assert_eq!(items(&alone), [11]);
        dock.ended(&alone[0].1, now);
        assert_eq!(items(&start_all(&mut dock, now)), [1]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_too_long_is_taken_out() {
        let (mut dock, now) = (dock(1, &[("heavy", 1)]), Instant::now());
        add(&mut dock, "heavy", false, 0, now);
        let running = start_all(&mut dock, now);
        assert_eq!(dock.due(), None);
        add(&mut dock, "light", false, 1, now);
        add(&mut dock, "heavy", false, 2, now + Duration::from_secs(1));
        assert_eq!(dock.due(), Some(now + PATIENCE));
        assert!(
            dock.take_overdue(now + PATIENCE - Duration::from_millis(1))
                .is_empty()
        );
        assert_eq!(dock.take_overdue(now + PATIENCE), [1]);
        assert_eq!(dock.due(), Some(now + PATIENCE + Duration::from_secs(1)));
        assert_eq!(dock.take_overdue(now + PATIENCE * 2), [2]);
        dock.ended(&running[0].1, now);
        assert_eq!(dock.start(now), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_while_no_slot_is_freed_goes_elsewhere() {
        let (first, now) = (Duration::from_secs(1), Instant::now());
        let caps = [("heavy".to_owned(), 1)];
        let mut dock = Dock::new(2, caps, PATIENCE, Some(first), now);
        let after = |ms| now + Duration::from_millis(ms);
        (0..2).for_each(|item| add(&mut dock, "a", false, item, now));
        let running = start_all(&mut dock, now);
        add(&mut dock, "a", false, 2, after(100));
        add(&mut dock, "heavy", false, 3, after(200));
        add(&mut dock, "a", true, 10, after(200));
        assert_eq!(dock.due(), Some(after(1_100)));
        assert_eq!(dock.take_overdue(after(1_100)), [2]);
        assert_eq!(
            dock.due(),
            Some(after(2_200)),
            "they were asked to wait twice as long"
        );
        dock.ended(&running[0].1, after(2_000));
        assert_eq!(dock.due(), Some(after(3_000)), "a slot was freed");
        add(&mut dock, "a", false, 2, after(2_500));
        assert_eq!(dock.take_overdue(after(3_400)), [3], "each has its own time");
        assert_eq!(dock.take_overdue(after(4_500)), [2]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_again_waits_longer_each_time() {
        let mut now = Instant::now();
        let mut dock = Dock::new(1, [], PATIENCE, Some(Duration::from_secs(40)), now);
        add(&mut dock, "a", false, 0, now);
        start_all(&mut dock, now);
        let mut waits = Vec::new();
        for item in 1..6 {
            add(&mut dock, "a", false, item, now);
            let due = dock.due().unwrap();
            waits.push((due - now).as_secs());
            now = due;
            assert_eq!(dock.take_overdue(now), [item]);
        }
        assert_eq!(waits, [40, 80, 160, 300, 300]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_item_and_one_that_runs_alone_do_not_starve_the_rest() {
        let (mut dock, now) = (dock(2, &[]), Instant::now());
        add(&mut dock, "long", false, 0, now);
        let long = start_all(&mut dock, now);
        add(&mut dock, "a", true, 10, now);
        add(&mut dock, "a", false, 1, now + Duration::from_secs(1));
        assert_eq!(dock.take_overdue(now + PATIENCE), [10], "it had its chance");
        let later = now + PATIENCE;
        add(&mut dock, "a", true, 10, later);
        let started = start_all(&mut dock, later);
        assert_eq!(items(&started), [1], "now it is the turn of others");
        add(&mut dock, "a", false, 2, later);
        dock.ended(&started[0].1, now);
        assert_eq!(dock.start(later + PATIENCE), None, "and then its own again");
        dock.ended(&long[0].1, now);
        assert_eq!(items(&start_all(&mut dock, later + PATIENCE)), [10]);
    }

    #[tokio::test(start_paused = true)]
    async fn items_are_taken_out_by_what_they_are() {
        let (mut dock, now) = (dock(1, &[("heavy", 1)]), Instant::now());
        for item in 0..6 {
            add(
                &mut dock,
                ["heavy", "light"][item as usize % 2],
                item > 3,
                item,
                now,
            );
        }
        let mut odd = dock.take_where(|item| item % 2 == 1);
        odd.sort_unstable();
        assert_eq!(odd, [1, 3, 5]);
        let alone = start_all(&mut dock, now);
        assert_eq!(items(&alone), [4]);
        dock.ended(&alone[0].1, now);
        assert_eq!(items(&start_all(&mut dock, now)), [0], "the order is kept");
    }
}
