//! The schema and its version.

use std::cmp::Ordering;

use deadpool_postgres::Object;
use flotilla_core::{Error, ErrorKind, Result};

use crate::error::{ENGINE, Failure, meaning_of};
use crate::session::{Client, Operation, Sessions};

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// Where the migrations that were applied are recorded. Not refinery's default: the database may have other tenants.
const HISTORY: &str = "flotilla_schema_history";

/// Held by whoever migrates: the letters "flotilla" as a number.
const LOCK: i64 = i64::from_be_bytes(*b"flotilla");

const ATTEMPT: &str = "bring the schema up to date";

/// Applies what is missing, on a connection of its own: migrations may take longer than calls may, and the lock goes
/// with the connection, however this ends.
pub(crate) async fn migrate(sessions: &Sessions) -> Result<()> {
    let explain = |failure: Failure| failure.explain(ATTEMPT, &sessions.place);
    let pooled = sessions.pool.get().await.map_err(|error| explain(error.into()))?;
    let mut client = Object::take(pooled);
    prepare(&client).await.map_err(|error| explain(error.into()))?;
    let report = embedded::migrations::runner()
        .set_migration_table_name(HISTORY)
        .run_async(&mut *client)
        .await
        .map_err(|error| explain_migration(error, &sessions.place))?;
    for migration in report.applied_migrations() {
        tracing::info!(%migration, "migrated");
    }
    Ok(())
}

/// Waits for whoever is migrating now.
async fn prepare(client: &Client) -> Result<(), tokio_postgres::Error> {
    client
        .batch_execute(
            "SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0; \
             SET client_min_messages = warning",
        )
        .await?;
    client
        .execute("SELECT pg_advisory_lock($1)", &[&LOCK])
        .await
        .map(drop)
}

fn explain_migration(error: refinery::Error, place: &str) -> Error {
    use refinery::error::Kind;
    let (kind, meaning) = match error.kind() {
        Kind::DivergentVersion(..) | Kind::MissingVersion(_) => (
            ErrorKind::Misconfigured,
            "another version of Flotilla made this schema: use that version or a newer one",
        ),
        Kind::Connection(_, cause) => match cause.downcast_ref() {
            Some(cause) => meaning_of(cause),
            None => (ErrorKind::Misconfigured, "the migration failed"),
        },
        _ => (ErrorKind::Misconfigured, "the migration failed"),
    };
    Error::new(kind, ENGINE, format!("cannot {ATTEMPT} ({place}): {meaning}")).because(error)
}

/// Asks for the version of the schema.
pub(crate) struct Ping;

impl Operation for Ping {
    type Output = ();
    const ATTEMPT: &'static str = "check the schema";

    async fn run(&self, client: &mut Client) -> Result<(), Failure> {
        let statement = client
            .prepare_cached("SELECT coalesce(max(version), 0) FROM flotilla_schema_history")
            .await?;
        let found: i32 = client.query_one(&statement, &[]).await?.try_get(0)?;
        let needed = needed_version();
        match found.cmp(&needed) {
            Ordering::Equal => Ok(()),
            Ordering::Less => Err(Failure::WrongSchema(format!(
                "the schema has version {found}, this program needs {needed}: run `flotilla migrate`"
            ))),
            Ordering::Greater => Err(Failure::WrongSchema(format!(
                "the schema has version {found}, this program knows {needed}: use the version of Flotilla that made it"
            ))),
        }
    }
}

fn needed_version() -> i32 {
    let runner = embedded::migrations::runner();
    let versions = runner.get_migrations().iter().map(refinery::Migration::version);
    versions.max().unwrap_or(0)
}
