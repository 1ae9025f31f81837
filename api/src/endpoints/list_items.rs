//! `GET /v1/batches/{id}/items`

use axum::Json;
use axum::extract::{Path, State};
use flotilla_core::item::{ItemFilter, ItemState};
use flotilla_core::{Batch, Space};
use serde::Deserialize;

use crate::app::App;
use crate::outputs;
use crate::params::{self, Params};
use crate::problem::{Problem, ProblemDocument};
use crate::space::{Caller, SpaceParam};
use crate::views::ItemPage;

const DEFAULT_LIMIT: u32 = 100;

/// Which items to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Only those in this state.
    #[param(example = "failed")]
    state: Option<String>,
    /// Only the one with this `custom_id`.
    #[param(example = "a-18")]
    custom_id: Option<String>,
    /// `next_cursor` of the previous page.
    cursor: Option<String>,
    /// Items per page, at most: a page of large items is cut earlier.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
}

/// The items of a batch, in input order, with what became of them. A page of those that are queued, processing or succeeded
/// looks at 50,000 items: it may have fewer than `limit`, even none, and a `next_cursor` to look further.
#[utoipa::path(
    get,
    path = "/v1/batches/{id}/items",
    tag = "items",
    params(SpaceParam, ("id" = String, Path, description = "The batch", format = "uuid"), Which),
    responses(
        (status = 200, description = "A page of items", body = ItemPage),
        (status = "4XX", description = "No such batch, or a bad parameter", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "An engine is away", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list_items(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Params(which): Params<Which>,
) -> Result<Json<ItemPage>, Problem> {
    let limit = params::limit(which.limit, DEFAULT_LIMIT)?;
    let filter = ItemFilter {
        state: params::text("state", which.state.as_deref(), "expected the name of a state")?,
        after: params::text(
            "cursor",
            which.cursor.as_deref(),
            "expected a `next_cursor` of this list",
        )?,
        before: None,
    };
    let batch = app.batch(&caller.space, &id).await?;
    if let Some(custom_id) = which.custom_id {
        return named(&app, &caller.space, &batch, filter, &custom_id).await;
    }
    let limit = limit.min(outputs::affordable(&batch, app.config.page_bytes));
    let filter = filter.stretch();
    // One more tells whether there is another page.
    let mut items = app
        .deps
        .store
        .items(&caller.space, batch.id, &filter, limit + 1)
        .await?;
    let found = items.len();
    items.truncate(limit as usize);
    items.truncate(outputs::fitting(&items, app.config.page_bytes));
    let more = found > items.len();
    let last = items.last().filter(|_| more).map(|item| item.index);
    let looked_to = filter.before.filter(|before| *before < batch.counts.total);
    let next_cursor = last
        .or(looked_to.map(|before| before - 1))
        .map(|index| index.to_string());
    let items = outputs::views(&app.deps.objects, &batch, items).await?;
    Ok(Json(ItemPage { items, next_cursor }))
}

/// The item with a name, if it is one of those that the filter chooses.
async fn named(
    app: &App,
    space: &Space,
    batch: &Batch,
    filter: ItemFilter,
    custom_id: &str,
) -> Result<Json<ItemPage>, Problem> {
    let index = app.deps.store.item_named(space, batch.id, custom_id).await?;
    let index = index.filter(|index| filter.after.is_none_or(|after| *index > after));
    let mut items = Vec::new();
    if let Some(index) = index {
        items.extend(app.item(space, batch.id, index).await?);
    }
    items.retain(|item| filter.state.is_none_or(|state| is_in(item.state, state)));
    Ok(Json(ItemPage {
        items: outputs::views(&app.deps.objects, batch, items).await?,
        next_cursor: None,
    }))
}

/// To a store, `processing` is `queued`.
fn is_in(state: ItemState, wanted: ItemState) -> bool {
    state == wanted || (state, wanted) == (ItemState::Queued, ItemState::Processing)
}
