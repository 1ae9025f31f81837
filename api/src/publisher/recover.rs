//! Recovery from a broker that has lost everything.

use std::time::Duration;

use flotilla_core::attempt::Attempt;
use flotilla_core::message::Verdict;
use flotilla_core::ports::Store;
use flotilla_core::ports::store::ClaimId;
use flotilla_core::{BatchId, Clock, ItemIndex, Result};
use jiff::{SignedDuration, Timestamp};

/// Batches looked at per round.
const BATCHES: u32 = 1_000;
/// Claims ended per round. Each holds up to a turn's items.
const CLAIMS: u32 = 4;
/// Attempts told at once.
const ATTEMPTS: usize = 500;

/// Makes every item that was dispatched and has no outcome due for dispatch again, and removes uploads that nobody can
/// finish any more. For the start of a process whose broker is volatile: whatever was on its way died with the last
/// process.
///
/// `running` are the items, with their attempts, that the last process ran when it died, if it did: they may be what it
/// died of, so they run alone from now on, and fail where that happens again and again.
///
/// Answers how many items will be dispatched again.
///
/// # Errors
/// Those of the store.
pub async fn recover(
    store: &dyn Store,
    clock: &dyn Clock,
    running: Vec<(BatchId, ItemIndex, u16)>,
) -> Result<u64> {
    let now = clock.now();
    end_claims(store, now).await?;
    loop {
        let abandoned = store.abandoned_batches(now, BATCHES).await?;
        if abandoned.is_empty() {
            break;
        }
        for batch in abandoned {
            store.discard_batch(batch).await?;
        }
    }
    let mut items = running.len() as u64;
    for lost in running.chunks(ATTEMPTS) {
        let attempts = lost.iter().map(|&item| lost_with_its_process(item, now));
        store.record(attempts.collect(), now).await?;
    }
    let mut after = None;
    loop {
        let unfinished = store.unfinished(after, BATCHES).await?;
        let Some(last) = unfinished.last() else {
            return Ok(items);
        };
        after = Some(last.id);
        for batch in &unfinished {
            items += u64::from(store.redispatch_unsettled(batch.id, now).await?);
        }
    }
}

fn lost_with_its_process((batch, index, attempt): (BatchId, ItemIndex, u16), now: Timestamp) -> Attempt {
    Attempt {
        batch,
        index,
        attempt,
        verdict: Verdict::Lost,
        started_at: now,
        duration_us: 0,
        worker: None,
        artifacts: Vec::new(),
    }
}

/// Whoever held a claim is gone with its process, so no lease needs to be waited for.
async fn end_claims(store: &dyn Store, now: Timestamp) -> Result<()> {
    let after_every_lease = now
        .saturating_add(SignedDuration::from_hours(24))
        .unwrap_or(Timestamp::MAX);
    loop {
        let claims = store.take_over(Duration::ZERO, CLAIMS, after_every_lease).await?;
        if claims.is_empty() {
            return Ok(());
        }
        let ids: Vec<ClaimId> = claims.iter().map(|claim| claim.id).collect();
        store.mark_published(&ids).await?;
    }
}
