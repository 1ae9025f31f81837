//! `GET /v1/dead-letters`

use axum::Json;
use axum::extract::State;
use flotilla_core::Space;
use flotilla_core::dead_letter::{DeadFilter, DeadLetter};
use serde::Deserialize;

use crate::app::App;
use crate::dead_letters::{Which, page_step};
use crate::params::{self, Params};
use crate::problem::{Problem, ProblemDocument};
use crate::space::{Caller, SpaceParam};
use crate::views::{DeadLetterPage, DeadLetterView};

const DEFAULT_LIMIT: u32 = 50;

/// Which page.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Page {
    /// Only those of this batch.
    batch: Option<String>,
    /// Only those of this job type.
    job_type: Option<String>,
    /// Only those with this error.
    fingerprint: Option<String>,
    /// `next_cursor` of the previous page.
    cursor: Option<String>,
    /// Dead letters per page, at most: a page of large items is cut earlier.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: Option<u32>,
}

/// Items that were given up on, until somebody decides about them: newest batch first, in each by index.
#[utoipa::path(
    get,
    path = "/v1/dead-letters",
    tag = "dead letters",
    params(SpaceParam, Page),
    responses(
        (status = 200, description = "A page of dead letters", body = DeadLetterPage),
        (status = "4XX", description = "A bad parameter", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "An engine is away", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list_dead_letters(
    State(app): State<App>,
    caller: Caller,
    Params(page): Params<Page>,
) -> Result<Json<DeadLetterPage>, Problem> {
    let limit = params::limit(page.limit, DEFAULT_LIMIT)?;
    let which = Which {
        batch: page.batch,
        job_type: page.job_type,
        fingerprint: page.fingerprint,
    };
    let filter = which.filter(page.cursor.as_deref())?;
    let (letters, more) = read(&app, &caller.space, filter, limit as usize).await?;
    let last = letters.last().filter(|_| more);
    let next_cursor = last.map(|letter| format!("{}:{}", letter.batch, letter.index));
    Ok(Json(DeadLetterPage {
        dead_letters: letters.into_iter().map(DeadLetterView::from).collect(),
        next_cursor,
    }))
}

/// At most `limit` of them, fewer where they are large, and whether there are more. Read in steps, none of which fills
/// the memory even where all of them are as large as items may be.
async fn read(
    app: &App,
    space: &Space,
    mut filter: DeadFilter,
    limit: usize,
) -> Result<(Vec<DeadLetter>, bool), Problem> {
    let (mut page, mut bytes) = (Vec::new(), 0);
    let step = page_step(&app.config);
    loop {
        let letters = app.deps.store.dead_letters(space, &filter, step).await?;
        let complete = letters.len() < step as usize;
        for letter in letters {
            bytes += letter.input.len();
            if page.len() == limit || (bytes > app.config.page_bytes && !page.is_empty()) {
                return Ok((page, true));
            }
            filter.after = Some((letter.batch, letter.index));
            page.push(letter);
        }
        if complete {
            return Ok((page, false));
        }
    }
}
