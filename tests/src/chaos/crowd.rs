//! Everybody who submits, and what they were promised.

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rand::RngExt;
use rand::rngs::StdRng;
use reqwest::StatusCode;
use tokio::sync::watch;
use tokio::time::interval;

use super::producer::{Producer, Promise};
use crate::checker::{ItemPlan, Plan};

/// How often each item may be attempted.
const MAX_ATTEMPTS: u32 = 3;
/// Between two uploads of those that come all the time.
const REST: Duration = Duration::from_millis(250);
/// Uploads at once, at most: some have to wait for long, and must not hold up the others.
const UNANSWERED: usize = 12;

/// Producers, and the list of what they were promised.
#[derive(Debug)]
pub(crate) struct Crowd {
    pub(crate) producer: Producer,
    promises: Mutex<Vec<Promise>>,
    names: AtomicU64,
}

impl Crowd {
    pub(crate) fn new(producer: Producer) -> Self {
        Self {
            producer,
            promises: Mutex::default(),
            names: AtomicU64::new(0),
        }
    }

    /// An upload whose items take `ms` milliseconds each. Some are refused once or twice, some for good: what happens to
    /// attempts has to survive faults, too.
    pub(crate) fn plan(&self, rng: &mut StdRng, items: u32, ms: RangeInclusive<u32>) -> Plan {
        let number = self.names.fetch_add(1, Ordering::SeqCst);
        let item = |rng: &mut StdRng| {
            let (refusals, hopeless) = match rng.random_range(0..1_000) {
                0..60 => (1, false),
                60..80 => (2, false),
                80..90 => (9, false),
                90..100 => (0, true),
                _ => (0, false),
            };
            ItemPlan {
                refusals,
                hopeless,
                ms: rng.random_range(ms.clone()),
            }
        };
        Plan {
            upload: format!("upload-{number}"),
            items: (0..items).map(|_| item(rng)).collect(),
            max_attempts: MAX_ATTEMPTS,
        }
    }

    /// Uploads, and remembers the promise.
    pub(crate) async fn submit(&self, plan: Plan, options: &[(&str, String)]) -> Result<String> {
        let promise = self.producer.upload(plan, options).await?;
        let id = promise.id.clone();
        self.promised(promise);
        Ok(id)
    }

    pub(crate) fn promised(&self, promise: Promise) {
        self.list().push(promise);
    }

    /// Does something to a batch that was promised.
    pub(crate) async fn act(&self, id: &str, action: &str) -> Result<()> {
        let known = self.list().iter().find(|promise| promise.id == id).cloned();
        let promise = known.context("only what was promised can be steered")?;
        let status = self.producer.act(&promise.path(&format!("/{action}"))).await?;
        // 409: the batch has ended meanwhile.
        ensure!(
            status.is_success() || status == StatusCode::CONFLICT,
            "{action} of {id}: {status}"
        );
        Ok(())
    }

    /// Changes what is known of a promise.
    pub(crate) fn amend(&self, id: &str, change: impl FnOnce(&mut Promise)) {
        if let Some(promise) = self.list().iter_mut().find(|promise| promise.id == id) {
            change(promise);
        }
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        self.list().iter().map(|promise| promise.id.clone()).collect()
    }

    /// All promises but the first `skipped`.
    pub(crate) fn since(&self, skipped: usize) -> Vec<Promise> {
        self.list()[skipped..].to_vec()
    }

    pub(crate) fn count(&self) -> usize {
        self.list().len()
    }

    fn list(&self) -> MutexGuard<'_, Vec<Promise>> {
        self.promises.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Submits small batches, and now and then one of several chunks, until it is told to stop; then waits for those that
    /// were not answered yet. A fault that takes long must not pile up a mountain, so there are only so many of the latter.
    pub(crate) async fn stream(&self, mut rng: StdRng, stop: watch::Receiver<bool>) -> Result<()> {
        let mut unanswered = FuturesUnordered::new();
        let mut ticks = interval(REST);
        let mut number = 0;
        while !*stop.borrow() {
            tokio::select! {
                Some(answered) = unanswered.next(), if !unanswered.is_empty() => drop::<String>(answered?),
                _ = ticks.tick(), if unanswered.len() < UNANSWERED => {
                    number += 1;
                    let long = number % 6 == 0 && number <= 36;
                    let items = if long { 1_500 } else { rng.random_range(1..40) };
                    unanswered.push(self.submit(self.plan(&mut rng, items, 0..=3), &[]));
                }
            }
        }
        while let Some(answered) = unanswered.next().await {
            answered?;
        }
        Ok(())
    }
}
