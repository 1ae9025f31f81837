//! `GET /v1/dead-letters/{batch}/{index}`

use axum::Json;
use axum::extract::{Path, State};
use flotilla_core::dead_letter::DeadFilter;

use crate::app::App;
use crate::problem::{Kind, Problem, ProblemDocument};
use crate::space::{Caller, SpaceParam};
use crate::views::DeadLetterDetail;

/// One dead letter, with its attempts.
#[utoipa::path(
    get,
    path = "/v1/dead-letters/{batch}/{index}",
    tag = "dead letters",
    params(
        SpaceParam,
        ("batch" = String, Path, description = "The batch", format = "uuid"),
        ("index" = u32, Path, description = "The item's position in the batch, from 0"),
    ),
    responses(
        (status = 200, description = "The dead letter", body = DeadLetterDetail),
        (status = "4XX", description = "No such dead letter", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "An engine is away", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn get_dead_letter(
    State(app): State<App>,
    caller: Caller,
    Path((batch, index)): Path<(String, String)>,
) -> Result<Json<DeadLetterDetail>, Problem> {
    let unknown = || {
        let named: String = format!("{batch}/{index}").chars().take(80).collect();
        Problem::new(
            Kind::UnknownDeadLetter,
            format!("there is no dead letter {named:?}: it never was, was redriven or discarded"),
        )
    };
    let (Ok(batch), Ok(index)) = (batch.parse(), index.parse()) else {
        return Err(unknown());
    };
    let store = &app.deps.store;
    let filter = DeadFilter {
        batch: Some(batch),
        indices: Some(vec![index]),
        ..DeadFilter::default()
    };
    let letters = store.dead_letters(&caller.space, &filter, 1).await?;
    let letter = letters.into_iter().next().ok_or_else(unknown)?;
    let tried = store.tried(&caller.space, batch, index).await?;
    Ok(Json(DeadLetterDetail::new(letter, tried)))
}
