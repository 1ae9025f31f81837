//! Which path leads where, and through which layers.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::trace::TraceLayer;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::config::Config;
use crate::dashboard;
use crate::deps::Deps;
use crate::endpoints::{
    append_items, batch_archive, batch_audit, batch_errors, batch_events, batch_explain, batch_history,
    batch_result, cancel_batch, change_batch, complete_callback, create_batch, dead_letter_groups,
    delete_batch, discard_dead_letters, download_batch, download_skipped, drain_worker, get_artifact,
    get_batch, get_dead_letter, get_item, get_producer, healthz, job_types, list_batches, list_dead_letters,
    list_items, list_workers, pause_batch, readyz, redrive_dead_letters, resume_batch, resume_worker,
    retry_batch, run_batch, seal_batch, space_events, space_socket,
};
use crate::openapi;
use crate::problem::{Kind, Problem, respond};
use crate::telemetry::{self, Probe};

/// The whole HTTP API, ready to be served.
pub fn router(deps: Deps, config: Config) -> Router {
    let app = App::new(deps, config);
    let trace = Arc::clone(&app.deps.trace);
    let (router, mut document) = uploads()
        .merge(quick().layer(from_fn_with_state(app.clone(), in_time)))
        .merge(probes().layer(map_response(mark_probe)))
        .split_for_parts();
    openapi::complete(&mut document);
    router
        .merge(dashboard::routes())
        .fallback(unknown_route)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(axum::Extension(Arc::new(document)))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(move |request: &Request| telemetry::span(&*trace, request))
                .on_request(())
                .on_response(telemetry::log)
                .on_failure(()),
        )
        .layer(from_fn_with_state(app.clone(), respond))
        .with_state(app)
}

/// The document of every route.
pub(crate) fn documented() -> OpenApi {
    uploads().merge(quick()).merge(probes()).into_openapi()
}

fn uploads() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(create_batch::create_batch))
        .routes(routes!(append_items::append_items))
}

fn quick() -> OpenApiRouter<App> {
    batches()
        .merge(dead_letters())
        .routes(routes!(complete_callback::complete_callback))
        .routes(routes!(space_events::space_events))
        .routes(routes!(space_socket::space_socket))
        .routes(routes!(list_workers::list_workers))
        .routes(routes!(drain_worker::drain_worker))
        .routes(routes!(resume_worker::resume_worker))
        .routes(routes!(job_types::job_types))
        .routes(routes!(openapi::openapi_json))
}

fn batches() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(list_batches::list_batches))
        .routes(routes!(
            get_batch::get_batch,
            change_batch::change_batch,
            delete_batch::delete_batch
        ))
        .routes(routes!(list_items::list_items))
        .routes(routes!(get_item::get_item))
        .routes(routes!(get_artifact::get_artifact))
        .routes(routes!(download_batch::download_batch))
        .routes(routes!(download_skipped::download_skipped))
        .routes(routes!(get_producer::get_producer))
        .routes(routes!(batch_archive::batch_archive))
        .routes(routes!(seal_batch::seal_batch))
        .routes(routes!(run_batch::run_batch))
        .routes(routes!(pause_batch::pause_batch))
        .routes(routes!(resume_batch::resume_batch))
        .routes(routes!(cancel_batch::cancel_batch))
        .routes(routes!(retry_batch::retry_batch))
        .routes(routes!(batch_history::batch_history))
        .routes(routes!(batch_explain::batch_explain))
        .routes(routes!(batch_audit::batch_audit))
        .routes(routes!(batch_errors::batch_errors))
        .routes(routes!(batch_events::batch_events))
        .routes(routes!(batch_result::batch_result))
}

fn dead_letters() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(list_dead_letters::list_dead_letters))
        .routes(routes!(dead_letter_groups::dead_letter_groups))
        .routes(routes!(get_dead_letter::get_dead_letter))
        .routes(routes!(redrive_dead_letters::redrive_dead_letters))
        .routes(routes!(discard_dead_letters::discard_dead_letters))
}

fn probes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(healthz::healthz))
        .routes(routes!(readyz::readyz))
}

async fn mark_probe(mut response: Response) -> Response {
    response.extensions_mut().insert(Probe);
    response
}

/// Ends a request that takes too long, whatever it waits for.
async fn in_time(State(app): State<App>, request: Request, next: Next) -> Response {
    let patience = app.config.request_timeout;
    match tokio::time::timeout(patience, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(
            Kind::Unavailable,
            format!("no answer within {} s; try again", patience.as_secs_f64()),
        )
        .retry_after(Duration::from_secs(5))
        .into_response(),
    }
}

async fn unknown_route(request: Request) -> Problem {
    let path: String = request.uri().path().chars().take(200).collect();
    Problem::new(
        Kind::UnknownRoute,
        format!("there is nothing at {path:?}; /openapi.json lists every path"),
    )
}

async fn method_not_allowed(request: Request) -> Problem {
    let detail = format!(
        "this path does not take {}; the header Allow says what it takes",
        request.method()
    );
    Problem::new(Kind::MethodNotAllowed, detail)
}

fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    Problem::internal("a request panicked").into_response()
}
