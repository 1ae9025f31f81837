//! Claims items for publishing.

use std::collections::{BTreeMap, BTreeSet};

use deadpool_postgres::Transaction;
use flotilla_core::limits::{Bucket, Ceilings, Scope, ScopeUse, Supply, take_within};
use flotilla_core::ports::store::{Claim, Want};
use flotilla_core::{BatchId, Result, Space};
use futures_util::future::{try_join, try_join3};
use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::held::{self, Held};
use super::scopes;
use super::supply::{select_supply, supply};
use crate::error::Failure;
use crate::rows::{batch_id, count, get, integer, parsed};
use crate::session::{Client, Operation};

/// First a statement that only locks: the next one sees what others committed before they let go.
const LOCK: &str = include_str!("lock.sql");
const LOAD: &str = select_supply!("WHERE b.id = ANY($3)");
const CLAIM: &str = include_str!("claim.sql");

const MAKE_SCOPES: &str = "\
    INSERT INTO dispatch_scopes (scope) SELECT * FROM unnest($1::text[]) ON CONFLICT DO NOTHING";
const LOCK_SCOPES: &str = "\
    SELECT FROM dispatch_scopes WHERE scope = ANY($1) ORDER BY scope FOR NO KEY UPDATE";
const SAVE_SCOPES: &str = "\
    UPDATE dispatch_scopes s SET tokens = u.tokens, refilled_at = u.refilled_at
    FROM unnest($1::text[], $2::double precision[], $3::timestamptz[]) AS u (scope, tokens, refilled_at)
    WHERE s.scope = u.scope";

pub(super) struct NewClaims<'a> {
    /// One for each batch, in the order in which they were named.
    wants: Vec<Want>,
    ceilings: &'a Ceilings,
    lease_until: Timestamp,
    now: Timestamp,
}

impl<'a> NewClaims<'a> {
    pub(super) fn new(
        wants: &[Want],
        ceilings: &'a Ceilings,
        lease_until: Timestamp,
        now: Timestamp,
    ) -> Self {
        let mut by_batch: Vec<Want> = Vec::with_capacity(wants.len());
        let mut places = BTreeMap::new();
        for want in wants.iter().filter(|want| want.items > 0 || want.suspects > 0) {
            let place = *places.entry(want.batch).or_insert(by_batch.len());
            match by_batch.get_mut(place) {
                Some(known) => {
                    known.items = known.items.saturating_add(want.items);
                    known.suspects = known.suspects.saturating_add(want.suspects);
                }
                None => by_batch.push(*want),
            }
        }
        Self {
            wants: by_batch,
            ceilings,
            lease_until,
            now,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.wants.is_empty()
    }
}

impl Operation for NewClaims<'_> {
    type Output = Vec<Claim>;
    const ATTEMPT: &'static str = "claim items";

    async fn run(&self, client: &mut Client) -> Result<Vec<Claim>, Failure> {
        let transaction = client.transaction().await?;
        let batches = self.lock(&transaction).await?;
        let mut scopes = self.lock_scopes(&transaction, &batches).await?;
        let granted = self.decide(&batches, &mut scopes);
        if granted.is_empty() {
            return Ok(Vec::new());
        }
        let held = self.claim(&transaction, &granted, &scopes).await?;
        // Items never change, so they can be read when nobody has to wait for it any more. A claim whose publisher stops
        // here is taken over.
        transaction.commit().await?;
        held::load_new(client, held).await
    }
}

/// A batch whose cursor is locked.
struct Locked {
    space: Space,
    job_type: String,
    supply: Supply,
    next_index: u32,
    /// Its first items go out.
    starts: bool,
}

/// What goes out of a batch, as columns.
#[derive(Default)]
struct Granted {
    batch: Vec<Uuid>,
    due: Vec<i32>,
    suspects: Vec<i32>,
    first_index: Vec<i32>,
    end_index: Vec<i32>,
    starts: Vec<bool>,
    tokens: Vec<Option<f64>>,
    refilled_at: Vec<Option<Timestamp>>,
}

