//! `PUT` and `PATCH /v1/devices/{device_id}`

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, Uri};

use super::change::{self, change, device_of_another_user, guesses_provider, needs_stored, token_of_other_provider};
use super::dto::DeviceRequest;
use super::token::Allows;
use super::view::{DeviceResponse, tag_of};
use crate::api::auth::{Caller, ToManage};
use crate::api::body::JsonBody;
use crate::api::json::{self, Reading};
use crate::api::path::DeviceId;
use crate::api::problem::Problem;
use crate::api::tags::Tags;
use crate::api::{Api, etag, query};
use crate::domain::device::{Device, DeviceChange};
use crate::domain::id::AppId;
use crate::store::device::Registered;

/// Register a device
///
/// Creates or updates it, and activates it. An absent field keeps its value, null clears it; `tags` replaces all tags. A token belongs to one
/// device: registering it here moves it. Scope `manage`.
#[utoipa::path(
    put,
    path = "/v1/devices/{device_id}",
    operation_id = "put_device",
    tag = "devices",
    params(
        ("device_id" = String, Path, description = "The app's own installation id: 1–128 of `A-Za-z0-9._:-`"),
        ("If-Match" = Option<String>, Header, description = "412 unless this is the present `ETag`"),
    ),
    request_body = DeviceRequest,
    responses(
        (status = 200, body = DeviceResponse, description = "It was there", headers(("ETag" = String, description = "The new version"))),
        (status = 201, body = DeviceResponse, description = "It is new", headers(("ETag" = String, description = "The new version"))),
    ),
    security(("api_key" = ["manage"]))
)]
pub(super) async fn put(
    State(api): State<Api>,
    caller: Caller<ToManage>,
    DeviceId(name): DeviceId,
    uri: Uri,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    query::none(&uri)?;
    let reading = json::read::<DeviceRequest>(&body)?;
    let mut stored = None;
    if needs_stored(&reading.value) || etag::has_condition(&headers) {
        stored = api.store.device(caller.app, &name).await?;
        etag::check(&headers, stored.as_ref().map(tag_of).as_ref())?;
    }
    let if_match = stored.as_ref().filter(|_| etag::has_condition(&headers)).map(|device| device.version);
    let change = resolved(&api, caller.app, &name, reading, stored).await?;
    answer(api.store.put_device(caller.app, &name, change, if_match).await?)
}

/// Change a device
///
/// RFC 7396 on a device that exists: tags are merged. Without a token it neither activates nor refreshes it. Scope `manage`.
#[utoipa::path(
    patch,
    path = "/v1/devices/{device_id}",
    operation_id = "patch_device",
    tag = "devices",
    params(
        ("device_id" = String, Path, description = "The app's own installation id"),
        ("If-Match" = Option<String>, Header, description = "412 unless this is the present `ETag`"),
    ),
    request_body(content(
        (DeviceRequest = "application/json"),
        (DeviceRequest = "application/merge-patch+json"),
    )),
    responses((status = 200, body = DeviceResponse, headers(("ETag" = String, description = "The new version")))),
    security(("api_key" = ["manage"]))
)]
pub(super) async fn patch(
    State(api): State<Api>,
    caller: Caller<ToManage>,
    DeviceId(name): DeviceId,
    uri: Uri,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    query::none(&uri)?;
    let reading = json::read::<DeviceRequest>(&body)?;
    let stored = api.store.device(caller.app, &name).await?.ok_or_else(|| Problem::not_found("device"))?;
    etag::check(&headers, Some(&tag_of(&stored)))?;
    let change = change(reading, Tags::Merge, Some(&stored), &|endpoint| api.path.allows(caller.app, endpoint))?;
    let if_match = etag::has_condition(&headers).then_some(stored.version);
    let registered = api.store.patch_device(caller.app, &name, change, if_match).await?;
    answer(registered.ok_or_else(|| Problem::not_found("device"))?)
}

/// The change, judged by the provider that the device has. Most phones name none and have the usual one, so the device is read only where
/// that guess fails.
async fn resolved(
    api: &Api,
    app: AppId,
    name: &str,
    reading: Reading<DeviceRequest>,
    stored: Option<Device>,
) -> Result<DeviceChange, Problem> {
    let allows: Allows<'_> = &|endpoint| api.path.allows(app, endpoint);
    if stored.is_some() || !guesses_provider(&reading.value) {
        return change(reading, Tags::Replace, stored.as_ref(), allows);
    }
    let again = Reading { value: reading.value.clone(), errors: reading.errors.clone() };
    let guessed = change(reading, Tags::Replace, None, allows);
    // an FCM token of an iOS device is never hexadecimal, so a wrong guess shows in the form
    if guessed.is_ok() {
        return guessed;
    }
    match api.store.device(app, name).await? {
        Some(stored) if change::turns_guess(&guessed, &stored) => change(again, Tags::Replace, Some(&stored), allows),
        _ => guessed,
    }
}

fn answer(registered: Registered) -> Result<Response, Problem> {
    let (status, device) = match registered {
        Registered::Created(device) => (StatusCode::CREATED, device),
        Registered::Updated(device) => (StatusCode::OK, device),
        Registered::Missing(field) => return Err(Problem::invalid_field(field, "required", "is required when the device is new")),
        Registered::TokenOfOtherProvider => return Err(token_of_other_provider()),
        Registered::Stale => return Err(Problem::stale()),
        Registered::OfAnotherUser => return Err(device_of_another_user()),
        Registered::OfAnotherDevice => return Err(Problem::not_found("device")),
    };
    let tag = tag_of(&device);
    Ok(etag::tagged((status, axum::Json(DeviceResponse::from(*device))).into_response(), &tag))
}
