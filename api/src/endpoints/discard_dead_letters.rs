//! `POST /v1/dead-letters/discard`

use axum::Json;
use axum::extract::{Request, State};
use flotilla_core::dead_letter::DeadFilter;
use flotilla_core::{BatchId, Space};

use crate::actor::{ActorHeader, By};
use crate::app::App;
use crate::dead_letters::{Chosen, chosen_batches};
use crate::intake::writes::repeat;
use crate::problem::{Problem, ProblemDocument};
use crate::space::{Caller, SpaceParam};
use crate::steer;
use crate::views::Decided;

/// Dead letters forgotten in one transaction.
const CHUNK: u32 = 5_000;

/// Forgets dead letters; their items stay failed. Idempotent.
#[utoipa::path(
    post,
    path = "/v1/dead-letters/discard",
    tag = "dead letters",
    params(SpaceParam, ActorHeader),
    request_body = crate::dead_letters::ChosenBody,
    responses(
        (status = 200, description = "So many are forgotten", body = Decided),
        (status = "4XX", description = "A filter is missing or not valid", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "An engine is away: repeat it", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn discard_dead_letters(
    State(app): State<App>,
    caller: Caller,
    By(by): By,
    request: Request,
) -> Result<Json<Decided>, Problem> {
    let chosen = Chosen::of(request).await?;
    let (own, space) = (app.clone(), caller.space);
    let decided = steer::surely(&app, async move {
        let (batches, mut decided) = chosen_batches(&own, &space, &chosen).await?;
        for (batch, found) in batches {
            let items = if chosen.dry_run {
                found
            } else {
                discard(&own, &space, batch, &chosen.filter).await?
            };
            decided.done(batch, items);
        }
        if decided.items > 0 && !decided.dry_run {
            tracing::info!(items = decided.items, %by, %space, "dead letters were discarded");
        }
        Ok(decided)
    });
    Ok(Json(decided.await?))
}

async fn discard(app: &App, space: &Space, batch: BatchId, filter: &DeadFilter) -> Result<u32, Problem> {
    let filter = DeadFilter {
        batch: Some(batch),
        ..filter.clone()
    };
    let store = &app.deps.store;
    let mut items = 0;
    loop {
        let discard = || store.discard_dead(space, &filter, CHUNK);
        let discarded = repeat("discard dead letters", discard).await.0?;
        items += discarded;
        if discarded < CHUNK {
            return Ok(items);
        }
    }
}
