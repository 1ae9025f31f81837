//! How batches stand, and what becomes of them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use anyhow::Result;
use flotilla_core::BatchState;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::Instant;

use super::link::{Link, Said};
use crate::client::problem::Problem;
use crate::client::view::{BatchEvent, BatchPage, BatchView};
use crate::client::{Client, is_passing};

/// How often a batch that moves is read from a server that others use too, and tells nothing by itself.
const LIVELY: Duration = Duration::from_millis(250);
/// The same for a space: that takes several requests.
const LIVELY_SPACE: Duration = Duration::from_secs(1);
/// How often what has not moved for long is read, and what the server tells of by itself.
const IDLE: Duration = Duration::from_secs(5);
/// How long a server that is being restarted is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// The first pause after a failed request, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// Requests at once.
const AT_ONCE: usize = 5;
/// Batches per state that are followed where nobody says which.
const MOST: u32 = 200;
/// Batches that may begin and end between two reads of a space, so that they are seen nevertheless.
const NEWEST: u32 = 50;
/// Ends that are remembered.
const OVER: usize = 256;
/// States that are not final.
const ACTIVE: [BatchState; 5] = [
    BatchState::Open,
    BatchState::Pending,
    BatchState::Processing,
    BatchState::Paused,
    BatchState::Cancelling,
];

/// What is followed.
#[derive(Debug, Clone)]
pub(crate) enum Scope {
    /// These batches.
    Batches(Vec<String>),
    /// Whatever is active in the space.
    Space {
        /// Also the newest of those that had ended before.
        ended: bool,
    },
}

/// What there is to know.
#[derive(Debug)]
pub(crate) enum Update {
    /// A batch as it is now.
    Batch(Box<BatchView>),
    /// A batch was removed.
    Gone(String),
    /// The server does not answer any more, and why.
    Lost(String),
    /// It does again.
    Found,
    /// All of it was read: what was not told of is not there.
    Round,
}

/// The last that was heard of a batch.
struct Known {
    view: BatchView,
    version: u64,
}

/// Follows batches.
pub(crate) struct Feed {
    client: Client,
    scope: Scope,
    link: Link,
    lively: Duration,
    /// Whether a server that is lost is waited for without an end.
    endless: bool,
    known: BTreeMap<String, Known>,
    /// The newest batch of the space when this began: ids are in the order of time.
    begin: Option<String>,
    /// Batches of the space whose end was told of late, so that it is told once.
    over: VecDeque<String>,
    /// Batches of which an event said more than can be told by it.
    unread: BTreeSet<String>,
    ready: VecDeque<Update>,
    /// When to read next.
    due: Instant,
    moved: Instant,
    reached: bool,
    lost: Option<Lost>,
}

struct Lost {
    since: Instant,
    pause: Duration,
}

impl Feed {
    /// Nothing known yet.
    pub(crate) fn new(client: &Client, scope: Scope) -> Self {
        let only = match &scope {
            Scope::Batches(ids) if ids.len() == 1 => ids.first().cloned(),
            _ => None,
        };
        let lively = match &scope {
            Scope::Batches(_) => LIVELY,
            Scope::Space { .. } => LIVELY_SPACE,
        };
        let now = Instant::now();
        Self {
            client: client.clone(),
            scope,
            link: Link::new(client.clone(), only),
            lively,
            endless: false,
            known: BTreeMap::new(),
            begin: None,
            over: VecDeque::new(),
            unread: BTreeSet::new(),
            ready: VecDeque::new(),
            due: now,
            moved: now,
            reached: false,
            lost: None,
        }
    }

    /// How often to read what moves, where the server tells nothing by itself.
    pub(crate) fn every(mut self, lively: Duration) -> Self {
        self.lively = lively;
        self
    }

    /// Waits for the server without an end, once it has been there.
    pub(crate) fn endless(mut self) -> Self {
        self.endless = true;
        self
    }

    /// As a stream, so that waiting for it can be given up on and begun again.
    pub(crate) fn into_stream(self) -> impl futures_util::Stream<Item = Result<Update>> {
        stream::unfold(self, async |mut feed| Some((feed.next().await, feed)))
    }

    /// What happens next.
    ///
    /// # Errors
    /// Where the server has not been there yet, is away for too long, or does not know a batch.
    pub(crate) async fn next(&mut self) -> Result<Update> {
        loop {
            if let Some(update) = self.ready.pop_front() {
                return Ok(update);
            }
            tokio::select! {
                () = tokio::time::sleep_until(self.due) => self.look().await?,
                said = self.link.next() => self.heed(said),
            }
        }
    }

    fn heed(&mut self, said: Said) {
        match said {
            // What happened in between was not told.
            Said::Opened | Said::Broken => self.due = Instant::now(),
            Said::Event(event) => self.hear(&event),
        }
    }

    /// Takes what an event tells; what it does not tell is to be read.
    fn hear(&mut self, event: &BatchEvent) {
        if let Scope::Batches(ids) = &self.scope
            && !ids.contains(&event.id)
        {
            return;
        }
        if event.state.is_final() && self.over.contains(&event.id) {
            return;
        }
        let known = self.known.get_mut(&event.id);
        let Some(known) = known.filter(|known| known.view.state == event.state && !event.state.is_final())
        else {
            let is_old = |known: &Known| event.version > 0 && event.version <= known.version;
            if !self.known.get(&event.id).is_some_and(is_old) {
                self.unread.insert(event.id.clone());
                self.due = Instant::now();
            }
            return;
        };
        if event.version > 0 && event.version <= known.version {
            return;
        }
        known.version = event.version;
        known.view.counts = event.counts;
        known.view.percent = event.percent;
        known.view.rate_per_s = event.rate_per_s;
        known.view.eta = event.eta;
        self.ready.push_back(Update::Batch(Box::new(known.view.clone())));
    }

