//! What is known and chosen. Pure: messages in, effects out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use flotilla_core::BatchState;
use flotilla_core::result::ErrorGroup;
use tokio::time::Instant;

use super::keys::Command;
use crate::client::view::{BatchView, ErrorsView, ExplainView, ReasonView, WorkerView, WorkersView};
use crate::commands::follow::{Still, Update};
use crate::exit::Exit;
use crate::output::{number, text};

/// How often the workers, and the details of a batch, are read.
const EVERY: Duration = Duration::from_secs(2);
/// How often the rate is noted.
const SAMPLE: Duration = Duration::from_secs(1);
/// Rates that are kept: as many as the widest screen shows.
const SAMPLES: usize = 300;
/// How long a notice stays.
const NOTICE: Duration = Duration::from_secs(6);
/// Batches that are kept although they have ended.
const ENDED: usize = 200;
/// Batches whose standstill is asked about at a time.
const WONDERING: usize = 5;
/// A page, for the keys.
const PAGE: usize = 10;

/// Something happened.
#[derive(Debug)]
pub(super) enum Message {
    Command(Command),
    Feed(Update),
    /// Answers, where there was one.
    Workers(Option<WorkersView>),
    Reasons(String, Option<ExplainView>),
    Errors(String, Option<ErrorsView>),
    /// What somebody wanted was done, or why it was not.
    Done(Result<(Box<BatchView>, String), String>),
    Resized,
    Tick,
}

/// What is to be done about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Ask(Wish),
    Draw,
    Quit(Exit),
}

/// What is asked of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    Workers,
    Reasons(String),
    Errors(String),
    Act { id: String, action: &'static str },
    Limit { id: String, concurrency: u32 },
}

/// What keys are for at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mode {
    Normal,
    /// A filter is being typed.
    Filter,
    /// Something is to be confirmed.
    Confirm(Question),
    Help,
}

/// What is to be confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) id: String,
    pub(super) text: String,
    pub(super) deed: Deed,
}

/// What can't be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    Cancel,
    Retry,
}

/// In which order batches are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Newest,
    Rate,
    Failed,
    Left,
}

impl Sort {
    /// In words.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Rate => "rate",
            Self::Failed => "failures",
            Self::Left => "items left",
        }
    }

    fn next(self) -> Self {
        match self {
            Self::Newest => Self::Rate,
            Self::Rate => Self::Failed,
            Self::Failed => Self::Left,
            Self::Left => Self::Newest,
        }
    }
}

/// A batch.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) batch: BatchView,
    pub(super) reasons: Vec<ReasonView>,
    /// Why it does not move, where it does not.
    pub(super) why: Option<String>,
    still: Still,
}

/// All of it.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) server: String,
    pub(super) space: String,
    pub(super) mode: Mode,
    pub(super) sort: Sort,
    pub(super) filter: String,
    pub(super) shows_details: bool,
    pub(super) selected: Option<String>,
    pub(super) errors: Vec<ErrorGroup>,
    pub(super) workers: Vec<WorkerView>,
    /// Items per second, one a second, the latest last.
    pub(super) rates: VecDeque<u64>,
    /// Why the server can't be asked.
    pub(super) lost: Option<String>,
    notice: Option<(String, Instant)>,
    rows: BTreeMap<String, Row>,
    due: Due,
    /// Questions that were not answered yet.
    open: BTreeSet<&'static str>,
}

/// When to do what happens by itself.
#[derive(Debug)]
struct Due {
    workers: Instant,
    details: Instant,
    sample: Instant,
}

/// The numbers at the top.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Totals {
    pub(super) active: usize,
    pub(super) rate: f64,
    pub(super) running: u64,
    pub(super) backlog: u64,
    pub(super) failed: u64,
    pub(super) slots: (u64, u64),
}

impl Model {
    /// Nothing known yet.
    pub(super) fn new(server: String, space: String, now: Instant) -> Self {
        Self {
            server,
            space,
            mode: Mode::Normal,
            sort: Sort::Newest,
            filter: String::new(),
            shows_details: false,
            selected: None,
            errors: Vec::new(),
            workers: Vec::new(),
            rates: VecDeque::new(),
            lost: None,
            notice: None,
            rows: BTreeMap::new(),
            due: Due {
                workers: now,
                details: now,
                sample: now,
            },
            open: BTreeSet::new(),
        }
    }

