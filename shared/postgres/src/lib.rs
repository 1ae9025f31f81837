//! PostgreSQL as the [`Store`]: the truth of a distributed Flotilla.
//!
//! # Who locks what
//!
//! Several API servers and schedulers work on the same batches. A transaction takes its row locks in one order, so that
//! no two of them wait for each other:
//!
//! 1. `batch_dispatch`, by whoever hands out items. A publisher skips the batches that another one has locked.
//! 2. `batch_counters`, by whoever moves counts, in the order of the batches' ids. A batch has one such writer at a time.
//! 3. `dispatch_scopes`, in the order of their keys, by whoever hands out items under a ceiling.
//! 4. `batches`, by whoever changes a state, which is also guarded by the old state.
//!
//! An ordinary claim takes the first lock only: it reads the counts without one. What the recorders change meanwhile can
//! only make room, so a batch never has more in flight than it may. A claim that also changes counts (because it starts
//! the batch, or takes items that go out again), or that outcomes may stop (because the batch has a guard rail), takes
//! the second lock for that batch. Whoever steers a batch takes all of its locks: a claim under way is waited for, and
//! after that none goes by what was so before.
//!
//! # What is counted
//!
//! Whoever records attempts locks the counters, reads where the items are, lets the core decide, and writes what comes
//! of it, in one transaction. Every outcome is inserted under that lock, so each is counted exactly once. All rules and
//! all arithmetic are those of [`BatchRecord`](flotilla_core::record::BatchRecord). An item that was never dispatched
//! can't have been attempted, and what is said of it is ignored.
//!
//! # Speed
//!
//! Items come in by binary COPY, and so do outcomes; what else came of attempts goes in as one statement per table over
//! arrays, and none for what there is none of; a claim is three statements and one read. Statements that do not need each
//! other's answers are sent together (the client library pipelines what is polled concurrently). Every statement is
//! prepared once per connection, and planned seldom: see [`session`].
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

mod binary;
mod connect;
mod dead;
mod dispatch;
mod error;
mod expire;
mod follow_ups;
pub mod hot_paths;
mod intake;
mod ledger;
mod lock;
mod migrate;
mod now;
mod options;
mod reading;
mod rows;
mod secret;
mod session;
mod steer;
mod tls;
mod upkeep;
mod writes;

use async_trait::async_trait;
use flotilla_core::Result;
use flotilla_core::ports::store::Store;
use jiff::Timestamp;
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

    async fn now(&self) -> Result<Timestamp> {
        self.sessions.run(now::Now).await
    }

    async fn secret(&self) -> Result<[u8; 32]> {
        self.sessions.run(secret::Secret).await
    }
}
