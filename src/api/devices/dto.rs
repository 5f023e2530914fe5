//! A device as callers write it. An absent field keeps its value, null clears it.

use serde::Deserialize;
use utoipa::ToSchema;

use super::token::{TokenRequest, TokenSchema};
use crate::api::instant::Instant;
use crate::api::json::{AnyValue, Given, UniqueMap, objects};
use crate::api::schema;
use crate::domain::device::{DeviceStatus, Environment, Permission, Platform, ProviderKind};

/// The fields that a registration and a line of an import have in common; serde cannot flatten and refuse unknown fields at once.
macro_rules! device_request {
    ($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }) => {
        #[derive(Clone, Debug, Default, Deserialize, ToSchema)]
        #[serde(remote = "Self", deny_unknown_fields)]
        $(#[$meta])*
        pub(super) struct $name {
            /// Whose it is; null where nobody is signed in. Needed when the device is new.
            #[schema(value_type = Option<String>, max_length = 256)]
            #[serde(default)]
            pub(super) user_id: Given<String>,
            /// What it runs on. Needed when the device is new.
            #[schema(value_type = Option<schema::Platform>, nullable = false)]
            #[serde(default)]
            pub(super) platform: Given<Platform>,
            /// Who carries pushes to it: `apns` or `fcm` for ios, `fcm` for android, `webpush` or `fcm` for web; the first of them where it is
            /// absent or null.
            #[schema(value_type = Option<schema::Provider>)]
            #[serde(default)]
            pub(super) provider: Given<ProviderKind>,
            /// Apple's service; `production` where absent or null.
            #[schema(value_type = Option<schema::Environment>)]
            #[serde(default)]
            pub(super) environment: Given<Environment>,
            /// The address. Needed when the device is new; never answered.
            #[schema(value_type = Option<TokenSchema>, nullable = false)]
            #[serde(default)]
            pub(super) token: Given<TokenRequest>,
            /// What the system lets the app show; `unknown` where absent or null.
            #[schema(value_type = Option<schema::Permission>)]
            #[serde(default)]
            pub(super) permission: Given<Permission>,
            /// IANA name.
            #[schema(value_type = Option<String>)]
            #[serde(default)]
            pub(super) timezone: Given<String>,
            /// BCP 47.
            #[schema(value_type = Option<String>, max_length = 35)]
            #[serde(default)]
            pub(super) locale: Given<String>,
            /// The app's version.
            #[schema(value_type = Option<String>, max_length = 64)]
            #[serde(default)]
            pub(super) app_version: Given<String>,
            /// The system's version.
            #[schema(value_type = Option<String>, max_length = 64)]
            #[serde(default)]
            pub(super) os_version: Given<String>,
            /// The hardware.
            #[schema(value_type = Option<String>, max_length = 128)]
            #[serde(default)]
            pub(super) model: Given<String>,
            /// The app's own attributes: strings, numbers, true or false. PUT replaces all, PATCH merges and removes what is null.
            #[schema(value_type = Option<Object>)]
            #[serde(default)]
            pub(super) tags: Given<UniqueMap<AnyValue>>,
            $($(#[$field_meta])* pub(super) $field: $type,)*
        }

        objects!($name);
    };
}

device_request! {
    /// A registration.
    #[schema(as = DeviceRequest)]
    DeviceRequest {}
}

device_request! {
    /// A line of an import.
    #[schema(as = ImportLine)]
    ImportLine {
        /// The app's own installation id.
        #[schema(required = true, nullable = false, max_length = 128)]
        device_id: Option<String>,
        /// First registration elsewhere.
        #[schema(value_type = Option<schema::Instant>)]
        created_at: Option<Instant>,
        /// Last seen elsewhere.
        #[schema(value_type = Option<schema::Instant>)]
        last_seen_at: Option<Instant>,
        /// Whether it was sent to elsewhere. An import never re-activates a device that Herald deactivated.
        #[schema(value_type = Option<schema::DeviceStatus>)]
        status: Option<DeviceStatus>,
    }
}

impl ImportLine {
    /// The registration that is in the line.
    pub(super) fn into_request(self) -> DeviceRequest {
        DeviceRequest {
            user_id: self.user_id,
            platform: self.platform,
            provider: self.provider,
            environment: self.environment,
            token: self.token,
            permission: self.permission,
            timezone: self.timezone,
            locale: self.locale,
            app_version: self.app_version,
            os_version: self.os_version,
            model: self.model,
            tags: self.tags,
        }
    }
}
