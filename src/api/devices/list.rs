//! `GET /v1/devices` and `GET /v1/users/{user_id}/devices`

use axum::extract::State;
use axum::response::Response;
use http::Uri;

use super::view::DeviceResponse;
use crate::api::auth::{Caller, ToRead};
use crate::api::page::{self, List, Listed};
use crate::api::path::UserId;
use crate::api::problem::Problem;
use crate::api::query::Params;
use crate::api::{Api, schema};
use crate::domain::device::{DeviceStatus, Platform};
use crate::domain::name::check_user_id;
use crate::store::device::DeviceFilter;

/// List devices
///
/// Newest first. Scope `read`.
#[utoipa::path(
    get,
    path = "/v1/devices",
    operation_id = "list_devices",
    tag = "devices",
    params(
        ("platform" = Option<schema::Platform>, Query, description = "On this platform"),
        ("status" = Option<schema::DeviceStatus>, Query, description = "In this status"),
        ("user_id" = Option<String>, Query, description = "Of this user"),
    ),
    responses((status = 200, body = List<DeviceResponse>)),
    security(("api_key" = ["read"]))
)]
pub(super) async fn list(State(api): State<Api>, caller: Caller<ToRead>, uri: Uri) -> Result<Response, Problem> {
    let list = Listed { app: caller.app, route: "devices", subject: "", now: api.clock.now() };
    let (mut params, listing) = page::listing::<DeviceResponse>(&uri, list)?;
    let user = params.name("user_id", check_user_id);
    let filter = filter(&mut params, user);
    params.finish()?;
    let page = api.store.devices(caller.app, &filter, &listing.request()).await?;
    listing.answer(page.items.into_iter().map(DeviceResponse::from).collect(), page.next)
}

/// List a user's devices
///
/// Newest first; a user who is not known has none. Scope `read`.
#[utoipa::path(
    get,
    path = "/v1/users/{user_id}/devices",
    operation_id = "list_user_devices",
    tag = "devices",
    params(
        ("user_id" = String, Path, description = "The user, percent-encoded"),
        ("platform" = Option<schema::Platform>, Query, description = "On this platform"),
        ("status" = Option<schema::DeviceStatus>, Query, description = "In this status"),
    ),
    responses((status = 200, body = List<DeviceResponse>)),
    security(("api_key" = ["read"]))
)]
pub(super) async fn of_user(State(api): State<Api>, caller: Caller<ToRead>, UserId(user): UserId, uri: Uri) -> Result<Response, Problem> {
    let list = Listed { app: caller.app, route: "user devices", subject: &user, now: api.clock.now() };
    let (mut params, listing) = page::listing::<DeviceResponse>(&uri, list)?;
    let filter = filter(&mut params, Some(user.clone()));
    params.finish()?;
    let page = api.store.devices(caller.app, &filter, &listing.request()).await?;
    listing.answer(page.items.into_iter().map(DeviceResponse::from).collect(), page.next)
}

fn filter(params: &mut Params, user: Option<String>) -> DeviceFilter {
    let platforms = [Platform::Ios, Platform::Android, Platform::Web].map(|platform| (platform.as_str(), platform));
    let statuses = [("active", DeviceStatus::Active), ("inactive", DeviceStatus::Inactive)];
    DeviceFilter { platform: params.word("platform", &platforms), status: params.word("status", &statuses), user }
}
