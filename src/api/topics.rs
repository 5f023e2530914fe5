//! `/v1/topics`: lists of devices and users that the backend keeps. A phone cannot subscribe, or it would to anything.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::{StatusCode, Uri};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Caller, ToManage, ToRead, ToSend};
use super::instant::Instant;
use super::page::{self, List, Listed};
use super::path::{FollowerPath, TopicId};
use super::problem::Problem;
use super::{Api, query, schema};
use crate::store::topic::{Followed, Follower, Topic};

/// A topic.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Topic)]
struct TopicResponse {
    /// Its name.
    id: String,
    /// When it was first subscribed to.
    #[schema(value_type = schema::Instant)]
    created_at: Instant,
}

/// A topic and how many follow it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FollowedTopic)]
struct FollowedResponse {
    /// Its name.
    id: String,
    /// When it was first subscribed to.
    #[schema(value_type = schema::Instant)]
    created_at: Instant,
    /// Devices with a subscription of their own.
    devices: u64,
    /// Users with a subscription, which holds for all of their devices.
    users: u64,
}

impl From<Topic> for TopicResponse {
    fn from(topic: Topic) -> Self {
        Self { id: topic.name, created_at: Instant(topic.created_at) }
    }
}

impl From<Followed> for FollowedResponse {
    fn from(Followed { topic, devices, users }: Followed) -> Self {
        Self { id: topic.name, created_at: Instant(topic.created_at), devices, users }
    }
}

/// The routes.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(read, delete))
        .routes(routes!(put_device, delete_device))
        .routes(routes!(put_user, delete_user))
}

/// List topics
///
/// A topic is there from its first subscription until it is deleted. Newest first. Scope `read`.
#[utoipa::path(
    get,
    path = "/v1/topics",
    operation_id = "list_topics",
    tag = "topics",
    responses((status = 200, body = List<TopicResponse>)),
    security(("api_key" = ["read"]))
)]
async fn list(State(api): State<Api>, caller: Caller<ToRead>, uri: Uri) -> Result<Response, Problem> {
    let list = Listed { app: caller.app, route: "topics", subject: "", now: api.clock.now() };
    let (params, listing) = page::listing::<TopicResponse>(&uri, list)?;
    params.finish()?;
    let page = api.store.topics(caller.app, &listing.request()).await?;
    listing.answer(page.items.into_iter().map(TopicResponse::from).collect(), page.next)
}

/// Read a topic
///
/// Scope `read`.
#[utoipa::path(
    get,
    path = "/v1/topics/{topic}",
    operation_id = "get_topic",
    tag = "topics",
    params(("topic" = String, Path, description = "The topic: 1–64 of `A-Za-z0-9._:-`")),
    responses((status = 200, body = FollowedResponse)),
    security(("api_key" = ["read"]))
)]
async fn read(
    State(api): State<Api>,
    caller: Caller<ToRead>,
    TopicId(topic): TopicId,
    uri: Uri,
) -> Result<Json<FollowedResponse>, Problem> {
    query::none(&uri)?;
    let found = api.store.topic(caller.app, &topic).await?;
    found.map(|found| Json(found.into())).ok_or_else(|| Problem::not_found("topic"))
}

/// Delete a topic
///
/// With its subscriptions. Scope `manage`.
#[utoipa::path(
    delete,
    path = "/v1/topics/{topic}",
    operation_id = "delete_topic",
    tag = "topics",
    params(("topic" = String, Path, description = "The topic: 1–64 of `A-Za-z0-9._:-`")),
    responses((status = 204, description = "It is gone")),
    security(("api_key" = ["manage"]))
)]
async fn delete(State(api): State<Api>, caller: Caller<ToManage>, TopicId(topic): TopicId, uri: Uri) -> Result<StatusCode, Problem> {
    query::none(&uri)?;
    if api.store.delete_topic(caller.app, &topic).await? { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::not_found("topic")) }
}