    /// Reads what is to be read, and says when to read again.
    async fn look(&mut self) -> Result<()> {
        let looked = self.read().await;
        let now = Instant::now();
        match looked {
            Ok(()) => {
                self.reached = true;
                if self.lost.take().is_some() {
                    self.ready.push_back(Update::Found);
                }
                self.due = now + self.rest(now);
                Ok(())
            }
            Err(error) if self.is_bearable(&error, now) => {
                let lost = self.lost.get_or_insert_with(|| {
                    let text = error.to_string();
                    let first = text.lines().next().unwrap_or_default();
                    self.ready.push_back(Update::Lost(first.to_owned()));
                    Lost {
                        since: now,
                        pause: PAUSE.0,
                    }
                });
                self.due = now + lost.pause;
                lost.pause = (lost.pause * 2).min(PAUSE.1);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn is_bearable(&self, error: &anyhow::Error, now: Instant) -> bool {
        let is_patient = |lost: &Lost| now - lost.since < PATIENCE;
        self.reached && (self.endless || is_passing(error) && self.lost.as_ref().is_none_or(is_patient))
    }

    /// The longer nothing has moved, the less often it is looked at.
    fn rest(&self, now: Instant) -> Duration {
        if self.link.is_open() {
            IDLE
        } else {
            rest(now - self.moved, self.lively)
        }
    }

    async fn read(&mut self) -> Result<()> {
        let unread: Vec<String> = self.unread.iter().cloned().collect();
        if !unread.is_empty() {
            self.read_these(unread).await?;
            self.unread.clear();
            return Ok(());
        }
        match self.scope.clone() {
            Scope::Batches(ids) => {
                let has_ended = |id: &String| {
                    self.known
                        .get(id)
                        .is_some_and(|known| known.view.state.is_final())
                };
                let ids = ids.into_iter().filter(|id| !has_ended(id)).collect();
                self.read_these(ids).await?;
            }
            Scope::Space { ended } => self.read_space(ended).await?,
        }
        self.ready.push_back(Update::Round);
        Ok(())
    }

    async fn read_these(&mut self, ids: Vec<String>) -> Result<()> {
        let client = &self.client;
        let found: Vec<(String, Option<BatchView>)> = stream::iter(ids)
            .map(async |id| match client.batch(&id).await {
                Ok(reply) => Ok((id, Some(reply.to()?))),
                Err(error) if error.downcast_ref().is_some_and(Problem::is_missing) => match self.scope {
                    Scope::Batches(_) => Err(error),
                    Scope::Space { .. } => Ok((id, None)),
                },
                Err(error) => Err(error),
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        for (id, view) in found {
            match view {
                Some(view) => self.learn(view),
                None => {
                    self.known.remove(&id);
                    self.ready.push_back(Update::Gone(id));
                }
            }
        }
        Ok(())
    }

    async fn read_space(&mut self, ended: bool) -> Result<()> {
        let client = &self.client;
        let pages = ACTIVE.into_iter().map(|state| (Some(state.as_str()), MOST));
        // A short one may have begun and ended since.
        let pages = [(None, NEWEST)].into_iter().chain(pages);
        let pages: Vec<BatchPage> = stream::iter(pages)
            .map(async |(state, limit)| client.batches(state, None, None, limit).await?.to())
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let mut views: Vec<BatchView> = pages.into_iter().flat_map(|page| page.batches).collect();
        // A batch that is on two pages changed in between; what is final is the later of them.
        views.sort_by(|a, b| (&a.id, !a.state.is_final()).cmp(&(&b.id, !b.state.is_final())));
        views.dedup_by(|a, b| a.id == b.id);
        let listed: BTreeSet<&String> = views.iter().map(|view| &view.id).collect();
        // Those have ended since.
        let others = self.known.keys().filter(|id| !listed.contains(id));
        let others = others.cloned().collect();
        self.read_these(others).await?;
        let newest = views.last().map(|view| view.id.clone()).unwrap_or_default();
        let begin = self.begin.get_or_insert(newest).clone();
        let is_wanted = |view: &BatchView| {
            let is_recent = if self.reached { view.id > begin } else { ended };
            !view.state.is_final() || is_recent || self.known.contains_key(&view.id)
        };
        let wanted: Vec<BatchView> = views.into_iter().filter(is_wanted).collect();
        wanted.into_iter().for_each(|view| self.learn(view));
        Ok(())
    }

    /// Takes what was read, and passes it on where it says something new.
    fn learn(&mut self, view: BatchView) {
        let before = self.known.get(&view.id);
        let was_over = self.over.iter().position(|id| *id == view.id);
        let is_the_same = match before {
            Some(known) => (known.view.state, known.view.counts) == (view.state, view.counts),
            None => view.state.is_final() && was_over.is_some(),
        };
        if !is_the_same {
            self.moved = Instant::now();
        }
        let version = before.map_or(0, |known| known.version);
        if view.state.is_final() && matches!(self.scope, Scope::Space { .. }) {
            self.known.remove(&view.id);
            if was_over.is_none() {
                self.over.push_back(view.id.clone());
                let surplus = self.over.len().saturating_sub(OVER);
                self.over.drain(..surplus);
                self.ready.push_back(Update::Batch(Box::new(view)));
            }
        } else {
            // Items of it run again.
            if let Some(at) = was_over {
                self.over.remove(at);
            }
            self.ready.push_back(Update::Batch(Box::new(view.clone())));
            self.known.insert(view.id.clone(), Known { view, version });
        }
    }
}

fn rest(still: Duration, lively: Duration) -> Duration {
    (still / 4).clamp(lively, IDLE)
}

#[cfg(test)]
mod tests;
