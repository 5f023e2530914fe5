//! `/v1/me/preferences`: those of whoever is signed in on the phone that asks, or of the phone itself.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Uri};

use super::dto::{PreferencesRequest, PreferencesResponse};
use super::{Owner, Whose};
use crate::api::auth::Phone;
use crate::api::body::JsonBody;
use crate::api::json::Unknown;
use crate::api::problem::Problem;
use crate::api::{Api, query};

/// Read one's own preferences
///
/// With a client token for a device alone they are the device's own, until somebody signs in on it; then 409 `device_of_another_user`.
#[utoipa::path(
    get,
    path = "/v1/me/preferences",
    operation_id = "get_own_preferences",
    tag = "phones",
    params(("If-None-Match" = Option<String>, Header, description = "304 where this is still the present `ETag`")),
    responses(
        (status = 200, body = PreferencesResponse, headers(("ETag" = String, description = "The present version"))),
        (status = 304, description = "The caller has the present version"),
    ),
    security(("client_token" = []))
)]
pub(super) async fn read(State(api): State<Api>, phone: Phone, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    query::none(&uri)?;
    of(&phone).show(&api, &headers).await
}

/// Replace one's own preferences
///
/// The whole document: what is absent goes back to its default. A timezone that is not known here is kept; `timezone_effective` says which one counts.
#[utoipa::path(
    put,
    path = "/v1/me/preferences",
    operation_id = "put_own_preferences",
    tag = "phones",
    params(("If-Match" = Option<String>, Header, description = "412 unless this is the present `ETag`")),
    request_body = PreferencesRequest,
    responses((status = 200, body = PreferencesResponse, headers(("ETag" = String, description = "The new version")))),
    security(("client_token" = []))
)]
pub(super) async fn put(
    State(api): State<Api>,
    phone: Phone,
    uri: Uri,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    query::none(&uri)?;
    of(&phone).replace(&api, &headers, &body).await
}

/// Change one's own preferences
///
/// RFC 7396: what is absent stays, null goes back to the default. A timezone that is not known here is kept, as with PUT.
#[utoipa::path(
    patch,
    path = "/v1/me/preferences",
    operation_id = "patch_own_preferences",
    tag = "phones",
    params(("If-Match" = Option<String>, Header, description = "412 unless this is the present `ETag`")),
    request_body(content(
        (PreferencesRequest = "application/json"),
        (PreferencesRequest = "application/merge-patch+json"),
    )),
    responses((status = 200, body = PreferencesResponse, headers(("ETag" = String, description = "The new version")))),
    security(("client_token" = []))
)]
pub(super) async fn patch(
    State(api): State<Api>,
    phone: Phone,
    uri: Uri,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    query::none(&uri)?;
    of(&phone).merge(&api, &headers, &body).await
}

fn of(phone: &Phone) -> Whose<'_> {
    Whose { app: phone.app, owner: Owner::of(phone), unknown: Unknown::Ignored }
}
