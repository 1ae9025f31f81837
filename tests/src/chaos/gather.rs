//! What the store, the live view and the API say in the end.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result};
use serde_json::Value;
use tokio_postgres::Row;
use uuid::Uuid;

use super::producer::{Producer, Promise};
use super::receiver;
use super::rig::Rig;
use crate::checker::{BatchEvidence, Outcome, ResultRow, Seen, Tally};
use crate::sql;

/// States of batches that nothing follows on by itself.
pub(crate) const FINAL: [&str; 3] = ["completed", "failed", "cancelled"];

/// Looks at the store and at Redis directly, not through the proxies.
pub(crate) struct Gather<'a> {
    pub(crate) rig: &'a Rig,
    pub(crate) producer: &'a Producer,
}

impl Gather<'_> {
    /// How many of these batches have not ended; batches that do not exist have not.
    pub(crate) async fn unfinished(&self, ids: &[String]) -> Result<usize> {
        let statement = "SELECT count(*)::int4 FROM batches WHERE id = ANY($1) AND state = ANY($2)";
        let (ids, ended) = (uuids(ids)?, FINAL.to_vec());
        let rows = sql::query(&self.rig.store.url(), statement, &[&ids, &ended]).await?;
        let ended: i32 = rows[0].try_get(0)?;
        Ok(ids.len() - usize::try_from(ended)?)
    }

    /// Batches that are none of these. Uploads that broke off are removed after two minutes, and dispatch nothing: without
    /// `abandoned`, they are left out.
    pub(crate) async fn others(&self, ids: &[String], abandoned: bool) -> Result<Vec<String>> {
        let statement = "SELECT id::text FROM batches WHERE NOT id = ANY($1) AND (state <> 'open' OR $2)";
        let rows = sql::query(&self.rig.store.url(), statement, &[&uuids(ids)?, &abandoned]).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// Everything that is known of these batches.
    pub(crate) async fn evidence(&self, promises: &[Promise]) -> Result<Vec<BatchEvidence>> {
        let ids: Vec<String> = promises.iter().map(|promise| promise.id.clone()).collect();
        let mut seen = self.rows(&ids).await?;
        for promise in promises {
            let Some(seen) = seen.get_mut(&promise.id) else {
                continue;
            };
            seen.live = Some(self.live(&promise.id).await?);
            seen.api = self.producer.read(&promise.path("")).await?;
            seen.api_result = self.producer.read(&promise.path("/result")).await?;
            seen.audit = self.producer.read(&promise.path("/audit")).await?;
        }
        let evidence = promises.iter().map(|promise| BatchEvidence {
            id: promise.id.clone(),
            plan: promise.plan.clone(),
            asked_again: promise.asked_again,
            cancelled: promise.cancelled,
            revisions: promise.revisions,
            seen: seen.remove(&promise.id),
        });
        Ok(evidence.collect())
    }

    async fn live(&self, id: &str) -> Result<BTreeMap<String, String>> {
        self.rig
            .redis(&["HGETALL", &format!("flotilla:progress:{id}")])
            .await
    }

    async fn rows(&self, ids: &[String]) -> Result<HashMap<String, Seen>> {
        let mut seen = HashMap::new();
        for row in self.select(BATCHES, ids).await? {
            let batch = Seen {
                state: row.try_get(1)?,
                total: number(&row, 2)?,
                inputs: Some(number(&row, 3)?),
                version: Some(row.try_get(4)?),
                counters: Some(Tally {
                    unsettled: number(&row, 5)?,
                    succeeded: number(&row, 6)?,
                    failed: number(&row, 7)?,
                    cancelled: number(&row, 8)?,
                }),
                left_over: number(&row, 9)?,
                ended_long_ago: row.try_get(10)?,
                ..Seen::default()
            };
            seen.insert(row.try_get::<_, String>(0)?, batch);
        }
        for row in self.select(OUTCOMES, ids).await? {
            let batch = seen.get_mut(row.try_get::<_, &str>(0)?);
            let outcome = outcome(&row)?;
            batch.context("outcomes have a batch")?.outcomes.push(outcome);
        }
        for row in self.select(RESULTS, ids).await? {
            let batch = seen.get_mut(row.try_get::<_, &str>(0)?);
            let result = ResultRow {
                revision: number(&row, 1)?,
                result: serde_json::from_str(row.try_get(2)?)?,
            };
            batch.context("results have a batch")?.results.push(result);
        }
        Ok(seen)
    }

    async fn select(&self, statement: &str, ids: &[String]) -> Result<Vec<Row>> {
        sql::query(&self.rig.store.url(), statement, &[&uuids(ids)?]).await
    }
}

const BATCHES: &str = "
SELECT b.id::text, b.state, b.total,
       (SELECT count(*) FROM batch_items i WHERE i.batch_id = b.id)::int4,
       c.version, c.retrying + c.waiting + c.returned, c.succeeded, c.failed, c.cancelled,
       ((SELECT count(*) FROM dispatch_claims x WHERE x.batch_id = b.id)
        + (SELECT count(*) FROM item_retries x WHERE x.batch_id = b.id)
        + (SELECT count(*) FROM item_leases x WHERE x.batch_id = b.id))::int4,
       -- An hour, as documented, and what a sweep may take.
       coalesce(b.completed_at < now() - interval '58 minutes', false)
FROM batches b JOIN batch_counters c ON c.batch_id = b.id
WHERE b.id = ANY($1)";

const OUTCOMES: &str = "
SELECT batch_id::text, index, state, attempt, error_kind, fingerprint,
       CASE WHEN worker IS NOT NULL THEN duration_us END, output
FROM batch_outcomes WHERE batch_id = ANY($1) ORDER BY batch_id, index";

const RESULTS: &str = "
SELECT batch_id::text, revision, result::text
FROM batch_results WHERE batch_id = ANY($1) ORDER BY batch_id, revision";

fn outcome(row: &Row) -> Result<Outcome> {
    let (index, state): (u32, String) = (number(row, 1)?, row.try_get(2)?);
    let output: Option<&str> = row.try_get(7)?;
    let output: Option<Value> = output.map(serde_json::from_str).transpose()?;
    Ok(Outcome {
        index,
        attempt: number(row, 3)?,
        error_kind: row.try_get(4)?,
        fingerprint: row.try_get(5)?,
        duration_us: row.try_get(6)?,
        output_fits: state != "succeeded" || output.is_some_and(|output| receiver::is_output(&output, index)),
        state,
    })
}

fn number(row: &Row, column: usize) -> Result<u32> {
    let number: i32 = row.try_get(column)?;
    u32::try_from(number).with_context(|| format!("column {column} is negative"))
}

fn uuids(ids: &[String]) -> Result<Vec<Uuid>> {
    ids.iter()
        .map(|id| id.parse().with_context(|| format!("{id} is no id")))
        .collect()
}
