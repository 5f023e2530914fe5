//! `GET /v1/me/devices`, and devices as their own phones read them.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Uri};

use super::view::DeviceResponse;
use crate::api::Api;
use crate::api::auth::{KeyOrPhone, Phone};
use crate::api::page::{self, List, Listed};
use crate::api::problem::Problem;
use crate::domain::device::Device;
use crate::domain::zone::parse_zone;
use crate::store::Page;
use crate::store::device::DeviceFilter;

/// List one's own devices
///
/// Newest first: those of the user; with a token that is bound to a device, that one alone.
#[utoipa::path(
    get,
    path = "/v1/me/devices",
    operation_id = "list_own_devices",
    tag = "phones",
    params(("If-None-Match" = Option<String>, Header, description = "304 where this is still the present `ETag`")),
    responses(
        (status = 200, body = List<DeviceResponse>, headers(("ETag" = String, description = "The present version"))),
        (status = 304, description = "The caller has the present version"),
    ),
    security(("client_token" = []))
)]
pub(super) async fn list(State(api): State<Api>, phone: Phone, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    // a cursor is of whom it was answered to
    let subject = serde_json::json!([phone.user(), phone.device()]).to_string();
    let list = Listed { app: phone.app, route: "own devices", subject: &subject, now: api.clock.now() };
    let (params, listing) = page::listing::<DeviceResponse>(&uri, list)?;
    params.finish()?;
    let page = match (phone.device(), phone.user()) {
        (Some(name), _) => {
            let device = api.store.device(phone.app, name).await?.filter(|device| phone.owns(device));
            listing.cut(device.into_iter().collect(), |device| device.name.clone(), |_, _| false)
        }
        (None, Some(user)) => {
            let filter = DeviceFilter { user: Some(user.to_owned()), ..DeviceFilter::default() };
            api.store.devices(phone.app, &filter, &listing.request()).await?
        }
        (None, None) => Page { items: Vec::new(), next: None },
    };
    let mut items = Vec::with_capacity(page.items.len());
    for device in page.items {
        items.push(view(&api, &phone, device).await?);
    }
    listing.answer_phone(&headers, items, page.next)
}

/// A device as its caller reads it.
pub(super) async fn view_for<N>(api: &Api, caller: &KeyOrPhone<N>, device: Device) -> Result<DeviceResponse, Problem> {
    match caller.phone() {
        Some(phone) => view(api, phone, device).await,
        None => Ok(device.into()),
    }
}

/// A device as its own phone reads it.
async fn view(api: &Api, phone: &Phone, device: Device) -> Result<DeviceResponse, Problem> {
    // the person's zone is read only where it counts
    let is_known = device.timezone.as_deref().and_then(parse_zone).is_some();
    let person = match phone.user().filter(|_| !is_known) {
        Some(user) => api.store.preferences(phone.app, user).await?.value.timezone,
        None => None,
    };
    Ok(DeviceResponse::from(device).for_phone(person.as_deref(), api.path.default_zone(phone.app)))
}
