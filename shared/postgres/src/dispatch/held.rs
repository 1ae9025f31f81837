//! From a row of `dispatch_claims` to a claim with everything that its publisher needs.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use flotilla_core::ports::store::{Claim, ClaimId, ClaimedItem};
use flotilla_core::{BatchId, ItemIndex, Result};
use futures_util::future::try_join;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::error::Failure;
use crate::rows::{batch_id, count, get, integer, json, parsed, spec, spec_columns, unsigned};
use crate::session::Client;

const ITEMS: &str = include_str!("items.sql");

const SPECS: &str = concat!(
    "SELECT b.id, b.space, ",
    spec_columns!(),
    " FROM batches b WHERE b.id = ANY($1)"
);

/// Also where the claim was taken over by somebody else: nothing is left of it for them either.
const DROP: &str = "DELETE FROM dispatch_claims WHERE id = ANY($1)";

/// A claim without its items.
#[derive(Debug)]
pub(super) struct Held {
    id: ClaimId,
    batch: BatchId,
    /// Items that go out for the first time.
    fresh: Range<ItemIndex>,
    /// Items that go out again, and which attempt that is.
    again: BTreeMap<ItemIndex, u16>,
}

impl Held {
    pub(super) fn read(row: &Row) -> Result<Self, Failure> {
        let indices: Vec<i32> = get(row, "indices")?;
        let attempts: Vec<i32> = get(row, "attempts")?;
        let again = indices.into_iter().zip(attempts);
        Ok(Self {
            id: ClaimId(get(row, "id")?),
            batch: batch_id(row, "batch_id")?,
            fresh: count(row, "first_index")?..count(row, "end_index")?,
            again: again
                .map(|(index, attempt)| Ok((unsigned("indices", index)?, unsigned("attempts", attempt)?)))
                .collect::<Result<_, Failure>>()?,
        })
    }

    /// Its items as stretches without gaps: few, where much was lost at once.
    fn stretches(&self) -> Vec<Range<ItemIndex>> {
        let mut stretches: Vec<Range<ItemIndex>> = Vec::new();
        let single = self.again.keys().map(|&index| index..index + 1);
        for next in single
            .chain([self.fresh.clone()])
            .filter(|stretch| !stretch.is_empty())
        {
            match stretches.last_mut() {
                Some(last) if last.end == next.start => last.end = next.end,
                _ => stretches.push(next),
            }
        }
        stretches
    }

    fn attempt(&self, index: ItemIndex) -> u16 {
        self.again.get(&index).copied().unwrap_or(1)
    }
}

/// Reads what belongs to `held`. Claims of which every item has an outcome are dropped.
pub(super) async fn load(client: &Client, held: Vec<Held>) -> Result<Vec<Claim>, Failure> {
    if held.is_empty() {
        return Ok(Vec::new());
    }
    let (mut items, specs) = read(client, &held).await?;
    let specs: HashMap<BatchId, &Row> = specs
        .iter()
        .map(|row| Ok((batch_id(row, "id")?, row)))
        .collect::<Result<_, Failure>>()?;
    let (mut claims, mut settled) = (Vec::new(), Vec::new());
    for held in held {
        match (items.remove(&held.id), specs.get(&held.batch)) {
            (Some(items), Some(row)) => claims.push(Claim {
                id: held.id,
                batch: held.batch,
                space: parsed(row, "space")?,
                spec: spec(row)?,
                items: with_attempts(&held, items),
            }),
            _ => settled.push(held.id.0),
        }
    }
    if !settled.is_empty() {
        let statement = client.prepare_cached(DROP).await?;
        client.execute(&statement, &[&settled]).await?;
    }
    Ok(claims)
}

type Inputs = Vec<(ItemIndex, flotilla_core::Json)>;

fn with_attempts(held: &Held, mut items: Inputs) -> Vec<ClaimedItem> {
    items.sort_unstable_by_key(|(index, _)| *index);
    let claimed = |(index, input)| ClaimedItem {
        index,
        attempt: held.attempt(index),
        input,
    };
    items.into_iter().map(claimed).collect()
}

/// Two statements in one flight: the items by claim, and a row for each batch.
async fn read(client: &Client, held: &[Held]) -> Result<(HashMap<ClaimId, Inputs>, Vec<Row>), Failure> {
    let (mut claims, mut batches, mut firsts, mut ends) =
        (Vec::new(), Vec::<Uuid>::new(), Vec::new(), Vec::new());
    for claim in held {
        for stretch in claim.stretches() {
            claims.push(claim.id.0);
            batches.push(claim.batch.0);
            firsts.push(integer(stretch.start));
            ends.push(integer(stretch.end));
        }
    }
    let read_items = client.prepare_cached(ITEMS).await?;
    let read_specs = client.prepare_cached(SPECS).await?;
    let (rows, specs) = try_join(
        client.query(&read_items, &[&claims, &batches, &firsts, &ends]),
        client.query(&read_specs, &[&batches]),
    )
    .await?;
    let mut items = HashMap::<ClaimId, Inputs>::new();
    for row in &rows {
        let input = json("input", get(row, "input")?)?;
        let claim = ClaimId(get(row, "claim")?);
        items
            .entry(claim)
            .or_default()
            .push((count(row, "index")?, input));
    }
    Ok((items, specs))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(fresh: Range<u32>, again: &[u32]) -> Held {
        Held {
            id: ClaimId(1),
            batch: BatchId(Uuid::nil()),
            fresh,
            again: again.iter().map(|&index| (index, 2)).collect(),
        }
    }

    fn stretches(fresh: Range<u32>, again: &[u32]) -> Vec<(u32, u32)> {
        let stretches = held(fresh, again).stretches();
        stretches
            .into_iter()
            .map(|stretch| (stretch.start, stretch.end))
            .collect()
    }

    #[test]
    fn neighbours_are_read_together() {
        assert_eq!(stretches(5..9, &[]), [(5, 9)]);
        assert_eq!(stretches(5..9, &[0, 1, 3, 4]), [(0, 2), (3, 9)]);
        assert_eq!(stretches(5..5, &[2]), [(2, 3)]);
        assert_eq!(stretches(7..7, &[]), []);
    }

    #[test]
    fn attempts_are_those_of_the_claim() {
        let held = held(5..9, &[3]);
        assert_eq!((held.attempt(3), held.attempt(5)), (2, 1));
    }
}
