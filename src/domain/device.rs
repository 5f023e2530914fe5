//! A device: one installation of an app.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Timestamp;
use super::id::{DevicePk, PersonPk};
use super::principal::Principal;

/// What the installation runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Platform {
    /// iOS, iPadOS and Apple's other systems.
    Ios,
    /// Android.
    Android,
    /// A browser.
    Web,
}

/// Who carries a push to the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProviderKind {
    /// Apple Push Notification service.
    Apns,
    /// Firebase Cloud Messaging, HTTP v1.
    Fcm,
    /// A web push service (RFC 8030).
    Webpush,
}

/// Which of Apple's two services a token belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Environment {
    /// App Store and `TestFlight` builds.
    #[default]
    Production,
    /// Development builds.
    Sandbox,
}

/// What the system lets the app show, as the app reported it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// Alerts are shown.
    Granted,
    /// Alerts are shown quietly (iOS provisional authorisation).
    Provisional,
    /// Nothing is shown: only silent pushes are sent.
    Denied,
    /// The app has not said.
    #[default]
    Unknown,
}

/// Whether a device is sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceStatus {
    /// It is.
    Active,
    /// It is not, until it registers anew.
    Inactive,
}

/// Why a device is inactive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InactiveReason {
    /// The provider said that the token is dead.
    TokenDead,
    /// The provider said that the token belongs to another environment, app or sender.
    TokenMismatched,
    /// Another device registered the same token.
    TokenMoved,
    /// The user has more than [`MAX_ACTIVE_DEVICES`]; the longest unseen went.
    TooManyDevices,
    /// Unseen for longer than the app's limit.
    Stale,
}

/// A user's active devices, at most; the longest unseen goes first.
pub const MAX_ACTIVE_DEVICES: usize = 50;

/// The address at which the provider reaches the installation. Never printed: `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PushToken {
    /// APNs: lower-case hex.
    Apns(String),
    /// FCM registration token.
    Fcm(String),
    /// Firebase installation id.
    FcmFid(String),
    /// A web push subscription (RFC 8030, RFC 8291); the keys are base64url.
    Webpush {
        /// Where to POST.
        endpoint: String,
        /// The browser's P-256 public key, 65 bytes.
        p256dh: String,
        /// The shared secret, 16 bytes.
        auth: String,
    },
}

impl PushToken {
    /// What makes two tokens of one provider the same address: the token, or the subscription's endpoint.
    /// Stored as a SHA-256 and compared as such.
    pub fn identity(&self) -> &str {
        match self {
            Self::Apns(text) | Self::Fcm(text) | Self::FcmFid(text) => text,
            Self::Webpush { endpoint, .. } => endpoint,
        }
    }
}

impl fmt::Debug for PushToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PushToken(***)")
    }
}

/// SHA-256 of [`PushToken::identity`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenHash(pub [u8; 32]);

impl TokenHash {
    /// The first eight hex digits: enough to recognise a token by, too little to use it.
    pub fn hint(&self) -> String {
        self.0.iter().take(4).fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
    }
}

/// A device as the store has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Device {
    /// The store's number.
    pub pk: DevicePk,
    /// The app's own installation id: 1–128 of `A-Za-z0-9._:-`.
    pub name: String,
    /// Whose it is; `None` where nobody is signed in.
    pub person: Option<PersonPk>,
    /// That person's `user_id`.
    pub user: Option<String>,
    /// What it runs on.
    pub platform: Platform,
    /// Who carries pushes to it.
    pub provider: ProviderKind,
    /// Apple's service; `Production` elsewhere.
    pub environment: Environment,
    /// The address.
    pub token: PushToken,
    /// Its hash.
    pub token_hash: TokenHash,
    /// When a registration last carried this token. A provider's verdict older than this does not count.
    pub token_seen_at: Timestamp,
    /// What the system lets the app show.
    pub permission: Permission,
    /// As the app gave it, known to us or not.
    pub timezone: Option<String>,
    /// BCP 47, as the app gave it.
    pub locale: Option<String>,
    /// The app's version.
    pub app_version: Option<String>,
    /// The system's version.
    pub os_version: Option<String>,
    /// The hardware.
    pub model: Option<String>,
    /// The app's own attributes, for segments.
    pub tags: BTreeMap<String, serde_json::Value>,
    /// Whether it is sent to.
    pub status: DeviceStatus,
    /// Why not.
    pub inactive_reason: Option<InactiveReason>,
    /// First registration.
    pub created_at: Timestamp,
    /// Last change.
    pub updated_at: Timestamp,
    /// Last authenticated call of the phone for this device.
    pub last_seen_at: Timestamp,
    /// Grows by one with each change; the `ETag`.
    pub version: i64,
}