    /// The batches that are shown, in order: what is active first.
    pub(super) fn visible(&self) -> Vec<&Row> {
        let wanted = self.filter.to_lowercase();
        let fits = |row: &&Row| {
            let batch = &row.batch;
            let name = batch.name.as_deref().unwrap_or_default().to_lowercase();
            [name.as_str(), &batch.id, &batch.job_type, batch.state.as_str()]
                .iter()
                .any(|text| text.contains(&wanted))
        };
        let mut rows: Vec<&Row> = self.rows.values().filter(fits).collect();
        // Ids begin with the time.
        rows.sort_by(|a, b| {
            let (a, b) = (&a.batch, &b.batch);
            let order = match self.sort {
                Sort::Newest => std::cmp::Ordering::Equal,
                Sort::Rate => b.rate_per_s.total_cmp(&a.rate_per_s),
                Sort::Failed => b.counts.failed.cmp(&a.counts.failed),
                Sort::Left => left(b).cmp(&left(a)),
            };
            let ended = a.state.is_final().cmp(&b.state.is_final());
            ended.then(order).then_with(|| b.id.cmp(&a.id))
        });
        rows
    }

    /// The batch that keys are about.
    pub(super) fn chosen(&self) -> Option<&Row> {
        self.rows.get(self.selected.as_ref()?)
    }

    /// What was done, or could not be.
    pub(super) fn notice(&self) -> Option<&str> {
        self.notice.as_ref().map(|(text, _)| text.as_str())
    }

