//! What only the processes of this deployment know.

use rusqlite::{Connection, OptionalExtension};

use crate::error::Done;

const NAME: &str = "callbacks";

/// The secret, where it was made.
pub(crate) fn find(db: &Connection) -> Done<Option<[u8; 32]>> {
    let sql = "SELECT value FROM secrets WHERE name = ?1";
    Ok(db
        .prepare_cached(sql)?
        .query_row([NAME], |row| row.get(0))
        .optional()?)
}

/// The secret; made now, where it was not.
pub(crate) fn make(db: &Connection) -> Done<[u8; 32]> {
    if let Some(secret) = find(db)? {
        return Ok(secret);
    }
    let secret: [u8; 32] = rand::random();
    db.execute(
        "INSERT INTO secrets (name, value) VALUES (?1, ?2)",
        (NAME, secret),
    )?;
    Ok(secret)
}
