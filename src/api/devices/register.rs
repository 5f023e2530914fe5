//! `PUT` and `PATCH /v1/devices/{device_id}`

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, Uri};

use super::change::{self, change, device_of_another_user, guesses_provider, needs_stored, token_of_other_provider};
use super::dto::DeviceRequest;
use super::own;
use super::token::Allows;
use super::view::{DeviceResponse, version_of};
use crate::api::auth::{KeyOrPhone, ToManage};
use crate::api::body::JsonBody;
use crate::api::json::{self, Reading};
use crate::api::path::DeviceId;
use crate::api::problem::Problem;
use crate::api::tags::Tags;
use crate::api::{Api, etag, query};
use crate::domain::device::{Device, DeviceChange};
use crate::store::device::Registered;

/// Register a device
///
/// Creates or updates it, and activates it. An absent field keeps its value, null clears it; `tags` replaces all tags. A token belongs to one
/// device: registering it here moves it. Scope `manage`.
///
/// A phone registers its own device: it becomes that of the token's user, or, with a token for a device alone, nobody's. A device of another user moves
/// to this one only with the push token that is stored, else 409 `device_of_another_user`. A timezone that is not known here is kept;
/// `timezone_effective` says which one counts.
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
    security(("api_key" = ["manage"]), ("client_token" = []))
)]
pub(super) async fn put(
    State(api): State<Api>,
    caller: KeyOrPhone<ToManage>,
    DeviceId(name): DeviceId,
    uri: Uri,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    query::none(&uri)?;
    let mut reading = json::read_with::<DeviceRequest>(&body, caller.unknown())?;
    if let Some(phone) = caller.phone() {
        phone.check_name(&name)?;
        reading.value.user_id = phone.check_user(reading.value.user_id)?;
    }
    let app = caller.app();
    let mut stored = None;
    if needs_stored(&reading.value) || etag::has_condition(&headers) {
        stored = api.store.device(app, &name).await?;
        etag::check(&headers, stored.as_ref().map(version_of).as_ref())?;
    }
    let if_match = stored.as_ref().filter(|_| etag::has_condition(&headers)).map(|device| device.version);
    let change = resolved(&api, &caller, &name, reading, stored).await?;
    answer(&api, &caller, api.store.put_device(app, &name, change, if_match).await?).await
}

/// Change a device
///
/// RFC 7396 on a device that exists: tags are merged. Without a token it neither activates nor refreshes it. Scope `manage`, or its own phone.
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
    security(("api_key" = ["manage"]), ("client_token" = []))
)]
pub(super) async fn patch(
    State(api): State<Api>,
    caller: KeyOrPhone<ToManage>,
    DeviceId(name): DeviceId,
    uri: Uri,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    query::none(&uri)?;
    let mut reading = json::read_with::<DeviceRequest>(&body, caller.unknown())?;
    let stored = caller.device(&api, &name).await?;
    if let Some(phone) = caller.phone() {
        phone.check_user(std::mem::take(&mut reading.value.user_id))?;
    }
    etag::check(&headers, Some(&version_of(&stored)))?;
    let app = caller.app();
    let change = change(reading, caller.principal(), Tags::Merge, Some(&stored), &|endpoint| api.path.allows(app, endpoint))?;
    let if_match = etag::has_condition(&headers).then_some(stored.version);
    let registered = api.store.patch_device(app, &name, change, if_match).await?;
    answer(&api, &caller, registered.ok_or_else(|| Problem::not_found("device"))?).await
}

/// The change, judged by the provider that the device has. Most phones name none and have the usual one, so the device is read only where
/// that guess fails.
async fn resolved(
    api: &Api,
    caller: &KeyOrPhone<ToManage>,
    name: &str,
    reading: Reading<DeviceRequest>,
    stored: Option<Device>,
) -> Result<DeviceChange, Problem> {
    let app = caller.app();
    let allows: Allows<'_> = &|endpoint| api.path.allows(app, endpoint);
    if stored.is_some() || !guesses_provider(&reading.value) {
        return change(reading, caller.principal(), Tags::Replace, stored.as_ref(), allows);
    }
    let again = Reading { value: reading.value.clone(), errors: reading.errors.clone() };
    let guessed = change(reading, caller.principal(), Tags::Replace, None, allows);
    // an FCM token of an iOS device is never hexadecimal, so a wrong guess shows in the form
    if guessed.is_ok() {
        return guessed;
    }
    match api.store.device(app, name).await? {
        Some(stored) if change::turns_guess(&guessed, &stored) => change(again, caller.principal(), Tags::Replace, Some(&stored), allows),
        _ => guessed,
    }
}

async fn answer(api: &Api, caller: &KeyOrPhone<ToManage>, registered: Registered) -> Result<Response, Problem> {
    let (status, device) = match registered {
        Registered::Created(device) => (StatusCode::CREATED, *device),
        Registered::Updated(device) => {
            api.issuer.forget_device(caller.app(), &device.name);
            (StatusCode::OK, *device)
        }
        Registered::Missing(field) => return Err(Problem::invalid_field(field, "required", "is required when the device is new")),
        Registered::TokenOfOtherProvider => return Err(token_of_other_provider()),
        Registered::Stale => return Err(Problem::stale()),
        Registered::OfAnotherUser => return Err(device_of_another_user()),
        Registered::OfAnotherDevice => return Err(Problem::not_found("device")),
    };
    let app = api.path.app_name(caller.app()).ok_or_else(|| Problem::not_found("app"))?;
    let receipt_token = api.issuer.receipt_token(&app, &device.name, device.user.as_deref()).await?;
    let view = own::view_for(api, caller, device).await?;
    let tag = view.tag();
    Ok(etag::tagged((status, axum::Json(view.with_receipt_token(receipt_token))).into_response(), &tag))
}
