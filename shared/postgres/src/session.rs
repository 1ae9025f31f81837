//! Runs operations on pooled connections: with a time limit, and once more where another transaction was in the way.
//!
//! # Calls that are cut short
//!
//! A caller may drop a call at any await. The client library rolls an unfinished transaction back by sending `ROLLBACK`
//! behind whatever was sent before, also where the call was cut short while the transaction began, so the connection
//! could be used again. But nobody would know what it is still busy with, or whether its server is still there. So a
//! connection goes back to the pool only after its operation has come to an end, and is closed otherwise, which rolls
//! back as well. A `COMMIT` is sent at once or not at all: all of the transaction happens, or nothing.
//!
//! # Plans
//!
//! A statement that finds rows by key has one good plan. Making it anew for each execution, as the server does where
//! parameters are arrays, took as long as executing it. So it is made once per connection and kept, but only for so many
//! calls: it may have been made when the tables were empty. See [`Plans`].

use std::future::Future;
use std::time::Duration;

use deadpool_postgres::{ClientWrapper, Object, Pool};
use flotilla_core::Result;
use tokio::time::{sleep, timeout};

use crate::error::Failure;

/// A connection with its cache of prepared statements.
pub(crate) type Client = ClientWrapper;

/// How often an operation is begun, at most, when others are in its way.
const TRIES: u32 = 5;
/// How long it waits before the second try; before the third one twice as long, and so on.
const PAUSE: Duration = Duration::from_millis(10);

/// Calls on a connection after which the server is to plan anew.
const PLANS_LAST: usize = 128;

/// How the server comes to the plans of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plans {
    /// Made once for whatever the parameters will be, and kept for a while.
    Kept,
    /// Made for these parameters, each time: which index is the right one depends on the filters that are there.
    Fresh,
}

/// One call of the port: a read, or a transaction. It may be run again after it was rolled back.
pub(crate) trait Operation: Sync {
    /// What it answers.
    type Output: Send;
    /// What it does, to complete "cannot …".
    const ATTEMPT: &'static str;
    /// How its statements are planned.
    const PLANS: Plans = Plans::Kept;

    /// Does it.
    fn run(&self, client: &mut Client) -> impl Future<Output = Result<Self::Output, Failure>> + Send;
}

/// Where operations run.
pub(crate) struct Sessions {
    pub(crate) pool: Pool,
    pub(crate) place: String,
    pub(crate) call_timeout: Duration,
}

impl Sessions {
    /// Runs `operation` to its end.
    pub(crate) async fn run<O: Operation>(&self, operation: O) -> Result<O::Output> {
        let mut tries = 1;
        loop {
            match self.attempt(&operation).await {
                Ok(output) => return Ok(output),
                Err(failure) if failure.was_in_the_way() && tries < TRIES => {
                    tracing::debug!(
                        attempt = O::ATTEMPT,
                        tries,
                        ?failure,
                        "another transaction was in the way"
                    );
                    sleep(PAUSE * tries).await;
                    tries += 1;
                }
                Err(failure) => return Err(failure.explain(O::ATTEMPT, &self.place)),
            }
        }
    }

    async fn attempt<O: Operation>(&self, operation: &O) -> Result<O::Output, Failure> {
        let mut lent = Lent(None);
        let client = lent.0.insert(self.pool.get().await?);
        let ended = timeout(self.call_timeout, planned(operation, client)).await;
        let result = ended.map_err(|_| Failure::TimedOut(self.call_timeout))?;
        lent.give_back();
        result
    }
}

async fn planned<O: Operation>(operation: &O, client: &mut Object) -> Result<O::Output, Failure> {
    if Object::metrics(client).recycle_count % PLANS_LAST == PLANS_LAST - 1 {
        client.batch_execute("DISCARD PLANS").await?;
    }
    match O::PLANS {
        Plans::Kept => operation.run(client).await,
        Plans::Fresh => {
            client
                .batch_execute("SET plan_cache_mode = force_custom_plan")
                .await?;
            let ended = operation.run(client).await;
            client.batch_execute("RESET plan_cache_mode").await?;
            ended
        }
    }
}

/// A connection that is closed when it is dropped, unless it was given back.
struct Lent(Option<Object>);

impl Lent {
    fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(client) = self.0.take() {
            drop(Object::take(client));
        }
    }
}
