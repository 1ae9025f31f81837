//! The schema and its version.

use std::cmp::Ordering;
use std::sync::Once;
use std::time::Duration;

use deadpool_postgres::Object;
use flotilla_core::{Error, ErrorKind, Result};
use tokio::time::{Instant, sleep};
use tokio_postgres::error::SqlState;

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

/// What the name of a migration begins with that processes of earlier versions can't live with. All others only add:
/// a process of an earlier version goes on with them.
const BREAKING: &str = "breaking";

/// A migration waits for a table no longer than this. Everybody who needs the table waits behind it, so whoever holds it
/// for long would stop the fleet.
const LOCK_PATIENCE: &str = "1s";
/// Between two attempts to get the tables.
const LOCK_REST: Duration = Duration::from_millis(500);
/// So long it is attempted.
const PATIENCE: Duration = Duration::from_secs(60);

/// Applies what is missing, on a connection of its own: migrations may take longer than calls may, and the lock goes
/// with the connection, however this ends. A schema that a later version made is left as it is.
pub(crate) async fn migrate(sessions: &Sessions) -> Result<()> {
    let explain = |failure: Failure| failure.explain(ATTEMPT, &sessions.place);
    let pooled = sessions.pool.get().await.map_err(|error| explain(error.into()))?;
    let mut client = Object::take(pooled);
    prepare(&client).await.map_err(|error| explain(error.into()))?;
    let newest = newest(&client).await.map_err(|error| explain(error.into()))?;
    if newest.is_some_and(|newest| newest > needed_version()) {
        // Whether this program can work with it, a ping tells.
        tracing::warn!(
            version = newest,
            "a later version of Flotilla made this schema; it stays as it is"
        );
        return Ok(());
    }
    apply(&mut client)
        .await
        .map_err(|error| explain_migration(error, &sessions.place))
}

/// Runs the migrations, each in a transaction of its own; again where one did not get its tables in time.
async fn apply(client: &mut Client) -> Result<(), refinery::Error> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut runner = embedded::migrations::runner();
        let done = runner
            .set_migration_table_name(HISTORY)
            .run_async(&mut **client)
            .await;
        match done {
            Ok(report) => {
                for migration in report.applied_migrations() {
                    tracing::info!(%migration, "migrated");
                }
                return Ok(());
            }
            Err(error) if is_locked(&error) && Instant::now() < deadline => {
                tracing::warn!("a table is in use for long: letting others pass, and trying again");
                sleep(LOCK_REST).await;
            }
            Err(error) => return Err(error),
        }
    }
}

fn is_locked(error: &refinery::Error) -> bool {
    database_error(error).is_some_and(|error| error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE))
}

fn database_error(error: &refinery::Error) -> Option<&tokio_postgres::Error> {
    match error.kind() {
        refinery::error::Kind::Connection(_, cause) => cause.downcast_ref(),
        _ => None,
    }
}

/// The version of the schema, where there is one.
async fn newest(client: &Client) -> Result<Option<i32>, tokio_postgres::Error> {
    let exists = client
        .query_one("SELECT to_regclass($1) IS NOT NULL", &[&HISTORY])
        .await?;
    if !exists.try_get::<_, bool>(0)? {
        return Ok(None);
    }
    let found = client
        .query_one("SELECT max(version) FROM flotilla_schema_history", &[])
        .await?;
    found.try_get(0)
}

/// Waits for whoever is migrating now.
async fn prepare(client: &Client) -> Result<(), tokio_postgres::Error> {
    client
        .batch_execute(
            "SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0; \
             SET client_min_messages = warning",
        )
        .await?;
    client.execute("SELECT pg_advisory_lock($1)", &[&LOCK]).await?;
    client
        .batch_execute(&format!("SET lock_timeout = '{LOCK_PATIENCE}'"))
        .await
}

fn explain_migration(error: refinery::Error, place: &str) -> Error {
    use refinery::error::Kind;
    let (kind, meaning) = match error.kind() {
        Kind::DivergentVersion(..) | Kind::MissingVersion(_) => (
            ErrorKind::Misconfigured,
            "another version of Flotilla made this schema: use that version or a newer one",
        ),
        _ => database_error(&error).map_or((ErrorKind::Misconfigured, "the migration failed"), meaning_of),
    };
    Error::new(kind, ENGINE, format!("cannot {ATTEMPT} ({place}): {meaning}")).because(error)
}

/// Asks for the version of the schema. A later one is fine as long as it only added: while a fleet is upgraded, processes
/// of both versions work on it.
pub(crate) struct Ping;

impl Operation for Ping {
    type Output = ();
    const ATTEMPT: &'static str = "check the schema";

    async fn run(&self, client: &mut Client) -> Result<(), Failure> {
        let statement = client
            .prepare_cached(
                "SELECT coalesce(max(version), 0), coalesce(bool_or(version > $1 AND starts_with(name, $2)), false)
                 FROM flotilla_schema_history",
            )
            .await?;
        let needed = needed_version();
        let row = client.query_one(&statement, &[&needed, &BREAKING]).await?;
        let (found, broken): (i32, bool) = (row.try_get(0)?, row.try_get(1)?);
        match found.cmp(&needed) {
            Ordering::Equal => Ok(()),
            Ordering::Less => Err(Failure::WrongSchema(format!(
                "the schema has version {found}, this program needs {needed}: run `flotilla migrate`"
            ))),
            Ordering::Greater if !broken => {
                static SAID: Once = Once::new();
                SAID.call_once(|| {
                    tracing::warn!("the schema has version {found}, this program knows {needed}: going on until it is replaced");
                });
                Ok(())
            }
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
