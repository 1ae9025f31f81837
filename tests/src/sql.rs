//! One SQL statement at a time, for setting up and for looking.

use anyhow::{Context, Result, bail};
use tokio_postgres::types::ToSql;
use tokio_postgres::{NoTls, Row};

/// Connects, runs one statement and returns its rows.
///
/// A connection per statement is slow and exactly right here: it leaves no session behind that could keep a database from
/// being dropped or a server from stopping.
pub async fn query(url: &str, statement: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>> {
    let (client, connection) = tokio_postgres::connect(url, NoTls)
        .await
        .context("connecting to PostgreSQL")?;
    // The connection is driven here rather than in a task of its own, so that nothing outlives this call.
    tokio::select! {
        rows = client.query(statement, parameters) => rows.with_context(|| format!("running {statement}")),
        ended = connection => match ended {
            Ok(()) => bail!("PostgreSQL closed the connection during {statement}"),
            Err(error) => Err(error).with_context(|| format!("running {statement}")),
        },
    }
}
