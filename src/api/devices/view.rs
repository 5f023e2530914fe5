//! A device as callers read it. The token is not in it.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use serde::Serialize;
use utoipa::ToSchema;

use super::tokens::DeviceTokenResponse;
use crate::api::etag::Tag;
use crate::api::instant::Instant;
use crate::api::schema;
use crate::domain::device::{Device, DeviceStatus, Environment, InactiveReason, Permission, Platform, ProviderKind};
use crate::domain::token_kind::DeviceToken;
use crate::domain::zone::effective_zone;

/// A device.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Device)]
pub(in crate::api) struct DeviceResponse {
    /// Its version, which is told by its tag.
    #[serde(skip)]
    version: Tag,
    /// The app's own installation id.
    device_id: String,
    /// Whose it is; null where nobody is signed in.
    user_id: Option<String>,
    /// What it runs on.
    #[schema(value_type = schema::Platform)]
    platform: Platform,
    /// Who carries pushes to it.
    #[schema(value_type = schema::Provider)]
    provider: ProviderKind,
    /// Apple's service; `production` elsewhere.
    #[schema(value_type = schema::Environment)]
    environment: Environment,
    /// What the system lets the app show.
    #[schema(value_type = schema::Permission)]
    permission: Permission,
    /// IANA name.
    timezone: Option<String>,
    /// For phones: the zone that counts, since `timezone` need not be known here.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, required = false)]
    timezone_effective: Option<String>,
    /// BCP 47.
    locale: Option<String>,
    /// The app's version.
    app_version: Option<String>,
    /// The system's version.
    os_version: Option<String>,
    /// The hardware.
    model: Option<String>,
    /// The app's own attributes.
    #[schema(value_type = Object)]
    tags: BTreeMap<String, serde_json::Value>,
    /// Whether it is sent to.
    #[schema(value_type = schema::DeviceStatus)]
    status: DeviceStatus,
    /// Why it is not.
    #[schema(value_type = Option<schema::InactiveReason>)]
    inactive_reason: Option<InactiveReason>,
    /// First registration.
    #[schema(value_type = schema::Instant)]
    created_at: Instant,
    /// Last change.
    #[schema(value_type = schema::Instant)]
    updated_at: Instant,
    /// Last call of the phone for this device.
    #[schema(value_type = schema::Instant)]
    last_seen_at: Instant,
    /// The first 8 hexadecimal digits of the token's SHA-256, to recognise it by.
    token_hint: String,
    /// Its other addresses, by kind; only where one device is read, and where it has any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    tokens: Vec<DeviceTokenResponse>,
    /// Only reports receipts of this device, while it keeps its user; answered when it registers. For a notification service extension or a service
    /// worker, which must not share the refresh token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, required = false)]
    receipt_token: Option<String>,
}

impl DeviceResponse {
    /// As its own phone reads it; `person` is the zone of whoever is signed in, `app` that of all others.
    #[must_use]
    pub(super) fn for_phone(mut self, person: Option<&str>, app: Tz) -> Self {
        self.timezone_effective = Some(effective_zone(self.timezone.as_deref(), person, app).name().to_owned());
        self
    }

    /// As it is answered to a registration.
    #[must_use]
    pub(super) fn with_receipt_token(self, token: String) -> Self {
        Self { receipt_token: Some(token), ..self }
    }

    /// Its tag: its version, and what is shown beside it. Neither a call of the phone nor another zone of its person is a change of the device.
    pub(super) fn tag(&self) -> Tag {
        let Self { version, last_seen_at, timezone_effective, .. } = self;
        version.clone().showing(&serde_json::json!([last_seen_at, timezone_effective]).to_string())
    }

    /// With its other addresses.
    #[must_use]
    pub(in crate::api) fn with_tokens(self, tokens: Vec<DeviceToken>) -> Self {
        Self { tokens: tokens.into_iter().map(DeviceTokenResponse::from).collect(), ..self }
    }
}

/// The version of a device, for what is to be changed. One that was deleted and made again begins its count anew, so the instant it was made is in it.
pub(super) fn version_of(device: &Device) -> Tag {
    Tag::new(format_args!("{}-{:x}", device.version, device.created_at.timestamp_micros()))
}

impl From<Device> for DeviceResponse {
    fn from(device: Device) -> Self {
        Self {
            version: version_of(&device),
            device_id: device.name,
            user_id: device.user,
            platform: device.platform,
            provider: device.provider,
            environment: device.environment,
            permission: device.permission,
            timezone: device.timezone,
            timezone_effective: None,
            locale: device.locale,
            app_version: device.app_version,
            os_version: device.os_version,
            model: device.model,
            tags: device.tags,
            status: device.status,
            inactive_reason: device.inactive_reason,
            created_at: Instant(device.created_at),
            updated_at: Instant(device.updated_at),
            last_seen_at: Instant(device.last_seen_at),
            token_hint: device.token_hash.hint(),
            tokens: Vec::new(),
            receipt_token: None,
        }
    }
}
