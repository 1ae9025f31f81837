//! `POST /v1/dead-letters/redrive`

use axum::Json;
use axum::extract::{Request, State};
use flotilla_core::command::Selection;
use flotilla_core::ports::store::Reopened;

use crate::actor::{ActorHeader, By};
use crate::app::App;
use crate::dead_letters::{Chosen, chosen_batches};
use crate::problem::{Problem, ProblemDocument};
use crate::space::{Caller, SpaceParam};
use crate::steer;
use crate::views::Decided;

/// Lets dead letters run again, with as many attempts as a new item has; batches that had ended run again with them.
/// Idempotent: what runs again is no dead letter any more.
#[utoipa::path(
    post,
    path = "/v1/dead-letters/redrive",
    tag = "dead letters",
    params(SpaceParam, ActorHeader),
    request_body = crate::dead_letters::ChosenBody,
    responses(
        (status = 200, description = "So many run again", body = Decided),
        (status = "4XX", description = "A filter is missing or not valid", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "An engine is away: repeat it", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn redrive_dead_letters(
    State(app): State<App>,
    caller: Caller,
    By(by): By,
    request: Request,
) -> Result<Json<Decided>, Problem> {
    let chosen = Chosen::of(request).await?;
    let (own, space) = (app.clone(), caller.space);
    let decided = steer::surely(&app, async move {
        let selection = Selection {
            states: Vec::new(),
            fingerprint: chosen.filter.fingerprint.clone(),
            indices: chosen.filter.indices.clone(),
            dead: true,
        };
        let (batches, mut decided) = chosen_batches(&own, &space, &chosen).await?;
        for (batch, _) in batches {
            match steer::reopen(&own, (&space, batch), &selection, chosen.dry_run, &by).await? {
                Reopened::Done(items, _) => decided.done(batch, items),
                Reopened::Forbidden(forbidden) => decided.refused(batch, &forbidden),
                // Deleted meanwhile.
                Reopened::Unknown => {}
            }
        }
        Ok(decided)
    });
    Ok(Json(decided.await?))
}
