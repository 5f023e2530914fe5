//! Outgoing webhooks: what an app's backend is told, by the Standard Webhooks specification.

pub mod address;
pub mod attempt;
mod event_type;
pub mod message_type;
pub mod signature;

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Timestamp;
use super::id::AppId;

pub use event_type::EventType;

/// Items of one message, at most.
pub const MAX_ITEMS: usize = 500;
/// For how long items wait for others of their type, so that one request carries them.
pub const LINGER: Duration = Duration::from_secs(1);
/// For how long items wait where messages wait already. A receiver that takes the fifteen seconds it has for each of four messages at a
/// time takes sixteen in a minute, and there are fewer types: so it never gets more than it can take, as long as none of them is full.
pub const LINGER_BEHIND: Duration = Duration::from_mins(1);
/// For how long a message is tried again.
pub const TRIED_FOR: Duration = Duration::from_hours(72);
/// For how long the secret before still signs after a rotation.
pub const OVERLAP: Duration = Duration::from_hours(24);
/// Webhooks of one app, at most.
pub const MAX_WEBHOOKS: usize = 20;

/// Where an app wants to be told of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: Uuid,
    /// Whose.
    pub app: AppId,
    /// Where requests go.
    pub url: String,
    /// Of what; at least one.
    pub events: BTreeSet<EventType>,
    /// Why nothing is sent any more; `None`: it is.
    pub disabled: Option<Disabled>,
    /// Since when every attempt has failed.
    pub failing_since: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// Why a webhook is told nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disabled {
    /// Somebody said so.
    Switched,
    /// It answered 410.
    Gone,
    /// Nothing but failures for as long as a message is tried.
    Failing,
}
