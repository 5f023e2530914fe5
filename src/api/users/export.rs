//! `GET /v1/users/{user_id}/export`: one document that is written page by page, so that memory does not grow with what is held.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, Uri, header};
use serde::Serialize;
use utoipa::ToSchema;

use super::UserResponse;
use crate::api::auth::{Caller, ToManage};
use crate::api::contacts::ContactsBody;
use crate::api::devices::DeviceResponse;
use crate::api::instant::Instant;
use crate::api::notifications::DeliveryResponse;
use crate::api::path::UserId;
use crate::api::preferences::PreferencesResponse;
use crate::api::problem::Problem;
use crate::api::{Api, query, schema};
use crate::domain::device::Device;
use crate::domain::id::AppId;
use crate::store::PageRequest;
use crate::store::device::DeviceFilter;
use crate::store::topic::Follower;

/// Rows that are read at once.
const AT_ONCE: usize = 100;

/// All that is held of a user.
#[derive(Serialize, ToSchema)]
#[schema(as = UserExport)]
struct ExportResponse {
    #[serde(flatten)]
    head: Head,
    /// Every one, active or not, with hints in the place of tokens.
    devices: Vec<ExportedDevice>,
    /// What waits first, then what is over, each of the newest notification first.
    deliveries: Vec<DeliveryResponse>,
}

/// What comes first.
#[derive(Serialize, ToSchema)]
#[schema(as = UserExportHead)]
struct Head {
    /// The user.
    user_id: String,
    /// When it was begun.
    #[schema(value_type = schema::Instant)]
    exported_at: Instant,
    /// Tags and locale.
    profile: UserResponse,
    /// As they are in force, with the defaults of the channels.
    preferences: PreferencesResponse,
    /// Where fallbacks go.
    contacts: ContactsBody,
    /// Topics that the user has subscriptions to.
    topics: Vec<String>,
}

/// A device and what is held with it.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportedDevice)]
struct ExportedDevice {
    #[serde(flatten)]
    device: DeviceResponse,
    /// Topics that the device has subscriptions of its own to.
    topics: Vec<String>,
}

/// Export what is held of a user
///
/// One document of all of it: what the backend said of them, preferences, contacts, subscriptions, devices and deliveries. Tokens are not in
/// it, only hints to recognise them by. It is written as it is read: an answer that breaks off is not whole JSON. A user who is not known
/// reads as one of whom nothing is held. Scope `manage`.
#[utoipa::path(
    get,
    path = "/v1/users/{user_id}/export",
    operation_id = "export_user",
    tag = "users",
    params(("user_id" = String, Path, description = "The user, percent-encoded")),
    responses((status = 200, body = ExportResponse)),
    security(("api_key" = ["manage"]))
)]
pub(super) async fn export(State(api): State<Api>, caller: Caller<ToManage>, UserId(user): UserId, uri: Uri) -> Result<Response, Problem> {
    query::none(&uri)?;
    let export = Export { api, app: caller.app, user, stage: Stage::Devices, after: None, is_first: true };
    // what is short is read before anything is answered, so that a store that is away is told as a problem
    let head = export.head().await?;
    let (first, rest) = export.next().await?;
    let pages = stream::try_unfold(rest, |rest| async {
        let Some(rest) = rest else { return Ok::<_, std::io::Error>(None) };
        rest.next().await.map(Some).map_err(|problem| {
            tracing::warn!(code = problem.code().as_str(), "an export was broken off");
            std::io::Error::other("the rest cannot be read")
        })
    });
    let begun = stream::iter([Ok(head), Ok(first)]);
    let mut response = Response::new(Body::from_stream(futures_util::StreamExt::chain(begun, pages)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// Which list is written.
#[derive(Clone, Copy)]
enum Stage {
    Devices,
    Deliveries,
}

/// How far an export is.
struct Export {
    api: Api,
    app: AppId,
    user: String,
    stage: Stage,
    after: Option<String>,
    /// Nothing of this list was written yet.
    is_first: bool,
}

impl Export {
    /// What comes before the lists, and the beginning of the first.
    async fn head(&self) -> Result<Bytes, Problem> {
        let (store, app, user) = (&self.api.store, self.app, self.user.as_str());
        let head = Head {
            user_id: user.to_owned(),
            exported_at: Instant(self.api.clock.now()),
            profile: store.profile(app, user).await?.value.into(),
            preferences: store.preferences(app, user).await?.value.into(),
            contacts: store.contacts(app, user).await?.value.into(),
            topics: store.followed_by(app, &Follower::User(user.to_owned())).await?,
        };
        let mut text = json(&head)?;
        text.truncate(text.len().saturating_sub(1));
        text.extend_from_slice(b",\"devices\":[");
        Ok(text.into())
    }

    /// The next page, and what comes after it.
    async fn next(mut self) -> Result<(Bytes, Option<Self>), Problem> {
        let request = PageRequest { limit: AT_ONCE, after: self.after.take() };
        let (mut text, next) = match self.stage {
            Stage::Devices => self.devices(&request).await?,
            Stage::Deliveries => self.deliveries(&request).await?,
        };
        self.is_first &= text.is_empty();
        self.after = next;
        let rest = match (self.stage, &self.after) {
            (_, Some(_)) => Some(self),
            (Stage::Devices, None) => {
                text.extend_from_slice(b"],\"deliveries\":[");
                Some(Self { stage: Stage::Deliveries, is_first: true, ..self })
            }
            (Stage::Deliveries, None) => {
                text.extend_from_slice(b"]}");
                None
            }
        };
        Ok((text.into(), rest))
    }

    async fn devices(&self, request: &PageRequest) -> Result<(Vec<u8>, Option<String>), Problem> {
        let filter = DeviceFilter { user: Some(self.user.clone()), ..DeviceFilter::default() };
        let page = self.api.store.devices(self.app, &filter, request).await?;
        let mut devices = Vec::with_capacity(page.items.len());
        for device in page.items {
            devices.push(self.device(device).await?);
        }
        Ok((self.items(&devices)?, page.next))
    }

    async fn device(&self, device: Device) -> Result<ExportedDevice, Problem> {
        let (store, name) = (&self.api.store, device.name.clone());
        let tokens = store.tokens(self.app, &name).await?;
        let topics = store.followed_by(self.app, &Follower::Device(name)).await?;
        Ok(ExportedDevice { device: DeviceResponse::from(device).with_tokens(tokens), topics })
    }

    async fn deliveries(&self, request: &PageRequest) -> Result<(Vec<u8>, Option<String>), Problem> {
        let page = self.api.store.user_deliveries(self.app, &self.user, request).await?;
        let deliveries: Vec<DeliveryResponse> = page.items.into_iter().map(DeliveryResponse::from).collect();
        Ok((self.items(&deliveries)?, page.next))
    }

    /// Items of a list, with the comma that parts them from those before.
    fn items<T: Serialize>(&self, items: &[T]) -> Result<Vec<u8>, Problem> {
        let mut text = Vec::new();
        for (place, item) in items.iter().enumerate() {
            if place > 0 || !self.is_first {
                text.push(b',');
            }
            text.append(&mut json(item)?);
        }
        Ok(text)
    }
}

fn json<T: Serialize>(value: &T) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(value).map_err(|error| Problem::internal(&error))
}
