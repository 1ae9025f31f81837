//! Claiming items for publishing.

use std::collections::BTreeMap;
use std::ops::Range;

use flotilla_core::limits::{Ceilings, Scope, ScopeUse, take_within};
use flotilla_core::place::{Place, Whereabouts};
use flotilla_core::ports::store::{Claim, Want};
use jiff::Timestamp;
use rusqlite::{Connection, Row};

use super::held::{Again, Held};
use crate::error::Done;
use crate::keys::Micros;
use crate::rows::{BatchRow, Raw, read_retry};
use crate::supply;

/// Claims what is wanted, as far as it is there and allowed.
pub(super) fn claim(
    db: &Connection,
    wants: &[Want],
    ceilings: &Ceilings,
    until: Timestamp,
    now: Timestamp,
) -> Done<Vec<Claim>> {
    let mut scopes = scopes(db, wants, ceilings)?;
    let mut claims = Vec::new();
    for want in wants {
        claims.extend(claim_from(db, want, ceilings, &mut scopes, until, now)?);
    }
    if !claims.is_empty() {
        supply::save_buckets(db, &scopes)?;
    }
    Ok(claims)
}

/// How much of the ceilings is used that the wanted batches are under. Most deployments have none.
fn scopes(db: &Connection, wants: &[Want], ceilings: &Ceilings) -> Done<BTreeMap<Scope, ScopeUse>> {
    let mut under = Vec::new();
    if !ceilings.is_empty() {
        for want in wants {
            under.extend(BatchRow::load(db, want.batch)?.map(|batch| batch.record));
        }
    }
    let under = under
        .iter()
        .map(|record| (&record.space, record.spec.job_type.as_str()));
    supply::scopes(db, ceilings, under)
}

fn claim_from(
    db: &Connection,
    want: &Want,
    ceilings: &Ceilings,
    scopes: &mut BTreeMap<Scope, ScopeUse>,
    until: Timestamp,
    now: Timestamp,
) -> Done<Option<Claim>> {
    let Some(mut batch) = BatchRow::load(db, want.batch)? else {
        return Ok(None);
    };
    let Ok(state) = batch.record.state.dispatch() else {
        return Ok(None);
    };
    let (suspects, others) = allowed(db, &batch, want, ceilings, scopes, now)?;
    let mut again = take_due(db, &mut batch, "losses > 0", suspects, now)?;
    again.extend(take_due(db, &mut batch, "losses = 0", others, now)?);
    let left = (suspects + others).saturating_sub(u32::try_from(again.len()).unwrap_or(u32::MAX));
    let fresh = take_next(&mut batch, left);
    if again.is_empty() && fresh.is_empty() {
        return Ok(None);
    }
    if let Some(rate) = batch.record.spec.rate_per_s {
        batch.bucket = batch.bucket.at(rate, now).minus(suspects + others);
    }
    batch.record.tally.version += 1;
    batch.save_dispatch(db)?;
    if batch.record.state != state || batch.record.started_at.is_none() {
        batch.record.state = state;
        batch.record.started_at = batch.record.started_at.or(Some(now));
        batch.save_head(db)?;
    }
    let held = Held::insert(db, batch.number, &again, fresh, until)?;
    let items = held.fresh_items(db, &batch.record.spec, again)?;
    Ok(Some(held.into_claim(batch, items)))
}

/// How many suspects and how many other items may go. Suspects first: they are due, and may be the last that hold their
/// batch up.
fn allowed(
    db: &Connection,
    batch: &BatchRow,
    want: &Want,
    ceilings: &Ceilings,
    scopes: &mut BTreeMap<Scope, ScopeUse>,
    now: Timestamp,
) -> Done<(u32, u32)> {
    let record = &batch.record;
    let mut supply = supply::of(db, batch, now)?;
    let over: Vec<&Scope> = ceilings
        .over(&record.space, &record.spec.job_type)
        .map(|(scope, _)| scope)
        .collect();
    let suspects = take_within(want.suspects.min(supply.ready_suspects(now)), &over, scopes, now);
    supply.in_flight += suspects;
    if let Some(rate) = supply.rate_per_s {
        supply.bucket = supply.bucket.at(rate, now).minus(suspects);
    }
    let others = take_within(want.items.min(supply.ready(now)), &over, scopes, now);
    Ok((suspects, others))
}

/// Items that are due to go out again, at most `most` of them, due no more.
fn take_due(
    db: &Connection,
    batch: &mut BatchRow,
    which: &str,
    most: u32,
    now: Timestamp,
) -> Done<Vec<Again>> {
    let tally = &mut batch.record.tally;
    if most == 0 || tally.retrying + tally.returned == 0 {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT r.key, r.attempt, r.last_attempt, r.losses, r.kind, r.due_at, i.input
         FROM item_retries AS r CROSS JOIN batch_items AS i ON i.key = r.key
         WHERE r.batch = ?1 AND r.due_at <= ?2 AND r.{which}
         ORDER BY r.due_at, r.key LIMIT ?3"
    );
    let read = |row: &Row<'_>| {
        let (place, Raw(input)): (Place, _) = (read_retry(row)?, row.get("input")?);
        Ok((place.at, Again::new(row.get("key")?, place, input)))
    };
    let mut statement = db.prepare_cached(&sql)?;
    let due = statement.query_map((batch.number, Micros(now), most), read)?;
    let due: Vec<(Whereabouts, Again)> = due.collect::<Result<_, _>>()?;
    let mut dispatched = db.prepare_cached("UPDATE item_retries SET due_at = NULL WHERE key = ?1")?;
    let mut again = Vec::with_capacity(due.len());
    for (at, item) in due {
        dispatched.execute([item.key])?;
        tally.moved(at, Whereabouts::Dispatched);
        again.push(item);
    }
    Ok(again)
}

/// The keys of the next items, at most `most` of them.
fn take_next(batch: &mut BatchRow, most: u32) -> Range<i64> {
    let record = &mut batch.record;
    let first = record.next_index;
    record.next_index += most.min(record.total - first);
    batch.number.key(first)..batch.number.key(record.next_index)
}
