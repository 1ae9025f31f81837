//! What is done about what a feed says.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::show::{self, Show};
use crate::client::view::{BatchView, ErrorsView, ExplainView};
use crate::client::{Client, Reply};
use crate::commands::follow::{Feed, Still, Update};
use crate::exit::Exit;

/// How often it is looked whether something is to be asked.
const TICK: Duration = Duration::from_millis(500);
/// How often the errors of a batch are read, at most.
const ERRORS_EVERY: Duration = Duration::from_secs(2);

/// When there is nothing more to watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// So many batches have ended.
    Ended(usize),
    /// No batch is active.
    Idle,
    /// Somebody says so.
    Told,
}

/// Watches batches.
pub(super) struct Watcher<'a> {
    client: &'a Client,
    show: Box<dyn Show>,
    until: Until,
    active: BTreeMap<String, Watched>,
    /// Ended, and their results are being read.
    ending: BTreeSet<String>,
    ended: usize,
    all_succeeded: bool,
    /// What is active was read.
    knows_all: bool,
    questions: FuturesUnordered<Pin<Box<dyn Future<Output = Answer> + 'a>>>,
}

/// A batch that has not ended.
struct Watched {
    view: BatchView,
    still: Still,
    why: Option<String>,
    /// Errors that were said.
    said: BTreeSet<String>,
    /// How many items had failed when the errors were read, and when that was.
    failed: (u32, Option<Instant>),
}

enum Answer {
    Errors(String, Result<ErrorsView>),
    Reasons(String, Result<ExplainView>),
    Result(Box<BatchView>, Result<Reply>),
}

impl<'a> Watcher<'a> {
    pub(super) fn new(client: &'a Client, show: Box<dyn Show>, until: Until) -> Self {
        Self {
            client,
            show,
            until,
            active: BTreeMap::new(),
            ending: BTreeSet::new(),
            ended: 0,
            all_succeeded: true,
            knows_all: false,
            questions: FuturesUnordered::new(),
        }
    }

    /// Watches until there is nothing more to watch, or somebody has had enough.
    pub(super) async fn run(mut self, feed: Feed) -> Result<Exit> {
        let mut terminate = signal(SignalKind::terminate()).context("can't handle SIGTERM")?;
        let watched = tokio::select! {
            watched = self.watch(feed) => watched,
            signal = tokio::signal::ctrl_c() => signal.context("can't handle Ctrl-C").map(|()| Exit::Interrupted),
            _ = terminate.recv() => Ok(Exit::Terminated),
        };
        self.show.close();
        watched
    }

    async fn watch(&mut self, feed: Feed) -> Result<Exit> {
        let mut feed = pin!(feed.into_stream());
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                Some(update) = feed.next() => self.heed(update?)?,
                Some(answer) = self.questions.next() => self.take(answer)?,
                _ = tick.tick() => self.wonder(),
            }
            if self.is_over() {
                return Ok(Exit::of(self.all_succeeded));
            }
        }
    }

    fn is_over(&self) -> bool {
        match self.until {
            Until::Ended(all) => self.ended >= all,
            Until::Idle => self.knows_all && self.active.is_empty() && self.ending.is_empty(),
            Until::Told => false,
        }
    }

    /// Takes what the feed says.
    fn heed(&mut self, update: Update) -> Result<()> {
        match update {
            Update::Batch(batch) => self.see(*batch)?,
            Update::Gone(id) => {
                self.active.remove(&id);
                self.show.gone(&id)?;
            }
            Update::Lost(why) => self.show.say(&format!("{why}: trying again"))?,
            Update::Found => self.show.say("the server is back")?,
            Update::Round => {
                let is_first = !std::mem::replace(&mut self.knows_all, true);
                if is_first && self.until == Until::Told && self.active.is_empty() {
                    self.show
                        .say("no batch is active: waiting for one, until Ctrl-C")?;
                }
            }
        }
        Ok(())
    }

    fn see(&mut self, batch: BatchView) -> Result<()> {
        if batch.state.is_final() {
            if self.ending.insert(batch.id.clone()) {
                let client = self.client;
                self.questions.push(Box::pin(async move {
                    let result = client.result(&batch.id, None).await;
                    Answer::Result(Box::new(batch), result)
                }));
            }
            return Ok(());
        }
        let (id, now) = (batch.id.clone(), Instant::now());
        let watched = self.active.entry(id.clone()).or_insert_with(|| Watched {
            still: Still::new(&batch, now),
            view: batch.clone(),
            why: None,
            said: BTreeSet::new(),
            failed: (0, None),
        });
        if watched.still.see(&batch, now) {
            watched.why = None;
        }
        watched.view = batch;
        self.show.progress(&watched.view, watched.why.as_deref())?;
        Ok(())
    }

    /// Asks what there is to ask.
    fn wonder(&mut self) {
        let now = Instant::now();
        let failing: Vec<BatchView> = self
            .active
            .values()
            .filter(|watched| {
                let (failed, at) = watched.failed;
                watched.view.counts.failed != failed && at.is_none_or(|at| now - at >= ERRORS_EVERY)
            })
            .map(|watched| watched.view.clone())
            .collect();
        for batch in failing {
            self.ask_errors(&batch);
        }
        let client = self.client;
        for (id, watched) in &mut self.active {
            if watched.still.wonders(now) {
                let id = id.clone();
                self.questions.push(Box::pin(async move {
                    let reasons = client.reasons(&id).await;
                    Answer::Reasons(id, reasons)
                }));
            }
        }
    }

    fn ask_errors(&mut self, batch: &BatchView) {
        if let Some(watched) = self.active.get_mut(&batch.id) {
            watched.failed = (batch.counts.failed, Some(Instant::now()));
        }
        let (client, id) = (self.client, batch.id.clone());
        self.questions.push(Box::pin(async move {
            let errors = client.errors(&id).await;
            Answer::Errors(id, errors)
        }));
    }

    fn take(&mut self, answer: Answer) -> Result<()> {
        match answer {
            // What can't be told now is told later, or by the result.
            Answer::Errors(_, Err(_)) | Answer::Reasons(_, Err(_)) => {}
            Answer::Errors(id, Ok(errors)) => {
                if let Some(watched) = self.active.get_mut(&id) {
                    for group in &errors.errors {
                        if watched.said.insert(group.fingerprint.clone()) {
                            self.show.error(&watched.view, group)?;
                        }
                    }
                }
            }
            Answer::Reasons(id, Ok(reasons)) => {
                if let Some(watched) = self.active.get_mut(&id) {
                    let why = show::why(&reasons);
                    if watched.why != why {
                        watched.why = why;
                        self.show.explain(&watched.view, &reasons)?;
                    }
                    self.show.progress(&watched.view, watched.why.as_deref())?;
                }
            }
            Answer::Result(batch, result) => self.end(&batch, result)?,
        }
        Ok(())
    }

    fn end(&mut self, batch: &BatchView, result: Result<Reply>) -> Result<()> {
        self.ending.remove(&batch.id);
        self.active.remove(&batch.id);
        self.ended += 1;
        self.all_succeeded &= batch.counts.succeeded == batch.counts.total;
        let result = match result {
            Ok(result) => Some(result),
            // Whoever watches one wants it.
            Err(error) if self.until == Until::Ended(1) => return Err(error),
            Err(_) => None,
        };
        self.show.ended(batch, result.as_ref())?;
        Ok(())
    }
}
