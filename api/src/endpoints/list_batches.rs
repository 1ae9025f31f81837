//! `GET /v1/batches`

use axum::Json;
use axum::extract::State;
use flotilla_core::Space;
use flotilla_core::batch::{BatchFilter, Words};
use serde::Deserialize;

use crate::app::App;
use crate::live;
use crate::params::{self, Params};
use crate::problem::{Kind, Problem, ProblemDocument};
use crate::search::{Found, search};
use crate::space::{Caller, SpaceParam};
use crate::views::{BatchPage, BatchView};

const DEFAULT_LIMIT: u32 = 50;
/// Characters that can be searched for. Each word is looked for in each batch.
const MAX_SEARCH: usize = 200;

/// Which batches to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Only those in this state.
    #[param(example = "processing")]
    state: Option<String>,
    /// Only those with each of these words in their name, id or job type, whatever the case.
    #[param(example = "nightly crawl", max_length = 200)]
    search: Option<String>,
    /// `next_cursor` of the previous page.
    cursor: Option<String>,
    /// Batches per page.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: Option<u32>,
}

/// The batches of a space, newest first. Those that are still being uploaded are not listed. A search looks at 20,000
/// batches per request: a page may have fewer than `limit`, even none, and a `next_cursor` to look further.
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
    let words = words(which.search.as_deref().unwrap_or_default())?;
    let mut found = if words.is_empty() {
        list(&app, &caller.space, &filter, limit).await?
    } else {
        search(&app, &caller.space, &words, &filter, limit).await?
    };
    live::overlay(&app, &mut found.batches).await;
    Ok(Json(BatchPage {
        batches: found.batches.into_iter().map(BatchView::from).collect(),
        next_cursor: found.looked_to.map(|id| id.to_string()),
    }))
}

async fn list(app: &App, space: &Space, filter: &BatchFilter, limit: u32) -> Result<Found, Problem> {
    // One more tells whether there is another page.
    let mut batches = app.deps.store.batches(space, filter, limit + 1).await?;
    let more = batches.len() > limit as usize;
    batches.truncate(limit as usize);
    let last = batches.last().map(|batch| batch.id);
    Ok(Found {
        batches,
        looked_to: last.filter(|_| more),
    })
}

fn words(text: &str) -> Result<Words, Problem> {
    let length = text.chars().count();
    if length > MAX_SEARCH {
        let detail = format!("`search` may have {MAX_SEARCH} characters, not {length}");
        return Err(Problem::new(Kind::InvalidParameter, detail).with("parameter", "search"));
    }
    Ok(Words::of(text))
}
