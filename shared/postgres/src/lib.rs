//! PostgreSQL as the [`Store`]: the truth of a distributed Flotilla.
//!
//! # Who locks what
//!
//! Several API servers and schedulers work on the same batches. A transaction takes its row locks in one order, so that
//! no two of them wait for each other:
//!
//! 1. `batch_dispatch`, by whoever hands out items. A publisher skips the batches that another one has locked.
//! 2. `batch_counters`, by whoever moves counts, in the order of the batches' ids. A batch has one such writer at a time.
//! 3. `batches`, by whoever changes a state, which is also guarded by the old state.
//!
//! An ordinary claim takes the first lock only: it reads the counts without one. What the recorders change meanwhile can
//! only make room, so a batch never has more in flight than it may. A claim that also changes counts (because it starts
//! the batch, or takes items that wait to be dispatched again) takes the second lock for that batch.
//!
//! # What is counted
//!
//! `record` inserts outcomes `ON CONFLICT DO NOTHING` and counts exactly the rows that come back, under the second lock
//! and in the same transaction. All arithmetic is that of [`Tally`](flotilla_core::tally::Tally). An outcome of an item
//! that was never dispatched is ignored, as if there were no such item.
//!
//! # Speed
//!
//! Items come in by binary COPY; outcomes go in as one statement over arrays; a claim is two statements and one read.
//! Statements that do not need each other's answers are sent together (the client library pipelines what is polled
//! concurrently). Every statement is prepared once per connection.
//!
//! # Servers
//!
//! PostgreSQL 14 or newer. A pooler in between must keep sessions, because of prepared statements and settings, and pass
//! the start-up parameter `options` on (PgBouncer: session mode).
//!
//! # Failure
//!
//! Every wait has a limit, see [`PostgresOptions`]. Deadlocks and serialization failures are tried again here; everything
//! else is an [`Error`](flotilla_core::Error) with a kind that says whether trying again makes sense. A call may be
//! dropped at any await: what it leaves is all of it or nothing.

mod connect;
mod dispatch;
mod error;
mod intake;
mod ledger;
mod migrate;
mod options;
mod reading;
mod rows;
mod session;
mod tls;

use async_trait::async_trait;
use flotilla_core::Result;
use flotilla_core::ports::store::Store;
use url::Url;

use crate::connect::Target;
use crate::session::Sessions;

pub use options::PostgresOptions;

/// A PostgreSQL database as the [`Store`].
pub struct PostgresStore {
    sessions: Sessions,
}

impl PostgresStore {
    /// A store in the database that `url` names: `postgres://user:password@host:port/database`. Connects when it is first
    /// used; [`ping`](Store::ping) tells whether that works.
    ///
    /// Of the URL's parameters, `sslmode` decides about encryption: `disable`, `allow` and `prefer`, the default, do not
    /// encrypt; `require`, `verify-ca` and `verify-full` encrypt and verify the server's certificate, against the
    /// authorities in the PEM file `sslrootcert` or those that this machine trusts.
    ///
    /// # Errors
    /// Where the URL can't be read, or the certificates that it needs can't.
    pub fn connect(url: &Url, options: &PostgresOptions) -> Result<Self> {
        let target = Target::parse(url, options)?;
        Ok(Self {
            sessions: Sessions {
                place: target.place(),
                pool: target.pool(options)?,
                call_timeout: options.call_timeout,
            },
        })
    }
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresStore")
            .field("place", &self.sessions.place)
            .field("pool", &self.sessions.pool.status())
            .finish()
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn migrate(&self) -> Result<()> {
        migrate::migrate(&self.sessions).await
    }

    async fn ping(&self) -> Result<()> {
        self.sessions.run(migrate::Ping).await
    }
}
