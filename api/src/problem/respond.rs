//! The outermost layer: gives every request an id, and every error its document.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{Kind, Problem};
use crate::app::App;

/// The header in which a request's id comes in and goes out.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request, in its log lines and in the response.
#[derive(Clone)]
pub(crate) struct RequestId(pub(crate) HeaderValue);

/// Problem details (RFC 9457): the body of every error.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemDocument {
    /// What went wrong, for programs: `/problems/` and a name that does not change.
    #[serde(rename = "type")]
    #[schema(example = "/problems/unknown-job-type")]
    kind: String,
    /// What went wrong, for people; the same for every occurrence.
    title: &'static str,
    /// The status of the response.
    status: u16,
    /// What exactly went wrong this time, and what to do about it.
    detail: String,
    /// The path of the request.
    instance: String,
    /// Members that depend on the type: `item`, `line`, `column`, `field`, `known`, …
    #[serde(flatten)]
    #[schema(additional_properties)]
    members: Map<String, Value>,
}

/// See the module.
pub(crate) async fn respond(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let id = request_id(&request, || app.deps.ids.uuid().to_string());
    let instance = request.uri().path().to_owned();
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = next.run(request).await;
    response.headers_mut().insert(REQUEST_ID, id);
    let status = response.status();
    let problem = match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem,
        // axum's own rejections are plain text.
        None if status.is_client_error() && !is_json(&response) => foreign(status),
        None => return response,
    };
    complete(response, problem, instance)
}

/// The client's own id, where it can be repeated in a log line; a new one otherwise.
fn request_id(request: &Request, new: impl FnOnce() -> String) -> HeaderValue {
    let given = request.headers().get(REQUEST_ID).filter(|id| {
        let fine = |c: &u8| c.is_ascii_alphanumeric() || b"-_.:/+=".contains(c);
        (1..=128).contains(&id.len()) && id.as_bytes().iter().all(fine)
    });
    let known = given.cloned();
    known.unwrap_or_else(|| HeaderValue::try_from(new()).unwrap_or(HeaderValue::from_static("-")))
}

fn is_json(response: &Response) -> bool {
    let content_type = response.headers().get(CONTENT_TYPE);
    content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/"))
}

fn foreign(status: StatusCode) -> Problem {
    let kind = match status {
        StatusCode::NOT_FOUND => Kind::UnknownRoute,
        StatusCode::METHOD_NOT_ALLOWED => Kind::MethodNotAllowed,
        StatusCode::PAYLOAD_TOO_LARGE => Kind::UploadTooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Kind::UnsupportedMediaType,
        _ => Kind::BadRequest,
    };
    Problem::new(kind, kind.title())
}

/// Writes the document, keeping the headers that the response has already (`Allow`, say).
fn complete(mut response: Response, problem: Problem, instance: String) -> Response {
    let status = problem.kind.status();
    let document = ProblemDocument {
        kind: format!("/problems/{}", problem.kind.slug()),
        title: problem.kind.title(),
        status: status.as_u16(),
        detail: problem.detail,
        instance,
        members: problem.members,
    };
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if let Some(wait) = problem.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
    }
    *response.body_mut() = Body::from(serde_json::to_vec(&document).unwrap_or_default());
    response
}
