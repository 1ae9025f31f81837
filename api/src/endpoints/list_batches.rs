//! `GET /v1/batches`

use axum::Json;
use axum::extract::State;
use flotilla_core::batch::BatchFilter;
use serde::Deserialize;

use crate::app::App;
use crate::live;
use crate::params::{self, Params};
use crate::problem::{Problem, ProblemDocument};
use crate::space::{Caller, SpaceParam};
use crate::views::{BatchPage, BatchView};

const DEFAULT_LIMIT: u32 = 50;

/// Which batches to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Only those in this state.
    #[param(example = "processing")]
    state: Option<String>,
    /// `next_cursor` of the previous page.
    cursor: Option<String>,
    /// Batches per page.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: Option<u32>,
}

/// The batches of a space, newest first. Those that are still being uploaded are not listed.
#[utoipa::path(
    get,
    path = "/v1/batches",
    tag = "batches",
    params(SpaceParam, Which),
    responses(
        (status = 200, description = "A page of batches", body = BatchPage),
        (status = "4XX", description = "A bad parameter", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "An engine is away", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list_batches(
    State(app): State<App>,
    caller: Caller,
    Params(which): Params<Which>,
) -> Result<Json<BatchPage>, Problem> {
    let limit = params::limit(which.limit, DEFAULT_LIMIT)?;
    let filter = BatchFilter {
        state: params::text("state", which.state.as_deref(), "expected the name of a state")?,
        before: params::text(
            "cursor",
            which.cursor.as_deref(),
            "expected a `next_cursor` of this list",
        )?,
    };
    // One more tells whether there is another page.
    let mut batches = app.deps.store.batches(&caller.space, &filter, limit + 1).await?;
    let more = batches.len() > limit as usize;
    batches.truncate(limit as usize);
    let next_cursor = batches.last().filter(|_| more).map(|batch| batch.id.to_string());
    live::overlay(&app, &mut batches).await;
    Ok(Json(BatchPage {
        batches: batches.into_iter().map(BatchView::from).collect(),
        next_cursor,
    }))
}
