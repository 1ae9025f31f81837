//! Uploads that go on where they broke: the file is sent from its beginning again, and the server drops what it has.

use std::time::Duration;

use anyhow::Result;
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use super::content::Content;
use super::file::InputFile;
use super::{Place, Sent};
use crate::client::{Client, Reply, is_worth_repeating};
use crate::output::{duration, number};

/// How long an upload may fail in a row without anything new having arrived.
const PATIENCE: Duration = Duration::from_secs(300);
/// The first pause, and the longest one.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// What is appended to which batch, and under which name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resumable<'a> {
    pub(crate) client: &'a Client,
    pub(crate) batch: &'a str,
    /// Under this name the server remembers how much of the file it has.
    pub(crate) producer: &'a str,
    pub(crate) file: &'a InputFile,
    pub(crate) content: &'a Content,
    pub(crate) sent: &'a Sent,
}

impl Resumable<'_> {
    /// Appends all of the file, however often that breaks, and says so each time.
    ///
    /// # Errors
    /// Where the server refuses it, the file can't be read, or it broke for too long.
    pub(crate) async fn run(&self, patience: Patience, say: impl Fn(&str)) -> Result<Reply> {
        let place = Place::Producer(self.producer);
        persist(patience, say, async || {
            self.sent.restart();
            let body = self.file.open().await?;
            let appended = self
                .client
                .append(self.batch, body, self.content, place, self.sent);
            let error = match appended.await {
                Ok(reply) => return Ok(Attempt::Done(reply)),
                Err(error) => error,
            };
            if !is_worth_repeating(&error) {
                return Err(error);
            }
            let held = self.client.held(self.batch, self.producer).await.ok();
            Ok(Attempt::Broke { error, held })
        })
        .await
    }
}

/// Does something that can be repeated until it is done.
///
/// # Errors
/// Where repeating it would not help, or did not for too long.
pub(crate) async fn insist(
    patience: Patience,
    say: impl Fn(&str),
    once: impl AsyncFn() -> Result<Reply>,
) -> Result<Reply> {
    persist(patience, say, async || match once().await {
        Ok(reply) => Ok(Attempt::Done(reply)),
        Err(error) if is_worth_repeating(&error) => Ok(Attempt::Broke { error, held: None }),
        Err(error) => Err(error),
    })
    .await
}

enum Attempt {
    Done(Reply),
    Broke {
        error: anyhow::Error,
        /// How much the server has, where it could be asked.
        held: Option<u64>,
    },
}

async fn persist(
    mut patience: Patience,
    say: impl Fn(&str),
    attempt: impl AsyncFn() -> Result<Attempt>,
) -> Result<Reply> {
    loop {
        let (error, held) = match attempt().await? {
            Attempt::Done(reply) => return Ok(reply),
            Attempt::Broke { error, held } => (error, held),
        };
        let Some(pause) = patience.pause(Instant::now(), held) else {
            return Err(error);
        };
        let has = held.map_or(String::new(), |held| {
            format!("; the server has {}", number::items(held))
        });
        say(&format!(
            "{error:#}{has}; trying again in {}",
            duration::human(pause)
        ));
        sleep(pause).await;
    }
}

/// Decides how long to wait before the next attempt, and when that is no use any more.
#[derive(Debug, Clone)]
pub(crate) struct Patience {
    patience: Duration,
    pauses: (Duration, Duration),
    /// The first failure after which nothing new arrived.
    failing_since: Option<Instant>,
    pause: Duration,
    held: u64,
}

impl Default for Patience {
    fn default() -> Self {
        Self::new(PATIENCE, PAUSES)
    }
}

impl Patience {
    /// With pauses that double from the first to the longest.
    pub(crate) fn new(patience: Duration, pauses: (Duration, Duration)) -> Self {
        Self {
            patience,
            pauses,
            failing_since: None,
            pause: pauses.0,
            held: 0,
        }
    }

    /// How long to wait after a failure at `now`, when the server had so many items; nothing where it has failed for too
    /// long.
    fn pause(&mut self, now: Instant, held: Option<u64>) -> Option<Duration> {
        if let Some(held) = held.filter(|held| *held > self.held) {
            self.held = held;
            self.failing_since = None;
            self.pause = self.pauses.0;
        }
        let since = *self.failing_since.get_or_insert(now);
        let pause = self.pause;
        self.pause = (2 * pause).min(self.pauses.1);
        (now.duration_since(since) + pause <= self.patience).then_some(pause)
    }
}

impl Client {
    /// How many items of a producer's a batch has.
    async fn held(&self, batch: &str, producer: &str) -> Result<u64> {
        #[derive(Deserialize)]
        struct Producer {
            offset: u64,
        }
        let path = ["v1", "batches", batch, "producers", producer];
        let producer: Producer = self.get(&path, &[]).await?.to()?;
        Ok(producer.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn patience_ends_unless_something_arrives() {
        let seconds = Duration::from_secs;
        let mut patience = Patience::new(seconds(20), (seconds(1), seconds(8)));
        let pauses = |patience: &mut Patience, held| {
            let mut at = Instant::now();
            let mut pauses = Vec::new();
            while let Some(pause) = patience.pause(at, held) {
                pauses.push(pause.as_secs());
                at += pause;
            }
            pauses
        };
        assert_eq!(pauses(&mut patience, None), [1, 2, 4, 8]);
        assert_eq!(patience.pause(Instant::now() + seconds(100), Some(0)), None);
        assert_eq!(
            patience.pause(Instant::now() + seconds(200), Some(5)),
            Some(seconds(1))
        );
        assert_eq!(
            patience.pause(Instant::now() + seconds(201), Some(5)),
            Some(seconds(2))
        );
        assert_eq!(patience.pause(Instant::now() + seconds(900), Some(5)), None);
    }
}
