//! Batches of a space.

use flotilla_core::batch::{Batch, BatchFilter, BatchName, BatchState};
use flotilla_core::{BatchId, Result, Space};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::error::Failure;
use crate::rows::{batch, batches, get, select_batches};
use crate::session::{Client, Operation};

pub(super) const ONE: &str = select_batches!("WHERE b.id = $1 AND b.space = $2 AND b.deleted_at IS NULL");

/// Newest first; `$1`: space, `$2`: older than this one, `$3`: so many, `$4`: in this state. The list of all takes as many
/// as it may need of each state.
macro_rules! accepted {
    ($columns:literal) => {
        concat!(
            "(SELECT newest.* FROM unnest(ARRAY[
                  'pending', 'processing', 'paused', 'cancelling', 'completed', 'failed', 'cancelled'
              ]) AS each (state)
              CROSS JOIN LATERAL ",
            in_state!($columns, "each.state"),
            " AS newest)"
        )
    };
}
/// The state is bounded by a pair and an inequality, and ordered by, instead of being equal to something: only the index by
/// state can do that. With an equality, a planner that knows the table takes the primary key, whose order is right, too,
/// and then looks at every batch there is.
macro_rules! in_state {
    ($columns:literal, $state:literal) => {
        concat!(
            "(SELECT ",
            $columns,
            " FROM batches AS b
              WHERE b.space = $1 AND (b.state, b.id) < (",
            $state,
            ", $2) AND b.state >= ",
            $state,
            "   AND b.state <> 'open' AND b.deleted_at IS NULL
              ORDER BY b.state DESC, b.id DESC LIMIT $3)"
        )
    };
}
macro_rules! kept_open {
    ($columns:literal) => {
        concat!(
            "(SELECT ",
            $columns,
            " FROM batches WHERE space = $1 AND state = 'open' AND stays_open AND id < $2 AND deleted_at IS NULL
              ORDER BY id DESC LIMIT $3)"
        )
    };
}

macro_rules! whole {
    ($($ids:expr),+) => {
        concat!(select_batches!("WHERE b.id IN "), "(", $($ids,)+ ") ORDER BY b.id DESC LIMIT $3")
    };
}
macro_rules! names {
    ($($rows:expr),+) => {
        concat!("SELECT id, name, job_type FROM (", $($rows,)+ ") AS b ORDER BY id DESC LIMIT $3")
    };
}

const ALL: &str = whole!(accepted!("id"), " UNION ALL ", kept_open!("id"));
const OPEN: &str = whole!(kept_open!("id"));
const IN_STATE: &str = whole!(in_state!("id", "$4"));
const NAMES: &str = names!(
    accepted!("id, name, job_type"),
    " UNION ALL ",
    kept_open!("id, name, job_type")
);
const OPEN_NAMES: &str = names!(kept_open!("id, name, job_type"));
const NAMES_IN_STATE: &str = names!(in_state!("id, name, job_type", "$4"));

const THESE: &str =
    select_batches!("WHERE b.id = ANY ($1) AND b.space = $2 AND b.deleted_at IS NULL ORDER BY b.id DESC");

pub(super) struct One<'a> {
    pub(super) space: &'a Space,
    pub(super) id: BatchId,
}

impl Operation for One<'_> {
    type Output = Option<Batch>;
    const ATTEMPT: &'static str = "read a batch";

    async fn run(&self, client: &mut Client) -> Result<Option<Batch>, Failure> {
        let statement = client.prepare_cached(ONE).await?;
        let row = client
            .query_opt(&statement, &[&self.id.0, &self.space.as_str()])
            .await?;
        row.as_ref().map(batch).transpose()
    }
}

pub(super) struct Page<'a> {
    pub(super) space: &'a Space,
    pub(super) filter: &'a BatchFilter,
    pub(super) limit: u32,
}

impl Operation for Page<'_> {
    type Output = Vec<Batch>;
    const ATTEMPT: &'static str = "list batches";

    async fn run(&self, client: &mut Client) -> Result<Vec<Batch>, Failure> {
        let sql = match self.filter.state {
            None => ALL,
            Some(BatchState::Open) => OPEN,
            Some(_) => IN_STATE,
        };
        batches(&list(client, sql, self.space, self.filter, self.limit).await?)
    }
}

pub(super) struct Names<'a> {
    pub(super) space: &'a Space,
    pub(super) filter: &'a BatchFilter,
    pub(super) limit: u32,
}

impl Operation for Names<'_> {
    type Output = Vec<BatchName>;
    const ATTEMPT: &'static str = "list the names of batches";

    async fn run(&self, client: &mut Client) -> Result<Vec<BatchName>, Failure> {
        let sql = match self.filter.state {
            None => NAMES,
            Some(BatchState::Open) => OPEN_NAMES,
            Some(_) => NAMES_IN_STATE,
        };
        let rows = list(client, sql, self.space, self.filter, self.limit).await?;
        let name = |row: &Row| {
            Ok(BatchName {
                id: BatchId(get(row, "id")?),
                name: get(row, "name")?,
                job_type: get(row, "job_type")?,
            })
        };
        rows.iter().map(name).collect()
    }
}

async fn list(
    client: &mut Client,
    sql: &'static str,
    space: &Space,
    filter: &BatchFilter,
    limit: u32,
) -> Result<Vec<Row>, Failure> {
    let before = filter.before.map_or(Uuid::max(), |id| id.0);
    let (space, limit) = (space.as_str(), i64::from(limit));
    let state = filter
        .state
        .filter(|state| *state != BatchState::Open)
        .map(BatchState::as_str);
    let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![&space, &before, &limit];
    parameters.extend(state.as_ref().map(|state| state as &(dyn ToSql + Sync)));
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query(&statement, &parameters).await?)
}

pub(super) struct These<'a> {
    pub(super) space: &'a Space,
    pub(super) ids: &'a [BatchId],
}

impl Operation for These<'_> {
    type Output = Vec<Batch>;
    const ATTEMPT: &'static str = "read batches";

    async fn run(&self, client: &mut Client) -> Result<Vec<Batch>, Failure> {
        let ids: Vec<_> = self.ids.iter().map(|id| id.0).collect();
        let statement = client.prepare_cached(THESE).await?;
        batches(&client.query(&statement, &[&ids, &self.space.as_str()]).await?)
    }
}
