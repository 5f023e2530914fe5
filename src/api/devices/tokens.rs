//! `PUT` and `DELETE /v1/devices/{device_id}/tokens/{kind}`: an installation's other addresses.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::own;
use super::token::TokenRequest;
use super::view::version_of;
use crate::api::auth::{KeyOrPhone, ToManage};
use crate::api::body::JsonBody;
use crate::api::checks::Checks;
use crate::api::instant::Instant;
use crate::api::json::{self, Reading, objects};
use crate::api::path::DeviceTokenPath;
use crate::api::problem::Problem;
use crate::api::{Api, etag, query, schema};
use crate::domain::device::{Environment, ProviderKind};
use crate::domain::principal::Principal;
use crate::domain::token_kind::DeviceToken;
use crate::store::device_token::{Addressed, TokenChange};

/// Another address of an installation.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
#[schema(as = DeviceTokenRequest)]
pub(super) struct DeviceTokenRequest {
    /// The address, in hexadecimal digits; never answered.
    #[schema(value_type = String, required = true, nullable = false)]
    token: Option<TokenRequest>,
    /// Apple's service that knows it; the device's where absent.
    #[schema(value_type = Option<schema::Environment>)]
    environment: Option<Environment>,
}

objects!(DeviceTokenRequest);

/// Another address of an installation. The token is not in it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeviceToken)]
pub(super) struct DeviceTokenResponse {
    /// What it is for: `voip`, `location`, `live_activity_start.<attributes type>` or `live_activity.<activity id>`.
    kind: String,
    /// The first 8 hexadecimal digits of the token's SHA-256, to recognise it by.
    token_hint: String,
    /// Apple's service that knows it.
    #[schema(value_type = schema::Environment)]
    environment: Environment,
    /// When it was last registered.
    #[schema(value_type = schema::Instant)]
    seen_at: Instant,
}

impl From<DeviceToken> for DeviceTokenResponse {
    fn from(token: DeviceToken) -> Self {
        Self {
            kind: token.kind.to_string(),
            token_hint: token.token_hash.hint(),
            environment: token.environment,
            seen_at: Instant(token.seen_at),
        }
    }
}

/// Register another address of a device
///
/// For calls (`voip`), location queries (`location`), the Live Activities of a type that a push may start
/// (`live_activity_start.<attributes type>`) and one that runs (`live_activity.<activity id>`); the names after the dot are 1–64 of
/// `A-Za-z0-9._:-`. Only devices that APNs carries pushes to have such addresses. A device has one of each kind, and at most 20 of either
/// kind of Live Activities: the longest unseen goes. An address belongs to one device: registering it here moves it. All of them go when the
/// device's user changes. Scope `manage`, or the device's own phone.
#[utoipa::path(
    put,
    path = "/v1/devices/{device_id}/tokens/{kind}",
    operation_id = "put_device_token",
    tag = "devices",
    params(
        ("device_id" = String, Path, description = "The app's own installation id"),
        ("kind" = String, Path, description = "What the address is for"),
        ("If-Match" = Option<String>, Header, description = "412 unless this is the device's present `ETag`"),
    ),
    request_body = DeviceTokenRequest,
    responses(
        (status = 200, body = DeviceTokenResponse, description = "The device had one of this kind", headers(("ETag" = String, description = "The device's new version"))),
        (status = 201, body = DeviceTokenResponse, description = "The device had none", headers(("ETag" = String, description = "The device's new version"))),
    ),
    security(("api_key" = ["manage"]), ("client_token" = []))
)]
pub(super) async fn put(
    State(api): State<Api>,
    caller: KeyOrPhone<ToManage>,
    DeviceTokenPath(name, kind): DeviceTokenPath,
    uri: Uri,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    query::none(&uri)?;
    let change = change(json::read_with::<DeviceTokenRequest>(&body, caller.unknown())?, caller.principal())?;
    let mut if_match = None;
    if etag::has_condition(&headers) {
        let device = caller.device(&api, &name).await?;
        etag::check(&headers, Some(&version_of(&device)))?;
        if_match = Some(device.version);
    }
    let (status, device, token) = match api.store.put_token(caller.app(), &name, &kind, change, if_match).await? {
        Addressed::Created(device, token) => (StatusCode::CREATED, device, token),
        Addressed::Updated(device, token) => (StatusCode::OK, device, token),
        Addressed::NoDevice => return Err(Problem::not_found("device")),
        Addressed::TokenOfOtherProvider => {
            return Err(Problem::invalid_field("kind", "unsupported", "is for devices that APNs carries pushes to"));
        }
        Addressed::Stale => return Err(Problem::stale()),
    };
    let tag = own::view_for(&api, &caller, *device).await?.tag();
    Ok(etag::tagged((status, axum::Json(DeviceTokenResponse::from(token))).into_response(), &tag))
}

/// The registration that a request asks for.
fn change(reading: Reading<DeviceTokenRequest>, by: Principal) -> Result<TokenChange, Problem> {
    let mut checks = Checks::with(reading.errors);
    let DeviceTokenRequest { token, environment } = reading.value;
    if token.is_none() {
        checks.required("token");
    }
    // nobody but Apple has addresses of these kinds, and its are no endpoints
    let token = token.and_then(|token| token.for_provider(ProviderKind::Apns, &|_| false, &mut checks));
    let change = token.map(|token| TokenChange { by, token, environment });
    checks.done(())?;
    change.ok_or_else(|| Problem::invalid_field("token", "required", "is required"))
}

/// Forget another address of a device
///
/// Scope `manage`, or the device's own phone.
#[utoipa::path(
    delete,
    path = "/v1/devices/{device_id}/tokens/{kind}",
    operation_id = "delete_device_token",
    tag = "devices",
    params(
        ("device_id" = String, Path, description = "The app's own installation id"),
        ("kind" = String, Path, description = "What the address is for"),
    ),
    responses((status = 204, description = "It is gone")),
    security(("api_key" = ["manage"]), ("client_token" = []))
)]
pub(super) async fn delete(
    State(api): State<Api>,
    caller: KeyOrPhone<ToManage>,
    DeviceTokenPath(name, kind): DeviceTokenPath,
    uri: Uri,
) -> Result<StatusCode, Problem> {
    query::none(&uri)?;
    if api.store.delete_token(caller.app(), &name, &kind, &caller.principal()).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found("token"))
    }
}
