//! `GET /v1/batches/{id}/items/{index}`

use axum::Json;
use axum::extract::{Path, State};

use crate::app::App;
use crate::outputs;
use crate::problem::{Kind, Problem, ProblemDocument};
use crate::space::{Caller, SpaceParam};
use crate::views::ItemDetail;

/// One item, with what became of it, its attempts, and how far it is where it waits.
#[utoipa::path(
    get,
    path = "/v1/batches/{id}/items/{index}",
    tag = "items",
    params(
        SpaceParam,
        ("id" = String, Path, description = "The batch", format = "uuid"),
        ("index" = u32, Path, description = "The item's position in the batch, from 0"),
    ),
    responses(
        (status = 200, description = "The item", body = ItemDetail),
        (status = "4XX", description = "No such batch or item", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "An engine is away", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn get_item(
    State(app): State<App>,
    caller: Caller,
    Path((id, index)): Path<(String, String)>,
) -> Result<Json<ItemDetail>, Problem> {
    let batch = app.batch(&caller.space, &id).await?;
    let found = match index.parse() {
        Ok(index) => app.item(&caller.space, batch.id, index).await?,
        Err(_) => None,
    };
    let item = found.ok_or_else(|| {
        let total = batch.counts.total;
        let index: String = index.chars().take(20).collect();
        let detail = format!("there is no item {index:?}; the batch has {total}, counted from 0");
        Problem::new(Kind::UnknownItem, detail)
    })?;
    let (store, index) = (&app.deps.store, item.index);
    let place = store.place(batch.id, index).await?;
    let tried = store.tried(&caller.space, batch.id, index).await?;
    let mut views = outputs::views(&app.deps.objects, &batch, vec![item]).await?;
    let view = views
        .pop()
        .ok_or_else(|| Problem::internal("an item got lost on its way to a client"))?;
    Ok(Json(ItemDetail::new(view, place, tried)))
}
