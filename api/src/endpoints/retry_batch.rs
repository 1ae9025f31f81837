//! `POST /v1/batches/{id}/retry`

use axum::Json;
use axum::extract::{Path, Request, State};
use flotilla_core::ItemIndex;
use flotilla_core::command::Selection;
use flotilla_core::item::ItemState;
use flotilla_core::ports::store::Reopened;
use utoipa::ToSchema;

use crate::actor::{ActorHeader, By};
use crate::app::{App, unknown_batch};
use crate::fields::Fields;
use crate::intake::checks::invalid;
use crate::live;
use crate::problem::{Problem, ProblemDocument};
use crate::space::{Caller, SpaceParam};
use crate::steer;
use crate::views::{BatchView, Retried};

/// Which items to run again: those that fit all that is said. All failed ones where nothing is.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
pub(crate) struct RetryBatch {
    /// Items whose error has this fingerprint.
    #[schema(example = "9c1185a5c5e9")]
    fingerprint: Option<String>,
    /// These items.
    indices: Option<Vec<u32>>,
    /// Items in one of these states: `failed`, `cancelled`, `succeeded`.
    #[schema(example = json!(["failed"]))]
    states: Option<Vec<String>>,
    /// Only counts them.
    #[schema(required = false, default = false)]
    dry_run: bool,
}

/// Lets items that ended run again, with as many attempts as a new item has. A batch that had ended runs again; its results
/// stay, and the next one is a new revision. Idempotent: what runs already has not ended. The body may be left out.
#[utoipa::path(
    post,
    path = "/v1/batches/{id}/retry",
    tag = "batches",
    params(SpaceParam, ActorHeader, ("id" = String, Path, description = "The batch", format = "uuid")),
    request_body = Option<RetryBatch>,
    responses(
        (status = 200, description = "So many items run again", body = Retried),
        (status = "4XX", description = "No such batch, or its state does not allow it", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "An engine is away: repeat it", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn retry_batch(
    State(app): State<App>,
    caller: Caller,
    By(by): By,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<Retried>, Problem> {
    let fields = Fields::of(request, &["fingerprint", "indices", "states", "dry_run"]).await?;
    let selection = Selection {
        states: states(&fields)?,
        fingerprint: fields.get("fingerprint", "a text")?,
        indices: fields.get::<Vec<ItemIndex>>("indices", "a list of whole numbers")?,
        dead: false,
    };
    let dry_run = fields.get("dry_run", "true or false")?.unwrap_or(false);
    let batch = id.parse().map_err(|_| unknown_batch(&caller.space, &id))?;
    let (own, space) = (app.clone(), caller.space);
    let retried = steer::surely(&app, async move {
        match steer::reopen(&own, (&space, batch), &selection, dry_run, &by).await? {
            Reopened::Done(items, batch) => Ok((items, batch)),
            Reopened::Forbidden(forbidden) => Err(steer::refused(forbidden)),
            Reopened::Unknown => Err(unknown_batch(&space, &id)),
        }
    });
    let (items, mut batch) = retried.await?;
    live::overlay(&app, std::slice::from_mut(&mut *batch)).await;
    Ok(Json(Retried {
        items,
        dry_run,
        batch: BatchView::from(*batch),
    }))
}

fn states(fields: &Fields) -> Result<Vec<ItemState>, Problem> {
    let expected = "a list of `failed`, `cancelled` and `succeeded`";
    let states: Vec<ItemState> = fields.get("states", expected)?.unwrap_or_default();
    if states.iter().all(|state| state.is_terminal()) {
        Ok(states)
    } else {
        Err(invalid(
            "states",
            &format!("must be {expected}: others run, or will"),
        ))
    }
}
