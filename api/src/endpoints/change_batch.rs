//! `PATCH /v1/batches/{id}`

use axum::Json;
use axum::extract::{Path, Request, State};
use flotilla_core::command::{Change, Command};
use utoipa::ToSchema;

use crate::actor::{ActorHeader, By};
use crate::app::App;
use crate::fields::Fields;
use crate::intake::checks;
use crate::live;
use crate::problem::{Kind, Problem, ProblemDocument};
use crate::space::{Caller, SpaceParam};
use crate::steer;
use crate::views::BatchView;

/// What to change. What is left out stays as it is; `null` lifts a limit.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
pub(crate) struct ChangeBatch {
    /// Its name for people.
    #[schema(max_length = 200)]
    name: Option<String>,
    /// Batches of a space with a higher one go first.
    #[schema(required = false, minimum = -100, maximum = 100)]
    priority: i16,
    /// The most items in flight at once.
    #[schema(minimum = 1)]
    concurrency: Option<u32>,
    /// The most items dispatched per second.
    rate_per_s: Option<f64>,
}

/// Changes what may change while a batch runs. Takes effect at once: what is dispatched beyond a tighter limit and has not
/// started comes back. Idempotent.
#[utoipa::path(
    patch,
    path = "/v1/batches/{id}",
    tag = "batches",
    params(SpaceParam, ActorHeader, ("id" = String, Path, description = "The batch", format = "uuid")),
    request_body = ChangeBatch,
    responses(
        (status = 200, description = "The batch as it is now", body = BatchView),
        (status = "4XX", description = "No such batch, it has ended, or a value that is not allowed", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "An engine is away: repeat it", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn change_batch(
    State(app): State<App>,
    caller: Caller,
    By(by): By,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<BatchView>, Problem> {
    let fields = Fields::of(request, &["name", "priority", "concurrency", "rate_per_s"]).await?;
    let change = Change {
        name: fields.change("name", checks::name)?,
        priority: fields.checked("priority", checks::priority)?,
        concurrency: fields.change("concurrency", checks::concurrency)?,
        rate_per_s: fields.change("rate_per_s", checks::rate)?,
    };
    if change == Change::default() {
        let detail = "say what to change: `name`, `priority`, `concurrency` or `rate_per_s`";
        return Err(Problem::new(Kind::MissingField, detail));
    }
    let change = Command::Change(change);
    let mut batch = steer::command(&app, &caller.space, &id, change, by).await?;
    live::overlay(&app, std::slice::from_mut(&mut batch)).await;
    Ok(Json(batch.into()))
}
