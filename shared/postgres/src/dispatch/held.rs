//! From a row of `dispatch_claims` to a claim with everything that its publisher needs.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use flotilla_core::batch::BatchSpec;
use flotilla_core::place::Place;
use flotilla_core::ports::store::{Claim, ClaimId, ClaimedItem};
use flotilla_core::{BatchId, ItemIndex, Json, Result};
use futures_util::future::try_join;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::error::Failure;
use crate::rows::{batch_id, count, get, integer, json, parsed, spec, spec_columns, unsigned};
use crate::session::Client;

const NEW_ITEMS: &str = include_str!("new_items.sql");
const ITEMS_LEFT: &str = include_str!("items_left.sql");

const BATCHES: &str = concat!(
    "SELECT b.id, b.space, b.epoch, ",
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
    again: BTreeMap<ItemIndex, Again>,
}

/// What is known of an item that goes out again.
#[derive(Debug, Clone, Copy)]
struct Again {
    attempt: u16,
    /// None: as the batch says.
    last_attempt: Option<u16>,
    losses: u16,
}

impl Again {
    fn of(attempt: i32, last_attempt: Option<i32>, losses: Option<i32>) -> Result<Self, Failure> {
        Ok(Self {
            attempt: unsigned("attempt", attempt)?,
            last_attempt: last_attempt
                .map(|attempt| unsigned("last_attempt", attempt))
                .transpose()?,
            losses: unsigned("losses", losses.unwrap_or(0))?,
        })
    }
}

impl Held {
    /// Reads a claim that is new.
    pub(super) fn read(row: &Row) -> Result<Self, Failure> {
        let last_attempts: Vec<Option<i32>> = get(row, "last_attempts")?;
        let losses: Vec<i32> = get(row, "losses")?;
        let mut held = Self::read_old(row)?;
        let again = held.again.values_mut().zip(last_attempts).zip(losses);
        for ((again, last_attempt), losses) in again {
            *again = Again::of(again.attempt.into(), last_attempt, Some(losses))?;
        }
        Ok(held)
    }

    /// Reads a claim that somebody left: what more is known of its items comes with them.
    pub(super) fn read_old(row: &Row) -> Result<Self, Failure> {
        let indices: Vec<i32> = get(row, "indices")?;
        let attempts: Vec<i32> = get(row, "attempts")?;
        let again = indices.into_iter().zip(attempts);
        Ok(Self {
            id: ClaimId(get(row, "id")?),
            batch: batch_id(row, "batch_id")?,
            fresh: count(row, "first_index")?..count(row, "end_index")?,
            again: again
                .map(|(index, attempt)| Ok((unsigned("indices", index)?, Again::of(attempt, None, None)?)))
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
        self.again.get(&index).map_or(1, |again| again.attempt)
    }

    fn item(&self, index: ItemIndex, input: Json, spec: &BatchSpec) -> ClaimedItem {
        let first = Place::dispatched(spec);
        let again = self.again.get(&index);
        ClaimedItem {
            index,
            attempt: self.attempt(index),
            last_attempt: again
                .and_then(|again| again.last_attempt)
                .unwrap_or(first.last_attempt),
            isolated: again.is_some_and(|again| again.losses > 0),
            input,
        }
    }
}

type Inputs = HashMap<ClaimId, Vec<(ItemIndex, Json)>>;

/// Reads what belongs to claims that were made just now. Nobody can have done anything to their items yet.
pub(super) async fn load_new(client: &Client, held: Vec<Held>) -> Result<Vec<Claim>, Failure> {
    let (rows, batches) = read(client, NEW_ITEMS, &held).await?;
    let mut items = Inputs::new();
    for row in &rows {
        push(&mut items, row)?;
    }
    assemble(client, held, items, &batches).await
}

/// Reads what belongs to claims that somebody left: those of their items that are still as they left them. Claims of
/// which nothing is left are dropped.
pub(super) async fn load_left(client: &Client, mut held: Vec<Held>) -> Result<Vec<Claim>, Failure> {
    let (rows, batches) = read(client, ITEMS_LEFT, &held).await?;
    let mut places: HashMap<ClaimId, usize> = HashMap::new();
    for (place, claim) in held.iter().enumerate() {
        places.insert(claim.id, place);
    }
    let mut items = Inputs::new();
    for row in &rows {
        let claim = ClaimId(get(row, "claim")?);
        let Some(claim) = places.get(&claim).and_then(|&place| held.get_mut(place)) else {
            continue;
        };
        if let Some(attempt) = get(row, "attempt")? {
            let index = count(row, "index")?;
            let again = Again::of(attempt, get(row, "last_attempt")?, get(row, "losses")?)?;
            // It went out again since, and that is another claim.
            if again.attempt != claim.attempt(index) {
                continue;
            }
            claim.again.insert(index, again);
        }
        push(&mut items, row)?;
    }
    assemble(client, held, items, &batches).await
}

fn push(items: &mut Inputs, row: &Row) -> Result<(), Failure> {
    let input = json("input", get(row, "input")?)?;
    let of_claim = items.entry(ClaimId(get(row, "claim")?)).or_default();
    of_claim.push((count(row, "index")?, input));
    Ok(())
}

async fn assemble(
    client: &Client,
    held: Vec<Held>,
    mut items: Inputs,
    batches: &[Row],
) -> Result<Vec<Claim>, Failure> {
    let batches: HashMap<BatchId, &Row> = batches
        .iter()
        .map(|row| Ok((batch_id(row, "id")?, row)))
        .collect::<Result<_, Failure>>()?;
    let (mut claims, mut empty) = (Vec::new(), Vec::new());
    for held in held {
        match (items.remove(&held.id), batches.get(&held.batch)) {
            (Some(items), Some(row)) => claims.push(claim(&held, items, row)?),
            _ => empty.push(held.id.0),
        }
    }
    if !empty.is_empty() {
        let statement = client.prepare_cached(DROP).await?;
        client.execute(&statement, &[&empty]).await?;
    }
    Ok(claims)
}

fn claim(held: &Held, mut items: Vec<(ItemIndex, Json)>, row: &Row) -> Result<Claim, Failure> {
    items.sort_unstable_by_key(|(index, _)| *index);
    let spec = spec(row)?;
    Ok(Claim {
        id: held.id,
        batch: held.batch,
        space: parsed(row, "space")?,
        epoch: count(row, "epoch")?,
        items: items
            .into_iter()
            .map(|(index, input)| held.item(index, input, &spec))
            .collect(),
        spec,
    })
}

/// Two statements in one flight: the items by claim, and a row for each batch.
async fn read(client: &Client, items: &'static str, held: &[Held]) -> Result<(Vec<Row>, Vec<Row>), Failure> {
    if held.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
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
    let items = client.prepare_cached(items).await?;
    let read_batches = client.prepare_cached(BATCHES).await?;
    Ok(try_join(
        client.query(&items, &[&claims, &batches, &firsts, &ends]),
        client.query(&read_batches, &[&batches]),
    )
    .await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(fresh: Range<u32>, again: &[u32]) -> Held {
        Held {
            id: ClaimId(1),
            batch: BatchId(Uuid::nil()),
            fresh,
            again: again
                .iter()
                .map(|&index| (index, Again::of(2, Some(7), Some(1)).unwrap()))
                .collect(),
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
        let spec = BatchSpec::default();
        let [again, first] = [3, 5].map(|index| held.item(index, Json::null(), &spec));
        assert_eq!((again.attempt, again.last_attempt, again.isolated), (2, 7, true));
        assert_eq!((first.attempt, first.last_attempt, first.isolated), (1, 1, false));
    }
}
