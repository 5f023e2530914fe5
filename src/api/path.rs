//! What paths name: checked like the same names in bodies. What cannot exist at all is 422; an id of Herald's own that is none is 404.

use axum::RequestPartsExt;
use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use uuid::Uuid;

use super::Api;
use super::dead_letters;
use super::problem::Problem;
use super::request_id;
use crate::domain::device::ProviderKind;
use crate::domain::id::{CampaignId, NotificationId, WorkId};
use crate::domain::name::{NameError, check_category_id, check_device_id, check_user_id};
use crate::domain::token_kind::TokenKind;

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident, $field:literal, $check:ident;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name(pub(super) String);

        impl FromRequestParts<Api> for $name {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Problem> {
                checked(parts, $field, $check).await.map(Self)
            }
        }
    )*};
}

names! {
    /// `{user_id}`
    UserId, "user_id", check_user_id;
    /// `{device_id}`
    DeviceId, "device_id", check_device_id;
    /// `{category}`
    CategoryId, "id", check_category_id;
    /// `{template}`
    TemplateId, "id", check_category_id;
    /// `{topic}`
    TopicId, "topic", check_category_id;
}

/// `{device_id}` and `{kind}` of one of a device's other addresses.
pub(super) struct DeviceTokenPath(pub(super) String, pub(super) TokenKind);

impl FromRequestParts<Api> for DeviceTokenPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Problem> {
        let Ok(Path((device, kind))) = parts.extract::<Path<(String, String)>>().await else {
            return Err(Problem::invalid_field("device_id", "invalid", "must be percent-encoded UTF-8"));
        };
        check_device_id(&device).map_err(|error| Problem::invalid_field("device_id", "invalid", error.to_string()))?;
        let kind = TokenKind::parse(&kind).map_err(|error| Problem::invalid_field("kind", "invalid", error.to_string()))?;
        Ok(Self(device, kind))
    }
}

/// `{topic}` and `{device_id}` (`DEVICE`) or `{user_id}` of a subscription.
pub(super) struct FollowerPath<const DEVICE: bool>(pub(super) String, pub(super) String);

impl<const DEVICE: bool> FromRequestParts<Api> for FollowerPath<DEVICE> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Problem> {
        let (field, check): (_, fn(&str) -> _) = if DEVICE { ("device_id", check_device_id) } else { ("user_id", check_user_id) };
        let Ok(Path((topic, follower))) = parts.extract::<Path<(String, String)>>().await else {
            return Err(Problem::invalid_field(field, "invalid", "must be percent-encoded UTF-8"));
        };
        check_category_id(&topic).map_err(|error| Problem::invalid_field("topic", "invalid", error.to_string()))?;
        check(&follower).map_err(|error: NameError| Problem::invalid_field(field, "invalid", error.to_string()))?;
        Ok(Self(topic, follower))
    }
}

/// `{id}` of a notification.
pub(super) struct NotificationPath(pub(super) NotificationId);

impl FromRequestParts<Api> for NotificationPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Problem> {
        let id = own_id(parts, "notification").await?;
        request_id::about(id);
        Ok(Self(NotificationId(id)))
    }
}

/// `{id}` of a campaign.
pub(super) struct CampaignPath(pub(super) CampaignId);

impl FromRequestParts<Api> for CampaignPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Problem> {
        own_id(parts, "campaign").await.map(|id| Self(CampaignId(id)))
    }
}

/// `{id}` of an API key.
pub(super) struct KeyPath(pub(super) Uuid);

impl FromRequestParts<Api> for KeyPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Problem> {
        own_id(parts, "API key").await.map(Self)
    }
}

/// `{id}` of a webhook.
pub(super) struct WebhookPath(pub(super) Uuid);

impl FromRequestParts<Api> for WebhookPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Problem> {
        own_id(parts, "webhook").await.map(Self)
    }
}

/// `{id}` of a dead letter.
pub(super) struct DeadLetterPath(pub(super) NotificationId, pub(super) WorkId);

impl FromRequestParts<Api> for DeadLetterPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Problem> {
        let text = text(parts).await.unwrap_or_default();
        let (notification, work) = dead_letters::from_text(&text).ok_or_else(|| Problem::not_found("dead letter"))?;
        request_id::about(notification.0);
        Ok(Self(notification, work))
    }
}

/// `{provider}`
pub(super) struct ProviderPath(pub(super) ProviderKind);

impl FromRequestParts<Api> for ProviderPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Problem> {
        let name = text(parts).await.unwrap_or_default();
        let known = [ProviderKind::Apns, ProviderKind::Fcm, ProviderKind::Webpush];
        known.into_iter().find(|kind| kind.as_str() == name).map(Self).ok_or_else(|| Problem::not_found("lane"))
    }
}

async fn checked(parts: &mut Parts, field: &str, check: fn(&str) -> Result<(), NameError>) -> Result<String, Problem> {
    let Some(text) = text(parts).await else {
        return Err(Problem::invalid_field(field, "invalid", "must be percent-encoded UTF-8"));
    };
    check(&text).map_err(|error| Problem::invalid_field(field, "invalid", error.to_string()))?;
    Ok(text)
}

async fn own_id(parts: &mut Parts, what: &'static str) -> Result<Uuid, Problem> {
    let text = text(parts).await.unwrap_or_default();
    // the parser would also take braces and forms without hyphens, which were never answered
    let is_plain = text.len() == uuid::fmt::Hyphenated::LENGTH;
    is_plain.then(|| Uuid::parse_str(&text).ok()).flatten().ok_or_else(|| Problem::not_found(what))
}

/// The one parameter of the path, decoded.
async fn text(parts: &mut Parts) -> Option<String> {
    parts.extract::<Path<String>>().await.ok().map(|Path(text)| text)
}
