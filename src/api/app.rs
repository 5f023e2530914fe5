//! `GET /v1/app`: whose key it is.

use axum::Json;
use axum::extract::State;
use http::Uri;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Caller, ToKnowOneself};
use super::problem::Problem;
use super::{Api, query};

/// The app of a key.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = App)]
struct AppResponse {
    /// Its name in the configuration.
    name: String,
}

/// The routes.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(read))
}

/// Name the key's app
///
/// Any key may ask, whatever its scopes.
#[utoipa::path(
    get,
    path = "/v1/app",
    tag = "keys",
    responses((status = 200, body = AppResponse)),
    security(("api_key" = []))
)]
async fn read(State(api): State<Api>, caller: Caller<ToKnowOneself>, uri: Uri) -> Result<Json<AppResponse>, Problem> {
    query::none(&uri)?;
    let name = api.path.app_name(caller.app).ok_or_else(|| Problem::not_found("app"))?;
    Ok(Json(AppResponse { name }))
}
