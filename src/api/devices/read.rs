//! `GET` and `DELETE /v1/devices/{device_id}`

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode, Uri};

use super::view::{DeviceResponse, tag_of};
use crate::api::auth::{Caller, ToManage, ToRead};
use crate::api::path::DeviceId;
use crate::api::problem::Problem;
use crate::api::{Api, etag, query};
use crate::domain::principal::Principal;

/// Read a device
///
/// Scope `read`.
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
    security(("api_key" = ["read"]))
)]
pub(super) async fn read(
    State(api): State<Api>,
    caller: Caller<ToRead>,
    DeviceId(name): DeviceId,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    query::none(&uri)?;
    let device = api.store.device(caller.app, &name).await?.ok_or_else(|| Problem::not_found("device"))?;
    // read after the version: what is newer than that is read again
    let tokens = api.store.tokens(caller.app, &name).await?;
    let tag = tag_of(&device);
    Ok(etag::answer(&headers, &tag, &DeviceResponse::with_tokens(device, tokens)))
}

/// Delete a device
///
/// Nothing is sent to it any more. Scope `manage`.
#[utoipa::path(
    delete,
    path = "/v1/devices/{device_id}",
    operation_id = "delete_device",
    tag = "devices",
    params(("device_id" = String, Path, description = "The app's own installation id")),
    responses((status = 204, description = "It is gone")),
    security(("api_key" = ["manage"]))
)]
pub(super) async fn delete(
    State(api): State<Api>,
    caller: Caller<ToManage>,
    DeviceId(name): DeviceId,
    uri: Uri,
) -> Result<StatusCode, Problem> {
    query::none(&uri)?;
    if api.store.delete_device(caller.app, &name, &Principal::Backend).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found("device"))
    }
}
