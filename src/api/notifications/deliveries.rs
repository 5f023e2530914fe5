//! `GET /v1/notifications/{id}/deliveries` and `GET /v1/users/{user_id}/deliveries`

use axum::extract::State;
use axum::response::Response;
use http::Uri;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::Api;
use crate::api::auth::{Caller, ToRead};
use crate::api::instant::Instant;
use crate::api::page::{self, List, Listed};
use crate::api::path::{NotificationPath, UserId};
use crate::api::problem::Problem;
use crate::api::schema;
use crate::domain::delivery;
use crate::domain::device::{Platform, ProviderKind};
use crate::domain::name::check_user_id;
use crate::store::notification::{DeliveryFilter, DeliveryView};

/// One target of a notification and what became of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Delivery)]
pub(in crate::api) struct DeliveryResponse {
    /// Of which notification.
    notification_id: Uuid,
    /// The device; null for a user without an active one, and once the person was erased.
    device_id: Option<String>,
    /// The user; null where nobody was signed in, and once the person was erased.
    user_id: Option<String>,
    /// What the device runs on.
    #[schema(value_type = Option<schema::Platform>)]
    platform: Option<Platform>,
    /// Who carried it, or would.
    #[schema(value_type = Option<schema::Provider>)]
    provider: Option<ProviderKind>,
    /// `push`.
    channel: &'static str,
    /// Where it is.
    #[schema(value_type = schema::DeliveryStatus)]
    status: delivery::State,
    /// Why.
    reason: Option<String>,
    /// Requests handed to the provider.
    attempts: u32,
    /// The provider's own id of the message, where it gives one.
    provider_message_id: Option<String>,
    /// The provider's own word.
    detail: Option<String>,
    /// When a waiting one is looked at again.
    #[schema(value_type = Option<schema::Instant>)]
    next_attempt_at: Option<Instant>,
    /// Which variant of its campaign it got; null: none.
    variant: Option<String>,
    /// When it last changed.
    #[schema(value_type = schema::Instant)]
    updated_at: Instant,
    /// When the provider accepted it.
    #[schema(value_type = Option<schema::Instant>)]
    sent_at: Option<Instant>,
    /// When the app says that it arrived.
    #[schema(value_type = Option<schema::Instant>)]
    delivered_at: Option<Instant>,
    /// When the person opened it.
    #[schema(value_type = Option<schema::Instant>)]
    opened_at: Option<Instant>,
    /// When the person dismissed it.
    #[schema(value_type = Option<schema::Instant>)]
    dismissed_at: Option<Instant>,
}

/// List a notification's deliveries
///
/// One for each target, the waiting ones first. Scope `read`.
#[utoipa::path(
    get,
    path = "/v1/notifications/{id}/deliveries",
    operation_id = "list_deliveries",
    tag = "notifications",
    params(
        ("id" = uuid::Uuid, Path, description = "The notification"),
        ("status" = Option<schema::DeliveryStatus>, Query, description = "In this status"),
        ("reason" = Option<String>, Query, description = "For this reason"),
        ("user_id" = Option<String>, Query, description = "Of this user"),
    ),
    responses((status = 200, body = List<DeliveryResponse>)),
    security(("api_key" = ["read"]))
)]
pub(super) async fn deliveries(
    State(api): State<Api>,
    caller: Caller<ToRead>,
    NotificationPath(id): NotificationPath,
    uri: Uri,
) -> Result<Response, Problem> {
    let subject = id.to_string();
    let list = Listed { app: caller.app, route: "deliveries", subject: &subject, now: api.clock.now() };
    let (mut params, listing) = page::listing::<DeliveryResponse>(&uri, list)?;
    let states = delivery::State::ALL.map(|state| (state.as_str(), state));
    let filter = DeliveryFilter {
        state: params.word("status", &states),
        reason: params.text("reason"),
        user: params.name("user_id", check_user_id),
    };
    params.finish()?;
    let page = api.store.deliveries(caller.app, id, &filter, &listing.request()).await?;
    let page = page.ok_or_else(|| Problem::not_found("notification"))?;
    listing.answer(page.items.into_iter().map(DeliveryResponse::from).collect(), page.next)
}

/// List a user's deliveries
///
/// What still waits first, then what is over, each of the newest notification first. A page may be short, or empty, and still have a
/// `next_cursor`: it looks through so much and no more. Scope `read`.
#[utoipa::path(
    get,
    path = "/v1/users/{user_id}/deliveries",
    operation_id = "list_user_deliveries",
    tag = "notifications",
    params(("user_id" = String, Path, description = "The user, percent-encoded")),
    responses((status = 200, body = List<DeliveryResponse>)),
    security(("api_key" = ["read"]))
)]
pub(super) async fn of_user(State(api): State<Api>, caller: Caller<ToRead>, UserId(user): UserId, uri: Uri) -> Result<Response, Problem> {
    let list = Listed { app: caller.app, route: "user deliveries", subject: &user, now: api.clock.now() };
    let (params, listing) = page::listing::<DeliveryResponse>(&uri, list)?;
    params.finish()?;
    let page = api.store.user_deliveries(caller.app, &user, &listing.request()).await?;
    listing.answer(page.items.into_iter().map(DeliveryResponse::from).collect(), page.next)
}

impl From<DeliveryView> for DeliveryResponse {
    fn from(view: DeliveryView) -> Self {
        Self {
            notification_id: view.notification.0,
            device_id: view.device,
            user_id: view.user,
            platform: view.platform,
            provider: view.provider,
            channel: "push",
            status: view.state,
            reason: view.reason,
            attempts: view.attempts,
            provider_message_id: view.message_id,
            detail: view.detail,
            next_attempt_at: view.next_attempt_at.map(Instant),
            variant: view.variant,
            updated_at: Instant(view.updated_at),
            sent_at: view.sent_at.map(Instant),
            delivered_at: view.delivered_at.map(Instant),
            opened_at: view.opened_at.map(Instant),
            dismissed_at: view.dismissed_at.map(Instant),
        }
    }
}
