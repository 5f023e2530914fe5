//! Identifiers. Each is a type of its own, so that one cannot be taken for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::{Builder, Uuid};

use super::Timestamp;

/// An app's number in the store. Callers know an app by its name in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AppId(pub i64);

/// A device's number in the store; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DevicePk(pub i64);

/// A person's number in the store; never reused. Callers know a person by the `user_id` of their own backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PersonPk(pub i64);

macro_rules! uuids {
    ($($(#[$doc:meta])* $name:ident;)+) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    )+ };
}

uuids! {
    /// A notification's id: a `UUIDv7`, so that ids sort by the instant of acceptance.
    NotificationId;
    /// A campaign's id: a `UUIDv7`.
    CampaignId;
    /// The id of a campaign's run: a `UUIDv7`.
    RunId;
}

/// The version 7 UUID (RFC 9562, 5.7) of an instant and of random bytes: such ids sort by the millisecond in which they were made.
pub fn version_7(now: Timestamp, random: &[u8; 10]) -> Uuid {
    let millis = u64::try_from(now.timestamp_millis()).unwrap_or_default();
    Builder::from_unix_timestamp_millis(millis, random).into_uuid()
}

/// A piece of work, unique within its notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WorkId(pub i64);

/// What one delivery goes to: a device, the person where a named person has no device that could be reached, or a broadcast.
///
/// In the store it is one number: the device's, minus the person's, or 0 for a broadcast, of which a notification has one at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target(i64);

impl Target {
    /// The delivery of a broadcast: to no device that Herald knows.
    pub const BROADCAST: Self = Self(0);

    /// The delivery at a device.
    pub fn device(pk: DevicePk) -> Self {
        Self(pk.0)
    }

    /// The delivery that stands for a person without a device.
    pub fn person(pk: PersonPk) -> Self {
        Self(-pk.0)
    }

    /// As the store has it.
    pub const fn from_raw(raw: i64) -> Self {
        Self(raw)
    }

    /// As the store has it.
    pub fn raw(self) -> i64 {
        self.0
    }

    /// The device, if this is one.
    pub fn as_device(self) -> Option<DevicePk> {
        (self.0 > 0).then_some(DevicePk(self.0))
    }

    /// The person, if this stands for one.
    pub fn as_person(self) -> Option<PersonPk> {
        (self.0 < 0).then_some(PersonPk(-self.0))
    }
}