/// What a request says of one field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Change<T> {
    /// Nothing: the field keeps its value.
    #[default]
    Keep,
    /// `null`: back to nothing.
    Clear,
    /// A value.
    Set(T),
}

impl<T> Change<T> {
    /// The field after the change.
    pub fn apply(self, old: Option<T>) -> Option<T> {
        match self {
            Self::Keep => old,
            Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }

    /// Whether the field is left as it is.
    pub fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }
}

/// What a registration does to the tags.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum TagChange {
    /// They stay.
    #[default]
    Keep,
    /// These instead of all others.
    Replace(BTreeMap<String, serde_json::Value>),
    /// RFC 7396: `null` removes one, a value sets it.
    Merge(BTreeMap<String, serde_json::Value>),
}

impl TagChange {
    /// The tags after the change.
    pub fn over(self, old: BTreeMap<String, serde_json::Value>) -> BTreeMap<String, serde_json::Value> {
        match self {
            Self::Keep => old,
            Self::Replace(new) => new,
            Self::Merge(patch) => {
                let mut merged = old;
                for (name, value) in patch {
                    if value.is_null() {
                        merged.remove(&name);
                    } else {
                        merged.insert(name, value);
                    }
                }
                merged
            }
        }
    }
}

/// One registration of a device, checked: what PUT, PATCH and an import line come to.
///
/// `platform` and `token` are needed where the device is new; for an existing device absent means unchanged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeviceChange {
    /// Who asks. A phone's device is its user's afterwards, whatever `user` says.
    pub by: Principal,
    /// `Clear`: nobody is signed in any more.
    pub user: Change<String>,
    /// What it runs on.
    pub platform: Option<Platform>,
    /// Who carries pushes to it; by platform where absent and the device is new or its platform changes.
    pub provider: Option<ProviderKind>,
    /// Apple's service.
    pub environment: Change<Environment>,
    /// The address.
    pub token: Option<PushToken>,
    /// What the system lets the app show.
    pub permission: Change<Permission>,
    /// IANA name.
    pub timezone: Change<String>,
    /// BCP 47.
    pub locale: Change<String>,
    /// The app's version.
    pub app_version: Change<String>,
    /// The system's version.
    pub os_version: Change<String>,
    /// The hardware.
    pub model: Change<String>,
    /// The app's own attributes.
    pub tags: TagChange,
    /// Taken over by an import; elsewhere `None`.
    pub imported: Option<Imported>,
}

/// What only an import may say. It never re-activates a device that Herald deactivated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// First registration elsewhere.
    pub created_at: Option<Timestamp>,
    /// Last seen elsewhere.
    pub last_seen_at: Option<Timestamp>,
    /// It was inactive there.
    pub inactive: bool,
}

impl Platform {
    /// Who carries pushes to this platform unless the registration says otherwise.
    pub fn default_provider(self) -> ProviderKind {
        match self {
            Self::Ios => ProviderKind::Apns,
            Self::Android => ProviderKind::Fcm,
            Self::Web => ProviderKind::Webpush,
        }
    }

    /// As callers write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ios => "ios",
            Self::Android => "android",
            Self::Web => "web",
        }
    }
}

impl ProviderKind {
    /// Every one there is.
    pub const ALL: [Self; 3] = [Self::Apns, Self::Fcm, Self::Webpush];

    /// As callers write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apns => "apns",
            Self::Fcm => "fcm",
            Self::Webpush => "webpush",
        }
    }
}

impl Environment {
    /// The one that it is not.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Production => Self::Sandbox,
            Self::Sandbox => Self::Production,
        }
    }

    /// As callers write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Sandbox => "sandbox",
        }
    }
}
