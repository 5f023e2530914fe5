//! `/health`, `/ready`, `/metrics`: for machines that watch over the daemon. No key is needed, but for metrics where others than this
//! machine can reach it: they tell how much is sent.

use std::time::Duration;

use axum::Json;
use axum::extract::{FromRequestParts, Request, State};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Caller, ToRead};
use super::problem::Problem;
use super::{Api, Metrics};

/// How long store and queue may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where metrics are.
pub(super) const METRICS: &str = "/metrics";

/// All is well.
#[derive(Debug, Serialize, ToSchema)]
struct Status {
    /// `ok`, `ready`.
    status: &'static str,
}

/// The routes.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(health)).routes(routes!(ready)).routes(routes!(metrics))
}

/// Whether a route is one of these: they are answered whatever the load.
pub(super) fn is_probe(route: &str) -> bool {
    matches!(route, "/health" | "/ready" | METRICS)
}

/// Whether the process is alive
#[utoipa::path(get, path = "/health", tag = "operations", responses((status = 200, body = Status)))]
async fn health() -> Json<Status> {
    Json(Status { status: "ok" })
}

/// Whether store and queue answer
///
/// A daemon that is to stop is not ready, while it finishes what is under way.
#[utoipa::path(
    get,
    path = "/ready",
    tag = "operations",
    responses(
        (status = 200, body = Status),
        (status = 503, description = "`away` names what does not answer", body = super::problem::ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn ready(State(api): State<Api>) -> Result<Json<Status>, Problem> {
    if api.stopping.is_cancelled() {
        return Err(Problem::stopping());
    }
    let (store, queue) = tokio::join!(timeout(PATIENCE, api.store.ping()), timeout(PATIENCE, api.queue.ping()));
    let mut away = Vec::new();
    if !matches!(store, Ok(Ok(()))) {
        away.push("store");
    }
    if !matches!(queue, Ok(Ok(()))) {
        away.push("queue");
    }
    if away.is_empty() { Ok(Json(Status { status: "ready" })) } else { Err(Problem::not_ready(&away)) }
}

/// Metrics, in Prometheus' text form
///
/// Where the daemon listens beyond loopback this needs a key of scope `read`; else none. Where `admin_listen` is set it is there, without a
/// key, and not here.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operations",
    responses(
        (status = 200, content_type = "text/plain", body = String),
        (status = 401, description = "Beyond loopback: the code is `key_invalid`", body = super::problem::ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "It is at `admin_listen`: the code is `not_found`", body = super::problem::ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "Beyond loopback: the code is `scope_missing`", body = super::problem::ProblemBody, content_type = "application/problem+json"),
    ),
    security((), ("api_key" = ["read"]))
)]
async fn metrics(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    if api.settings.has_admin {
        return Err(Problem::not_found("route"));
    }
    if api.settings.is_public() {
        let (mut parts, _) = request.into_parts();
        Caller::<ToRead>::from_request_parts(&mut parts, &api).await?;
    }
    Ok(text(&api.metrics))
}

/// The answer with the metrics.
pub(super) fn text(metrics: &Metrics) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics()).into_response()
}
