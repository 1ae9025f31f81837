//! Opening the file.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use flotilla_core::{Error, Result};
use rusqlite::{Connection, OpenFlags};

use crate::SqliteStore;
use crate::error::{Done, ENGINE, Failure};
use crate::lock::Lock;
use crate::readers::Readers;
use crate::writer::Writer;

/// How long to wait for a program that has locked the file for a moment: a backup, the `sqlite3` shell.
const BUSY: Duration = Duration::from_secs(5);
/// Pages that the writer keeps in memory, in KiB.
const WRITER_CACHE_KIB: i64 = 16 * 1024;
/// The same for each reader.
const READER_CACHE_KIB: i64 = 4 * 1024;
/// The log is cut back to this size once what is in it has moved to the database.
const LOG_BYTES: i64 = 64 * 1024 * 1024;
/// Prepared statements kept per connection: more than there are different ones.
const STATEMENTS: usize = 160;
/// What the first migration marks our files with: "Flot".
const APPLICATION: i64 = 0x466c_6f74;

impl SqliteStore {
    /// Opens the database at `path`, and makes an empty one, with the folder that it is in, where there is none. Its
    /// schema is up to [`migrate`](flotilla_core::ports::store::Store::migrate).
    ///
    /// # Errors
    /// Where another process has it open, it can't be read and written, or it is no database of Flotilla.
    pub fn open(path: &Path) -> Result<Self> {
        make_folder(path)?;
        let lock = Arc::new(Lock::take(path)?);
        let about = |failure: Failure| failure.about("open the database", path);
        // The writer first: the first connection makes the file, and the log that readers need.
        let writer = connect(path, Role::Writer).map_err(about)?;
        let connections: Done<Vec<_>> = (0..Readers::THREADS)
            .map(|_| connect(path, Role::Reader))
            .collect();
        Ok(Self {
            readers: Readers::start(connections.map_err(about)?, path, &lock)?,
            writer: Writer::start(writer, path, lock)?,
        })
    }
}

fn make_folder(path: &Path) -> Result<()> {
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) else {
        return Ok(());
    };
    fs::create_dir_all(folder).map_err(|error| {
        Error::misconfigured(ENGINE, format!("can't make the folder {}", folder.display())).because(error)
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Writer,
    Reader,
}

fn connect(path: &Path, role: Role) -> Done<Connection> {
    // No URIs: a `?` in a path is a character. No mutex: a connection stays with its thread.
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(BUSY)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    db.pragma_update(None, "foreign_keys", true)?;
    db.pragma_update(None, "trusted_schema", false)?;
    match role {
        Role::Writer => prepare_to_write(&db)?,
        Role::Reader => {
            db.pragma_update(None, "query_only", true)?;
            db.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
        }
    }
    Ok(db)
}

fn prepare_to_write(db: &Connection) -> Done<()> {
    check_ours(db)?;
    let mode: String = db.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        let why = format!("its file system supports only the journal mode {mode}, not WAL; use a local disk");
        return Err(Failure::Schema(why));
    }
    // What was answered is on the disk: the log is synced with every commit, not only when it is full.
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    db.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
    Ok(())
}

/// A database that another program made is left as it is.
fn check_ours(db: &Connection) -> Done<()> {
    let application: i64 = db.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = db.query_one("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let ours = application == APPLICATION || (application == 0 && tables == 0);
    // A first migration that was cut short leaves refinery's own table, and nothing else.
    let begun = || db.table_exists(None, "refinery_schema_history");
    if ours || (application == 0 && tables == 1 && begun()?) {
        return Ok(());
    }
    Err(Failure::Schema(
        "it is the database of another program; choose another file".into(),
    ))
}
