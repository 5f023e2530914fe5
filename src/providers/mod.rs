//! Providers take a rendered message and a token and say what became of it. They know no user, preference, store or queue.

pub mod apns;
mod broadcast;
mod context;
mod fault;
pub mod fcm;
mod fields;
mod fingerprint;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod handover;
pub mod http2;
mod init;
mod origins;
mod patch;
mod proxy;
mod secret;
#[cfg(test)]
mod testing;
mod token_share;
mod validity;
pub mod webhook;
pub mod webpush;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::domain::Timestamp;
use crate::domain::broadcast::Broadcast;
use crate::domain::content::Content;
use crate::domain::device::{Environment, Platform, ProviderKind, PushToken};
use crate::domain::endpoint::Endpoint;
use crate::domain::id::NotificationId;
use crate::domain::notification::Priority;
use crate::domain::outcome::{Outcome, Reason};
use crate::domain::push_type::PushType;

pub use broadcast::BroadcastPush;
pub use context::Context;
pub use fingerprint::Fingerprint;
pub use handover::Handover;
pub use init::InitError;
pub use secret::Secret;
pub use token_share::{Replacement, ShareError, Shared, TokenShare};
pub use validity::Validity;

/// One message in the words of one platform and locale, ready to be put into a provider's form.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    /// Arrives as `herald_id`.
    pub notification: NotificationId,
    /// What the device runs on: FCM carries all three.
    pub platform: Platform,
    /// The words, chosen.
    pub content: &'a Content,
    /// A data-only background push.
    pub silent: bool,
    /// What kind of push it is. All but the usual are Apple's alone: no other provider is asked for them.
    pub push_type: &'a PushType,
    /// From when on it may be sent: of what a Live Activity is told, the latest of these counts.
    pub start_at: Timestamp,
    /// How urgent.
    pub priority: Priority,
    /// The caller's key as it goes on the wire (at most 64 bytes of visible ASCII), else the notification's id.
    pub collapse_id: &'a str,
    /// Until when the provider may try; `None` for now or never.
    pub expires_at: Option<Timestamp>,
    /// The RFC 7396 patch of the caller for this provider.
    pub overrides: Option<&'a serde_json::Value>,
}

/// What every device of one platform and locale gets alike, made once and shared.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The body, with a hole where the provider's form has one for the token or the time left.
    pub body: Body,
    /// Header fields alike for all (`apns-push-type`, `apns-topic`, `apns-priority`, `apns-collapse-id`; `Urgency`, `Topic`).
    pub headers: http::HeaderMap,
    /// What counts towards the provider's limit, in bytes.
    pub size: usize,
}

/// A body in pieces; pieces are shared, holes are filled per device.
#[derive(Clone, Debug)]
pub enum Body {
    /// The same bytes for every device (APNs).
    Whole(Bytes),
    /// Pieces and holes in order (FCM).
    Spliced(Arc<[Piece]>),
    /// The same text for every device, encrypted anew for each (Web Push).
    Sealed(Bytes),
}

/// A part of a spliced body.
#[derive(Clone, Debug)]
pub enum Piece {
    /// Shared bytes.
    Shared(Bytes),
    /// The address as a JSON member: `"token":"…"`, or `"fid":"…"` for an installation id.
    Address,
    /// The seconds left to live, as digits.
    SecondsLeft,
    /// The end of life in UNIX seconds, as digits; 0 for now or never.
    ExpiresAt,
}

/// One push: what is shared, and what is this device's.
#[derive(Clone, Debug)]
pub struct Push {
    /// What is shared.
    pub rendered: Arc<Rendered>,
    /// The address.
    pub token: PushToken,
    /// Apple's service.
    pub environment: Environment,
    /// The same for every repeat of this notification at this device.
    pub id: uuid::Uuid,
    /// Until when the provider may try; `None` for now or never.
    pub expires_at: Option<Timestamp>,
    /// The present, for the time left.
    pub now: Timestamp,
    /// Until when its requests may start, and how many did.
    pub handover: Handover,
}

/// Why a message cannot be put into a provider's form.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RenderError {
    /// It is larger than the provider takes.
    #[error("{size} bytes, the provider takes {limit}")]
    TooLarge {
        /// As rendered.
        size: usize,
        /// The provider's limit.
        limit: usize,
    },
    /// The overrides make something that the provider would refuse.
    #[error("{field}: {message}")]
    Invalid {
        /// Where, from the root of the caller's body: `apns.headers.apns-priority`.
        field: String,
        /// What is wrong.
        message: String,
    },
    /// The overrides name what is not the caller's to set: a target, a credential, a key of Herald's own.
    #[error("{field}: may not be set")]
    Forbidden {
        /// Where, from the root of the caller's body: `apns.headers.apns-topic`.
        field: String,
    },
    /// The provider cannot carry this kind of push to this platform (silent pushes to browsers).
    #[error("the provider cannot carry this to the platform")]
    Unsupported,
}

/// A provider with one app's credentials.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Which one.
    fn kind(&self) -> ProviderKind;

    /// Puts a message into the provider's form, once for all devices of a platform and locale.
    fn render(&self, message: &Message<'_>) -> Result<Rendered, RenderError>;

    /// From when on its credential is refused, where it says so itself (a certificate).
    fn credential_expires_at(&self) -> Option<Timestamp> {
        None
    }

    /// What its credential is known by, with what it is for and to whom it is shown: with another of them a pause is over.
    fn credential(&self) -> Fingerprint {
        Fingerprint::default()
    }

    /// Whether a subscription of this app may be there. Asked when it is stored, and again by the provider when it is sent to.
    fn allows(&self, endpoint: &Endpoint) -> bool {
        endpoint.is_ordinary()
    }

    /// The public key with which pages subscribe (Push API, `applicationServerKey`), base64url.
    fn application_server_key(&self) -> Option<&str> {
        None
    }

    /// Whether it can be shown a push without delivering it.
    fn validates(&self) -> bool {
        false
    }

    /// Shows it one push, which it does not deliver. Every end of the request is an opinion, if only none.
    async fn validate(&self, _push: Push) -> Validity {
        Validity::Unanswered { reason: Reason::new("not_supported") }
    }

    /// Sends one push. Every end of the request is an outcome: deadlines and faults of the connection included.
    async fn send(&self, push: Push) -> Outcome;

    /// Puts a message into the provider's form for a broadcast: one body for all platforms, whose words `messages` has one by one.
    fn render_broadcast(&self, _to: &Broadcast, _messages: &[Message<'_>]) -> Result<Rendered, RenderError> {
        Err(RenderError::Unsupported)
    }

    /// Sends one push that the provider fans out, as [`Provider::send`] does. What it says of a token is said of nobody's.
    async fn send_broadcast(&self, _push: BroadcastPush) -> Outcome {
        Outcome::MessageRejected { reason: Reason::new("no broadcasts"), too_large: false }
    }
}
