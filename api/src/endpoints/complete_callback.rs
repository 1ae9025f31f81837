//! `POST /v1/callbacks/{token}`

use axum::Json;
use axum::extract::{Path, Request, State};
use utoipa::ToSchema;

use crate::app::App;
use crate::callbacks::{self, Call};
use crate::fields::read_body;
use crate::problem::{Kind, Problem, ProblemDocument};
use crate::steer;
use crate::views::CallAnswer;

/// What a body may have besides an output.
const ENVELOPE_BYTES: usize = 64 << 10;
/// What a list of as many files as there may be takes, with names and keys as long as they may be.
const ARTIFACTS_BYTES: usize = 4 << 20;

/// What became of an item.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
pub(crate) struct CallbackBody {
    /// `succeeded`, `failed` or `running`.
    #[schema(example = "succeeded")]
    status: String,
    /// With `succeeded`: the answer. As long as the answer of a handler of this job type.
    #[schema(value_type = Option<Value>)]
    output: Option<()>,
    /// With `succeeded`: files that are in object storage, below the prefix that came with the item.
    #[schema(required = false)]
    artifacts: Vec<CallbackArtifact>,
    /// With `failed`: why.
    error: Option<String>,
    /// With `failed`: no other attempt would succeed.
    #[schema(required = false, default = false)]
    permanent: bool,
    /// With `failed`: not before so many seconds.
    #[schema(minimum = 0)]
    retry_after_s: Option<f64>,
    /// With `running`: how far it is.
    #[schema(minimum = 0, maximum = 100)]
    progress: Option<f64>,
    /// With `running`: what it does.
    message: Option<String>,
    /// With `running`: how much time it needs until it says so again. At most, and without it, the `callback_timeout` of
    /// the batch.
    #[schema(exclusive_minimum = 0)]
    timeout_s: Option<f64>,
}

/// A file in object storage.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
pub(crate) struct CallbackArtifact {
    /// What it is called among the files of the item. Slashes mean folders.
    #[schema(example = "render.png")]
    name: String,
    /// Where it is.
    key: String,
    /// What it is. By its name, where that is not said.
    media_type: Option<String>,
}

/// Completes an item that waits, or gives it more time. The URL comes with the item, as `callback` in its message; its
/// token is all that is needed. Repeating a call is safe: the answer is the same.
#[utoipa::path(
    post,
    path = "/v1/callbacks/{token}",
    tag = "items",
    params(("token" = String, Path, description = "Says which attempt at which item this is about, and proves it")),
    request_body = CallbackBody,
    responses(
        (status = 200, description = "It is so", body = CallAnswer),
        (status = 404, description = "No such callback", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 410, description = "This attempt is over: its time has passed, another one has begun, or the item has ended otherwise", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "4XX", description = "The body can't be understood", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", description = "An engine is away: repeat it", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn complete_callback(
    State(app): State<App>,
    token: Result<Path<String>, axum::extract::rejection::PathRejection>,
    request: Request,
) -> Result<Json<CallAnswer>, Problem> {
    let key = app.callback_key().await?;
    // Malformed or forged: whoever guesses learns nothing.
    let token = token
        .ok()
        .and_then(|Path(text)| key.verify(&text))
        .ok_or_else(|| {
            Problem::new(
                Kind::UnknownCallback,
                "there is no such callback; use the URL as it came with the item",
            )
        })?;
    let batch = callbacks::batch_of(&app, &token).await?;
    let limit = callbacks::max_output_bytes(&app, &batch);
    let (parts, body) = request.into_parts();
    let body = read_body(
        body,
        limit.saturating_add(ENVELOPE_BYTES + ARTIFACTS_BYTES),
        |_| callbacks::too_long(limit),
    )
    .await?;
    let call = Call::parse(&parts.headers, &body)?;
    callbacks::check_length(&call, limit)?;
    let own = app.clone();
    let answer = steer::surely(&app, async move {
        let answer = callbacks::complete(&own, &token, &batch, call).await;
        match &answer {
            Ok(answer) => tracing::debug!(item = %token, state = answer.state, "called back"),
            Err(problem) => tracing::debug!(item = %token, %problem, "called back"),
        }
        answer
    });
    Ok(Json(answer.await?))
}
