//! `GET` and `DELETE /v1/devices/{device_id}`

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode, Uri};

use super::own;
use super::view::DeviceResponse;
use crate::api::auth::{KeyOrPhone, ToManage, ToRead};
use crate::api::path::DeviceId;
use crate::api::problem::Problem;
use crate::api::{Api, etag, query};

/// Read a device
///
/// Scope `read`, or its own phone.
#[utoipa::path(
    get,
    path = "/v1/devices/{device_id}",
    operation_id = "get_device",
    tag = "devices",
    params(
        ("device_id" = String, Path, description = "The app's own installation id"),
        ("If-None-Match" = Option<String>, Header, description = "304 where this is still the present `ETag`"),
    ),
    responses(
        (status = 200, body = DeviceResponse, headers(("ETag" = String, description = "The present version"))),
        (status = 304, description = "The caller has the present version"),
    ),
    security(("api_key" = ["read"]), ("client_token" = []))
)]
pub(super) async fn read(
    State(api): State<Api>,
    caller: KeyOrPhone<ToRead>,
    DeviceId(name): DeviceId,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    query::none(&uri)?;
    let device = caller.device(&api, &name).await?;
    // read after the version: what is newer than that is read again
    let tokens = api.store.tokens(caller.app(), &name).await?;
    let view = own::view_for(&api, &caller, device).await?;
    Ok(etag::answer(&headers, &view.tag(), &view.with_tokens(tokens)))
}

/// Delete a device
///
/// Nothing is sent to it any more, and the client tokens that are bound to it are revoked. Scope `manage`, or its own phone, to sign out.
#[utoipa::path(
    delete,
    path = "/v1/devices/{device_id}",
    operation_id = "delete_device",
    tag = "devices",
    params(("device_id" = String, Path, description = "The app's own installation id")),
    responses((status = 204, description = "It is gone")),
    security(("api_key" = ["manage"]), ("client_token" = []))
)]
pub(super) async fn delete(
    State(api): State<Api>,
    caller: KeyOrPhone<ToManage>,
    DeviceId(name): DeviceId,
    uri: Uri,
) -> Result<StatusCode, Problem> {
    query::none(&uri)?;
    if !api.store.delete_device(caller.app(), &name, &caller.principal()).await? {
        return Err(Problem::not_found("device"));
    }
    api.issuer.forget_device(caller.app(), &name);
    Ok(StatusCode::NO_CONTENT)
}