impl NewClaims<'_> {
    /// Locks and reads, in one flight: what is read is what the locks hold.
    async fn lock(&self, transaction: &Transaction<'_>) -> Result<BTreeMap<BatchId, Locked>, Failure> {
        let ids: Vec<Uuid> = self.wants.iter().map(|want| want.batch.0).collect();
        let most = self.wants.iter().map(|want| want.items.max(want.suspects)).max();
        let most = i64::from(most.unwrap_or(0));
        let lock = transaction.prepare_cached(LOCK).await?;
        let load = transaction.prepare_cached(LOAD).await?;
        let (locked, rows) = try_join(
            transaction.query(&lock, &[&ids]),
            transaction.query(&load, &[&self.now, &most, &ids]),
        )
        .await?;
        let counts: BTreeMap<BatchId, bool> = locked
            .iter()
            .map(|row| Ok((batch_id(row, "batch_id")?, get(row, "counts")?)))
            .collect::<Result<_, Failure>>()?;
        let mut batches = BTreeMap::new();
        for row in &rows {
            let id = batch_id(row, "id")?;
            if let Some(&counts) = counts.get(&id)
                && let Some(batch) = read(row, counts)?
            {
                batches.insert(id, batch);
            }
        }
        Ok(batches)
    }

    /// The ceilings that these batches are under, with the locks of their rates. What is in flight under one only shrinks
    /// until this transaction ends.
    async fn lock_scopes(
        &self,
        transaction: &Transaction<'_>,
        batches: &BTreeMap<BatchId, Locked>,
    ) -> Result<BTreeMap<Scope, ScopeUse>, Failure> {
        let over = |batch: &Locked| -> Vec<Scope> {
            let over = self.ceilings.over(&batch.space, &batch.job_type);
            over.map(|(scope, _)| scope.clone()).collect()
        };
        let named: BTreeSet<Scope> = batches.values().flat_map(over).collect();
        if named.is_empty() {
            return Ok(BTreeMap::new());
        }
        let named: Vec<Scope> = named.into_iter().collect();
        // One order for everybody: also of the rows that are missing.
        let mut keys: Vec<String> = named.iter().map(ToString::to_string).collect();
        keys.sort_unstable();
        let make = transaction.prepare_cached(MAKE_SCOPES).await?;
        let lock = transaction.prepare_cached(LOCK_SCOPES).await?;
        let used = transaction.prepare_cached(scopes::USED).await?;
        let (_, _, used) = try_join3(
            async { Ok(transaction.execute(&make, &[&keys]).await?) },
            async { Ok(transaction.execute(&lock, &[&keys]).await?) },
            scopes::used(&**transaction, &used, self.ceilings, &named),
        )
        .await?;
        Ok(used)
    }

    /// What goes out of each batch, in the order in which they were named.
    fn decide(&self, batches: &BTreeMap<BatchId, Locked>, scopes: &mut BTreeMap<Scope, ScopeUse>) -> Granted {
        let mut granted = Granted::default();
        for want in &self.wants {
            if let Some(batch) = batches.get(&want.batch) {
                let over = self.ceilings.over(&batch.space, &batch.job_type);
                let over: Vec<&Scope> = over.map(|(scope, _)| scope).collect();
                granted.grant(want, batch, &over, scopes, self.now);
            }
        }
        granted
    }

    async fn claim(
        &self,
        transaction: &Transaction<'_>,
        granted: &Granted,
        scopes: &BTreeMap<Scope, ScopeUse>,
    ) -> Result<Vec<Held>, Failure> {
        let statement = transaction.prepare_cached(CLAIM).await?;
        let claim = async {
            let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 10] = [
                &granted.batch,
                &granted.due,
                &granted.suspects,
                &granted.first_index,
                &granted.end_index,
                &granted.starts,
                &granted.tokens,
                &granted.refilled_at,
                &self.now,
                &self.lease_until,
            ];
            Ok(transaction.query(&statement, &parameters).await?)
        };
        let (rows, ()) = try_join(claim, save_scopes(transaction, scopes)).await?;
        rows.iter().map(Held::read).collect()
    }
}

/// None where nothing of it can go before its counters are locked: it was sealed since.
fn read(row: &Row, counts: bool) -> Result<Option<Locked>, Failure> {
    let starts = get::<bool>(row, "starts")?;
    if starts && !counts {
        return Ok(None);
    }
    let mut supply = supply(row)?;
    if !counts {
        // What came back since is left for the next time.
        (supply.due, supply.suspects) = (0, 0);
    }
    Ok(Some(Locked {
        space: parsed(row, "space")?,
        job_type: get(row, "job_type")?,
        supply,
        next_index: count(row, "next_index")?,
        starts,
    }))
}

async fn save_scopes(
    transaction: &Transaction<'_>,
    scopes: &BTreeMap<Scope, ScopeUse>,
) -> Result<(), Failure> {
    let rated = || scopes.values().filter(|used| used.ceiling.rate_per_s.is_some());
    let keys: Vec<String> = rated().map(|used| used.scope.to_string()).collect();
    if keys.is_empty() {
        return Ok(());
    }
    let tokens: Vec<f64> = rated().map(|used| used.bucket.tokens).collect();
    let refilled_at: Vec<Option<Timestamp>> = rated().map(|used| used.bucket.at).collect();
    let statement = transaction.prepare_cached(SAVE_SCOPES).await?;
    transaction
        .execute(&statement, &[&keys, &tokens, &refilled_at])
        .await?;
    Ok(())
}

impl Granted {
    fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// Suspects first: they are due, and may be the last that their batch waits for.
    fn grant(
        &mut self,
        want: &Want,
        batch: &Locked,
        over: &[&Scope],
        scopes: &mut BTreeMap<Scope, ScopeUse>,
        now: Timestamp,
    ) {
        let mut supply = batch.supply.clone();
        let ready = want.suspects.min(supply.ready_suspects(now));
        let suspects = take_within(ready, over, scopes, now);
        take(&mut supply, suspects, now);
        let ready = want.items.min(supply.ready(now));
        let items = take_within(ready, over, scopes, now);
        take(&mut supply, items, now);
        if suspects == 0 && items == 0 {
            return;
        }
        let due = items.min(supply.due);
        let Bucket { tokens, at } = supply.bucket;
        let rated = supply.rate_per_s.is_some();
        self.batch.push(want.batch.0);
        self.due.push(integer(due));
        self.suspects.push(integer(suspects));
        self.first_index.push(integer(batch.next_index));
        self.end_index.push(integer(batch.next_index + (items - due)));
        self.starts.push(batch.starts);
        self.tokens.push(rated.then_some(tokens));
        self.refilled_at.push(at.filter(|_| rated));
    }
}

/// Counts items that go out.
fn take(supply: &mut Supply, items: u32, now: Timestamp) {
    supply.in_flight = supply.in_flight.saturating_add(items);
    if let Some(rate) = supply.rate_per_s {
        supply.bucket = supply.bucket.at(rate, now).minus(items);
    }
}
