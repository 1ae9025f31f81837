//! SQLite as the `Store`: the truth of a Flotilla that runs in one process, in one file, with nothing to install.
//!
//! # One writer
//!
//! SQLite has one writer at a time whatever one does, so there is one thread that writes and every verb of the port is a
//! closure sent to it (`writer`). That makes the order of writes a queue instead of a fight for a lock, and it
//! makes a write independent of its caller: a future that is dropped leaves the verb to run to its end, or not to begin.
//! Verbs that wait at the same moment share one commit, each in a savepoint of its own, because a commit costs a wait
//! for the disk and a verb does not. A verb is answered after the commit: what was answered survives a loss of power
//! (`synchronous = FULL`).
//!
//! A few threads read (`readers`), each with a connection and a snapshot of its own; in WAL mode they and the writer
//! don't wait for each other. All queues are bounded: who sends too much waits.
//!
//! # One process
//!
//! The file belongs to one process at a time (`lock`): a second one would find claims and counters moving under it
//! that it believes to be alone with. It is told who holds the file.
//!
//! # Where things are
//!
//! The verbs of each part of the port are in a module of its name: `intake`, `dispatch`, `ledger`, `steer`,
//! `dead_letters`, `upkeep`, `reading`. `rows` turns rows into values of the domain; no rule is here that the domain
//! has. Items are moved by [`BatchRecord`](flotilla_core::record::BatchRecord) alone, so that PostgreSQL can't count
//! differently.

mod dead_letters;
mod dispatch;
mod error;
mod expire;
mod follow_ups;
mod intake;
mod keys;
mod ledger;
mod lock;
mod migrate;
mod open;
#[cfg(test)]
mod plans;
mod readers;
mod reading;
mod rows;
mod secret;
mod steer;
mod supply;
mod upkeep;
mod writer;

use async_trait::async_trait;
use flotilla_core::Result;
use flotilla_core::ports::store::Store;
use jiff::Timestamp;
use rusqlite::Connection;

use crate::readers::Readers;
use crate::writer::Writer;

/// A database file, open for this process alone. Dropping it waits for writes that have begun and closes the file.
#[derive(Debug)]
pub struct SqliteStore {
    // In this order: the writer is the last to close the file, and tidies it up.
    readers: Readers,
    writer: Writer,
}

#[async_trait]
impl Store for SqliteStore {
    async fn migrate(&self) -> Result<()> {
        self.writer.run_alone("update the schema", migrate::run).await
    }

    async fn ping(&self) -> Result<()> {
        self.writer.check()?;
        self.readers.run("check the schema", migrate::check).await
    }

    async fn now(&self) -> Result<Timestamp> {
        let now = |db: &Connection| Ok(keys::database_now(db)?);
        self.readers.run("ask for the time", now).await
    }

    async fn secret(&self) -> Result<[u8; 32]> {
        match self.readers.run("read the secret", secret::find).await? {
            Some(secret) => Ok(secret),
            None => self.writer.run("make the secret", secret::make).await,
        }
    }
}
