//! Devices and their tokens.

use async_trait::async_trait;
use chrono::TimeDelta;

use super::{Page, PageRequest, Result};
use crate::domain::Timestamp;
use crate::domain::device::{Device, DeviceChange, DeviceStatus, Platform};
use crate::domain::id::AppId;

/// How often at most it is written when a phone was last seen, beside its registrations.
pub const SEEN_EVERY: TimeDelta = TimeDelta::hours(1);

/// What a registration came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Registered {
    /// The device is new.
    Created(Box<Device>),
    /// It was there.
    Updated(Box<Device>),
    /// It is new, and a field that a new device needs is absent: `user_id`, `platform` or `token`.
    Missing(&'static str),
    /// The token does not fit the provider that the device has after the change.
    TokenOfOtherProvider,
    /// `If-Match` named another version.
    Stale,
}

/// Which devices a list holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceFilter {
    /// On this platform.
    pub platform: Option<Platform>,
    /// In this status.
    pub status: Option<DeviceStatus>,
    /// Of this user.
    pub user: Option<String>,
}

/// What a look at some of an app's devices came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swept {
    /// Devices that are inactive by it.
    pub deactivated: usize,
    /// The last device looked at; `None`: there is none beyond.
    pub to: Option<i64>,
}

/// Devices by app.
#[async_trait]
pub trait Devices: Send + Sync {
    /// Registers a device: creates it or changes it, and activates it.
    ///
    /// * A token that another device of the app and provider has moves here; the other becomes inactive (`token_moved`).
    /// * `token_seen_at` becomes now whenever the request carries a token, also the same one.
    /// * A device whose user changes loses its tags and other addresses before the change is applied, and the old user's client tokens that
    ///   are bound to it are revoked.
    /// * A user's 51st active device deactivates the longest unseen (`too_many_devices`).
    /// * The user's row is made where it is new.
    /// * An import ([`crate::domain::device::Imported`]) never re-activates, and takes over its instants.
    async fn put_device(&self, app: AppId, name: &str, change: DeviceChange, if_match: Option<i64>) -> Result<Registered>;

    /// The same for many, in one transaction, answered in order.
    async fn put_devices(&self, app: AppId, changes: Vec<(String, DeviceChange)>) -> Result<Vec<Registered>>;

    /// RFC 7396 on an existing device: as [`Devices::put_device`], but `None` where there is none, and a request without a token neither activates nor refreshes it.
    async fn patch_device(&self, app: AppId, name: &str, change: DeviceChange, if_match: Option<i64>) -> Result<Option<Registered>>;

    /// One device.
    async fn device(&self, app: AppId, name: &str) -> Result<Option<Device>>;

    /// Newest first.
    async fn devices(&self, app: AppId, filter: &DeviceFilter, page: &PageRequest) -> Result<Page<Device>>;

    /// Makes inactive (`stale`) which active ones of the next `limit` devices beyond a number were last seen at `until` or earlier. What is
    /// just being written is left for another time. Done twice, by any number of nodes, it is done once.
    async fn deactivate_stale(&self, app: AppId, until: Timestamp, after: i64, limit: usize) -> Result<Swept>;

    /// Notes that the phone called for a device: its `last_seen_at` moves, at most once in [`SEEN_EVERY`] and never beyond now. Its version
    /// stays, and what is inactive stays so.
    async fn saw_device(&self, app: AppId, name: &str, at: Timestamp) -> Result<()>;

    /// Forgets a device, and revokes the client tokens that are bound to it; whether there was one. Its number is never used again.
    async fn delete_device(&self, app: AppId, name: &str) -> Result<bool>;
}
