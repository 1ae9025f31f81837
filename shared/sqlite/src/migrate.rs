//! The schema: forward only, embedded in the program.

use refinery::error::Kind;
use rusqlite::{Connection, OptionalExtension};

use crate::error::{Done, Failure, copy};

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// Brings the schema up to date, in one transaction.
pub(crate) fn run(db: &mut Connection) -> Done<()> {
    let report = embedded::migrations::runner().set_grouped(true).run(db);
    for applied in report.map_err(|error| refused(&error))?.applied_migrations() {
        tracing::info!(migration = %applied, "updated the schema of the database");
    }
    Ok(())
}

fn refused(error: &refinery::Error) -> Failure {
    match error.kind() {
        Kind::MissingVersion(_) | Kind::DivergentVersion(..) => {
            Failure::Schema(format!("it was written by another version of Flotilla: {error}"))
        }
        Kind::Connection(_, cause) if let Some(cause) = cause.downcast_ref() => Failure::Sql(copy(cause)),
        _ => Failure::Schema(error.to_string()),
    }
}

/// The schema must be exactly the one that this program was built with.
pub(crate) fn check(db: &Connection) -> Done<()> {
    let needed = embedded::migrations::runner()
        .get_migrations()
        .iter()
        .map(refinery::Migration::version)
        .max();
    let found = version(db)?;
    if found == needed.map(i64::from) {
        return Ok(());
    }
    let name = |version: Option<i64>| {
        version.map_or("no schema".to_owned(), |number| {
            format!("schema version {number}")
        })
    };
    let (found, needed) = (name(found), name(needed.map(i64::from)));
    Err(Failure::Schema(format!(
        "it has {found} and this program needs {needed}; run `flotilla migrate`"
    )))
}

fn version(db: &Connection) -> Done<Option<i64>> {
    // Asked with a statement, because only that notices what another connection has changed in the schema.
    let exists = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'refinery_schema_history')";
    if !db.query_one(exists, [], |row| row.get(0))? {
        return Ok(None);
    }
    let sql = "SELECT max(version) FROM refinery_schema_history";
    Ok(db.query_row(sql, [], |row| row.get(0)).optional()?.flatten())
}

#[cfg(test)]
mod tests;
