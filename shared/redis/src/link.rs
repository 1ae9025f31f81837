//! The connection that commands travel over.
//!
//! The library's own `ConnectionManager` is not used, because it keeps the outcome of a failed attempt for good unless
//! that was an I/O error: a process that meets a wrong password or a full server (`max number of clients reached`) at
//! the moment of connecting would get that answer for the rest of its life.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flotilla_core::Tasks;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, FromRedisValue, Pipeline, RedisError, RedisResult};
use tokio::time::{Instant, timeout};

use crate::backoff::Backoff;
use crate::errors::{is_lost, silence};
use crate::options::Options;

/// One attempt at connecting, shared by every call that needs it.
type Attempt = Shared<BoxFuture<'static, Result<MultiplexedConnection, Refused>>>;

/// A failed attempt.
#[derive(Debug, Clone)]
struct Refused {
    error: RedisError,
    /// Failures in a row, this one included.
    failures: u32,
    /// Until then calls fail at once: a server that is down must not cost every caller a timeout.
    until: Instant,
}

/// Connects when it is needed, and again when the connection is lost.
pub(crate) struct Link {
    client: Client,
    options: Options,
    backoff: Arc<Backoff>,
    tasks: Tasks,
    current: Mutex<Option<Attempt>>,
}

impl Link {
    /// Over nothing yet.
    pub(crate) fn new(client: Client, options: Options, backoff: Arc<Backoff>, tasks: Tasks) -> Self {
        Self {
            client,
            options,
            backoff,
            tasks,
            current: Mutex::new(None),
        }
    }

    /// Sends commands in one round trip. They must be idempotent: on a connection that turns out to be cut they are sent
    /// once more on a new one, and after a timeout they may still be executed.
    pub(crate) async fn run<T: FromRedisValue>(&self, pipeline: &Pipeline) -> RedisResult<T> {
        let patience = self.options.call();
        let calls = async {
            match self.once(pipeline).await {
                Err(error) if error.is_connection_dropped() => self.once(pipeline).await,
                answer => answer,
            }
        };
        timeout(patience, calls)
            .await
            .unwrap_or_else(|_| Err(silence(patience)))
    }

    async fn once<T: FromRedisValue>(&self, pipeline: &Pipeline) -> RedisResult<T> {
        let attempt = self.attempt();
        let mut connection = attempt.clone().await.map_err(|refused| refused.error)?;
        let mut call = Call {
            link: self,
            attempt,
            sent: Instant::now(),
            answered: false,
        };
        let answer = pipeline.query_async(&mut connection).await;
        match &answer {
            Err(error) if is_lost(error) => call.give_up(),
            _ => call.answered = true,
        }
        answer
    }

    /// The attempt that is under way or succeeded; a new one where there is none or the last one failed long enough ago.
    fn attempt(&self) -> Attempt {
        let mut current = self.current();
        let failures = match current.as_ref().map(|attempt| (attempt, attempt.peek())) {
            Some((_, Some(Err(refused)))) if refused.until <= Instant::now() => refused.failures,
            Some((attempt, _)) => return attempt.clone(),
            None => 0,
        };
        let attempt = self.connect(failures).boxed().shared();
        // In the background, so that it comes to an end even where every caller has given up waiting for it.
        self.tasks.spawn("redis connection", attempt.clone());
        current.insert(attempt).clone()
    }

    fn connect(
        &self,
        failures: u32,
    ) -> impl Future<Output = Result<MultiplexedConnection, Refused>> + Send + 'static {
        let (client, options, backoff) = (self.client.clone(), self.options, Arc::clone(&self.backoff));
        async move {
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(options.connect))
                .set_response_timeout(Some(options.response));
            let connecting = client.get_multiplexed_async_connection_with_config(&config);
            let connected = timeout(options.connect, connecting).await;
            connected
                .unwrap_or_else(|_| Err(silence(options.connect)))
                .map_err(|error| {
                    let failures = failures.saturating_add(1);
                    let until = Instant::now() + backoff.pause(failures);
                    Refused {
                        error,
                        failures,
                        until,
                    }
                })
        }
    }

    /// Forgets a connection, unless another one has taken its place.
    fn discard(&self, attempt: &Attempt) {
        let mut current = self.current();
        if current.as_ref().is_some_and(|newest| newest.ptr_eq(attempt)) {
            *current = None;
        }
    }

    fn current(&self) -> MutexGuard<'_, Option<Attempt>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that was sent. A caller with less patience than the response timeout drops it without an answer; where that
/// took long, the connection is suspect, and is given up just as after a timeout.
struct Call<'a> {
    link: &'a Link,
    attempt: Attempt,
    sent: Instant,
    answered: bool,
}

impl Call<'_> {
    fn give_up(&mut self) {
        self.answered = true;
        self.link.discard(&self.attempt);
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if !self.answered && self.sent.elapsed() >= self.link.options.response / 2 {
            self.give_up();
        }
    }
}
