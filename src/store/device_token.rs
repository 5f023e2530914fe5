//! A device's other addresses, beside the ordinary one that is a column of its own.

use async_trait::async_trait;

use super::Result;
use crate::domain::device::{Device, Environment, PushToken};
use crate::domain::id::AppId;
use crate::domain::principal::Principal;
use crate::domain::token_kind::{DeviceToken, TokenKind};

/// An address as it is registered, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenChange {
    /// Who asks.
    pub by: Principal,
    /// The address.
    pub token: PushToken,
    /// Apple's service that knows it; where absent, what is known of this address, else the device's.
    pub environment: Option<Environment>,
}

/// What registering an address came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Addressed {
    /// The device had none of this kind.
    Created(Box<Device>, DeviceToken),
    /// It had one.
    Updated(Box<Device>, DeviceToken),
    /// There is no such device, or it is not theirs who ask.
    NoDevice,
    /// The token does not fit the provider that the device has.
    TokenOfOtherProvider,
    /// `If-Match` named another version of the device.
    Stale,
}

/// Other addresses by app and device. Each change of them is a change of the device: its version grows.
#[async_trait]
pub trait DeviceTokens: Send + Sync {
    /// Registers a device's address of a kind, in the place of the one it had.
    ///
    /// * A device has one address of a kind, and an address belongs to one device: another that has it loses it, whoever's it is, since who
    ///   knows an address has it.
    /// * `seen_at` becomes now, and so does the device's `last_seen_at`. Nothing is activated.
    /// * Of the addresses of Live Activities, and of those that start them, a device keeps
    ///   [`MAX_ACTIVITY_TOKENS`](crate::domain::token_kind::MAX_ACTIVITY_TOKENS) each; the longest unseen goes first.
    ///
    /// They go with their device, and when its user changes.
    async fn put_token(&self, app: AppId, device: &str, kind: &TokenKind, change: TokenChange, if_match: Option<i64>) -> Result<Addressed>;

    /// Forgets a device's address of a kind; whether there was one, of a device that `by` owns.
    async fn delete_token(&self, app: AppId, device: &str, kind: &TokenKind, by: &Principal) -> Result<bool>;

    /// A device's other addresses, by kind as it is written.
    async fn tokens(&self, app: AppId, device: &str) -> Result<Vec<DeviceToken>>;
}