    /// The numbers at the top.
    pub(super) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        let active = self.rows.values().filter(|row| !row.batch.state.is_final());
        for Row { batch, .. } in active {
            let counts = &batch.counts;
            totals.active += 1;
            totals.running += u64::from(counts.processing);
            totals.backlog += left(batch) - u64::from(counts.processing);
            totals.failed += u64::from(counts.failed);
            if batch.state != BatchState::Paused {
                totals.rate += batch.rate_per_s;
            }
        }
        for worker in &self.workers {
            totals.slots.0 += u64::from(worker.running);
            totals.slots.1 += u64::from(worker.concurrency);
        }
        totals
    }

    /// Takes what happened, and says what is to be done about it.
    pub(super) fn update(&mut self, message: Message, now: Instant) -> Vec<Effect> {
        match message {
            Message::Command(command) => return self.obey(command, now),
            Message::Feed(update) => self.heed(update, now),
            Message::Workers(workers) => {
                self.open.remove("workers");
                if let Some(workers) = workers {
                    self.workers = workers.workers;
                }
            }
            Message::Reasons(id, reasons) => self.explain(&id, reasons),
            Message::Errors(id, errors) => {
                self.open.remove("errors");
                if let Some(errors) = errors.filter(|_| self.selected.as_ref() == Some(&id)) {
                    self.errors = errors.errors;
                }
            }
            Message::Done(Ok((batch, said))) => {
                self.see(*batch, now);
                self.say(said, now);
            }
            Message::Done(Err(why)) => self.say(why, now),
            Message::Resized => {}
            Message::Tick => return self.tick(now),
        }
        Vec::new()
    }

    fn heed(&mut self, update: Update, now: Instant) {
        match update {
            Update::Batch(batch) => self.see(*batch, now),
            Update::Gone(id) => {
                self.rows.remove(&id);
                self.settle();
            }
            Update::Lost(why) => self.lost = Some(why),
            Update::Found => self.lost = None,
            Update::Round => {}
        }
    }

    fn see(&mut self, batch: BatchView, now: Instant) {
        match self.rows.get_mut(&batch.id) {
            Some(row) => {
                if row.still.see(&batch, now) {
                    row.why = None;
                }
                row.batch = batch;
            }
            None => {
                let row = Row {
                    still: Still::new(&batch, now),
                    reasons: Vec::new(),
                    why: None,
                    batch,
                };
                self.rows.insert(row.batch.id.clone(), row);
            }
        }
        self.forget();
        self.settle();
    }

    /// Lets go of the oldest ones that have ended, so that this can run for weeks.
    fn forget(&mut self) {
        let ended = self.rows.values().filter(|row| row.batch.state.is_final());
        let ended: Vec<String> = ended.map(|row| row.batch.id.clone()).collect();
        for id in ended.iter().take(ended.len().saturating_sub(ENDED)) {
            self.rows.remove(id);
        }
    }

    /// Something is selected, as long as there is something.
    fn settle(&mut self) {
        let visible = self.visible();
        let is_there = |id: &String| visible.iter().any(|row| row.batch.id == *id);
        if !self.selected.as_ref().is_some_and(is_there) {
            let first = visible.first().map(|row| row.batch.id.clone());
            self.choose(first);
        }
    }

    fn choose(&mut self, id: Option<String>) {
        if self.selected != id {
            self.selected = id;
            self.errors.clear();
            self.due.details = self.due.sample;
        }
    }

    fn explain(&mut self, id: &str, reasons: Option<ExplainView>) {
        self.open.remove("reasons");
        let (Some(row), Some(reasons)) = (self.rows.get_mut(id), reasons) else {
            return;
        };
        let most = reasons.reasons.iter().max_by_key(|reason| reason.count);
        row.why = most.map(|reason| text::clean(&reason.detail, 160));
        row.reasons = reasons.reasons;
    }

    fn say(&mut self, text: String, now: Instant) {
        self.notice = Some((text, now + NOTICE));
    }

    fn tick(&mut self, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.notice.as_ref().is_some_and(|(_, until)| *until <= now) {
            self.notice = None;
            effects.push(Effect::Draw);
        }
        if self.due.sample <= now {
            self.due.sample = now + SAMPLE;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "positive, and saturating is fine"
            )]
            self.rates.push_back(self.totals().rate.round() as u64);
            let surplus = self.rates.len().saturating_sub(SAMPLES);
            self.rates.drain(..surplus);
            effects.push(Effect::Draw);
        }
        if self.due.workers <= now && self.open.insert("workers") {
            self.due.workers = now + EVERY;
            effects.push(Effect::Ask(Wish::Workers));
        }
        effects.extend(self.ask_details(now));
        let still = self.rows.iter_mut().filter_map(|(id, row)| {
            let wonders = row.still.wonders(now);
            wonders.then(|| Wish::Reasons(id.clone()))
        });
        let still = still.take(WONDERING);
        effects.extend(still.map(Effect::Ask));
        effects
    }

    fn ask_details(&mut self, now: Instant) -> Vec<Effect> {
        let Some(id) = self.selected.clone().filter(|_| self.shows_details) else {
            return Vec::new();
        };
        if self.due.details > now {
            return Vec::new();
        }
        self.due.details = now + EVERY;
        let errors = self.open.insert("errors").then(|| Wish::Errors(id.clone()));
        let reasons = self.open.insert("reasons").then_some(Wish::Reasons(id));
        errors.into_iter().chain(reasons).map(Effect::Ask).collect()
    }

    fn obey(&mut self, command: Command, now: Instant) -> Vec<Effect> {
        match command {
            Command::Quit => return vec![Effect::Quit(Exit::Fine)],
            Command::Interrupt => return vec![Effect::Quit(Exit::Interrupted)],
            Command::Up => self.step(-1),
            Command::Down => self.step(1),
            Command::PageUp => self.step(-(PAGE as isize)),
            Command::PageDown => self.step(PAGE as isize),
            Command::First => self.step(isize::MIN / 2),
            Command::Last => self.step(isize::MAX / 2),
            Command::Details => {
                self.shows_details = !self.shows_details;
                self.due.details = now;
                return self.ask_details(now);
            }
            Command::Filter => self.mode = Mode::Filter,
            Command::Sort => self.sort = self.sort.next(),
            Command::Help => self.mode = Mode::Help,
            Command::Accept => self.mode = Mode::Normal,
            Command::Type(typed) => {
                self.filter.push(typed);
                self.settle();
            }
            Command::Erase => {
                self.filter.pop();
                self.settle();
            }
            Command::Close => self.close(),
            Command::Yes => return self.confirmed(now),
            Command::Pause | Command::Cancel | Command::Retry | Command::More | Command::Less => {
                return self.steer(command, now);
            }
        }
        Vec::new()
    }

    /// Back to where one was; from there, to all batches without details.
    fn close(&mut self) {
        match std::mem::replace(&mut self.mode, Mode::Normal) {
            Mode::Normal if self.shows_details => self.shows_details = false,
            Mode::Normal | Mode::Filter => {
                self.filter.clear();
                self.settle();
            }
            Mode::Confirm(_) | Mode::Help => {}
        }
    }

    fn confirmed(&mut self, now: Instant) -> Vec<Effect> {
        let Mode::Confirm(question) = std::mem::replace(&mut self.mode, Mode::Normal) else {
            return Vec::new();
        };
        let action = match question.deed {
            Deed::Cancel => "cancel",
            Deed::Retry => "retry",
        };
        self.say("asking the server …".to_owned(), now);
        vec![Effect::Ask(Wish::Act {
            id: question.id,
            action,
        })]
    }

    fn step(&mut self, by: isize) {
        let visible = self.visible();
        let at = visible
            .iter()
            .position(|row| Some(&row.batch.id) == self.selected.as_ref());
        let last = visible.len().saturating_sub(1);
        let to = at.unwrap_or_default().saturating_add_signed(by).min(last);
        let id = visible.get(to).map(|row| row.batch.id.clone());
        self.choose(id);
    }

    /// Does something to the chosen batch, or asks whether to.
    fn steer(&mut self, command: Command, now: Instant) -> Vec<Effect> {
        let Some(batch) = self.chosen().map(|row| &row.batch) else {
            return Vec::new();
        };
        let (id, state, name) = (batch.id.clone(), batch.state, name(batch));
        let (failed, limit) = (batch.counts.failed, batch.concurrency);
        let running = batch.counts.processing + batch.counts.queued;
        let refused = match command {
            Command::Retry if failed == 0 => Some("no item of it has failed"),
            Command::Retry if state == BatchState::Cancelling => Some("it is being cancelled"),
            Command::Retry => None,
            _ if state.is_final() => Some("it has ended"),
            Command::More if limit.is_none() => Some("it has no limit; - sets one"),
            Command::Less if limit == Some(1) => Some("1 is the least; p pauses it"),
            _ => None,
        };
        if let Some(why) = refused {
            self.say(format!("{name}: {why}"), now);
            return Vec::new();
        }
        let wish = match command {
            Command::Pause if state == BatchState::Paused => Wish::Act { id, action: "resume" },
            Command::Pause => Wish::Act { id, action: "pause" },
            Command::More | Command::Less => {
                let concurrency = changed(limit, running, command == Command::More);
                Wish::Limit { id, concurrency }
            }
            Command::Cancel => {
                let text = format!("cancel {name}, for good?");
                return self.confirm(id, text, Deed::Cancel);
            }
            _ => {
                let text = format!(
                    "run {} of {name} again?",
                    number::counted(failed.into(), "failed item")
                );
                return self.confirm(id, text, Deed::Retry);
            }
        };
        vec![Effect::Ask(wish)]
    }

    fn confirm(&mut self, id: String, text: String, deed: Deed) -> Vec<Effect> {
        self.mode = Mode::Confirm(Question { id, text, deed });
        Vec::new()
    }
}

/// Items without a terminal state.
fn left(batch: &BatchView) -> u64 {
    u64::from(batch.counts.total) - u64::from(batch.counts.settled()).min(batch.counts.total.into())
}

/// What people call it.
pub(super) fn name(batch: &BatchView) -> String {
    match batch.name.as_deref().filter(|name| !name.is_empty()) {
        Some(name) => text::clean(name, 40),
        None => text::tail(&batch.id, 13),
    }
}

/// A tenth more or less, at least one. Without a limit, as many as are in flight now are where it begins.
fn changed(limit: Option<u32>, in_flight: u32, more: bool) -> u32 {
    let limit = limit.unwrap_or_else(|| in_flight.max(2));
    let step = (limit / 10).max(1);
    if more {
        limit.saturating_add(step)
    } else {
        (limit - step).max(1)
    }
}

#[cfg(test)]
mod tests;