/// Subscribe a device to a topic
///
/// The topic is made where there is none. The subscription goes with the device, and when its user changes. Scope `send`.
#[utoipa::path(
    put,
    path = "/v1/topics/{topic}/devices/{device_id}",
    operation_id = "put_topic_device",
    tag = "topics",
    params(
        ("topic" = String, Path, description = "The topic: 1–64 of `A-Za-z0-9._:-`"),
        ("device_id" = String, Path, description = "The app's own installation id"),
    ),
    responses((status = 204, description = "It follows the topic")),
    security(("api_key" = ["send"]))
)]
async fn put_device(
    State(api): State<Api>,
    caller: Caller<ToSend>,
    FollowerPath(topic, device): FollowerPath<true>,
    uri: Uri,
) -> Result<StatusCode, Problem> {
    query::none(&uri)?;
    follow(&api, &caller, &topic, &Follower::Device(device)).await
}

/// End a device's subscription
///
/// Scope `send`.
#[utoipa::path(
    delete,
    path = "/v1/topics/{topic}/devices/{device_id}",
    operation_id = "delete_topic_device",
    tag = "topics",
    params(
        ("topic" = String, Path, description = "The topic: 1–64 of `A-Za-z0-9._:-`"),
        ("device_id" = String, Path, description = "The app's own installation id"),
    ),
    responses((status = 204, description = "It does not follow the topic any more")),
    security(("api_key" = ["send"]))
)]
async fn delete_device(
    State(api): State<Api>,
    caller: Caller<ToSend>,
    FollowerPath(topic, device): FollowerPath<true>,
    uri: Uri,
) -> Result<StatusCode, Problem> {
    query::none(&uri)?;
    unfollow(&api, &caller, &topic, &Follower::Device(device)).await
}

/// Subscribe a user to a topic
///
/// With all their devices, now and later; the user need not be known yet. The topic is made where there is none. Scope `send`.
#[utoipa::path(
    put,
    path = "/v1/topics/{topic}/users/{user_id}",
    operation_id = "put_topic_user",
    tag = "topics",
    params(
        ("topic" = String, Path, description = "The topic: 1–64 of `A-Za-z0-9._:-`"),
        ("user_id" = String, Path, description = "The user, percent-encoded"),
    ),
    responses((status = 204, description = "They follow the topic")),
    security(("api_key" = ["send"]))
)]
async fn put_user(
    State(api): State<Api>,
    caller: Caller<ToSend>,
    FollowerPath(topic, user): FollowerPath<false>,
    uri: Uri,
) -> Result<StatusCode, Problem> {
    query::none(&uri)?;
    follow(&api, &caller, &topic, &Follower::User(user)).await
}

/// End a user's subscription
///
/// Scope `send`.
#[utoipa::path(
    delete,
    path = "/v1/topics/{topic}/users/{user_id}",
    operation_id = "delete_topic_user",
    tag = "topics",
    params(
        ("topic" = String, Path, description = "The topic: 1–64 of `A-Za-z0-9._:-`"),
        ("user_id" = String, Path, description = "The user, percent-encoded"),
    ),
    responses((status = 204, description = "They do not follow the topic any more")),
    security(("api_key" = ["send"]))
)]
async fn delete_user(
    State(api): State<Api>,
    caller: Caller<ToSend>,
    FollowerPath(topic, user): FollowerPath<false>,
    uri: Uri,
) -> Result<StatusCode, Problem> {
    query::none(&uri)?;
    unfollow(&api, &caller, &topic, &Follower::User(user)).await
}

async fn follow(api: &Api, caller: &Caller<ToSend>, topic: &str, follower: &Follower) -> Result<StatusCode, Problem> {
    if api.store.follow(caller.app, topic, follower).await? { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::not_found("device")) }
}

async fn unfollow(api: &Api, caller: &Caller<ToSend>, topic: &str, follower: &Follower) -> Result<StatusCode, Problem> {
    let ended = api.store.unfollow(caller.app, topic, follower).await?;
    if ended { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::not_found("subscription")) }
}
