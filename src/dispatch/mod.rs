//! The path of a notification, from accept to ack, in the order of these files:
//! [`draft`] → [`accept`] → [`commit`] → [`scheduler`] → [`worker`] → [`claim`] → [`audience`] → [`plan`] → [`caps`] → [`hand_out`] → [`lane`] → [`send`] → `words` → [`render`] → [`recorder`] → [`ack`].
//! An audience that is not named goes through [`expand`] first. [`handle`] is the way in, [`node`] what the steps share.
//! Beside the path: [`campaign`] for what is planned, [`template`] for the words that are filled in, [`preview`] and [`validate`] for what would be sent, [`half_window`] for what accept may publish at once, [`stop`] for what was cancelled or paused, [`pauses`] for lanes that another node paused or resumed, [`reclaim`] and [`poison`] for what went wrong elsewhere, [`outage`] and
//! [`hold_back`] for a store or a queue that was away, [`hand_back`] for the end, [`webhook`] for what an app's backend is told.
//!
//! It names no clock, randomness, spawn or socket: all of them come in through [`node::Parts`].

pub mod accept;
pub mod ack;
pub mod audience;
pub mod campaign;
pub mod caps;
pub mod claim;
pub mod commit;
pub mod directory;
pub mod draft;
pub mod erase;
pub mod expand;
pub mod explain;
pub mod half_window;
pub mod hand_back;
pub mod hand_out;
pub mod handle;
pub mod hold_back;
pub mod job;
pub mod lane;
pub mod message;
pub mod node;
pub mod outage;
pub mod pauses;
pub mod plan;
pub mod poison;
pub mod preview;
mod proof;
pub mod receiver;
pub mod reclaim;
pub mod recorder;
pub mod render;
pub mod role;
pub mod scheduler;
pub mod segment;
pub mod select;
pub mod send;
pub mod span;
pub mod stale;
pub mod stop;
pub mod store_clock;
pub mod template;
mod trial;
pub mod validate;
pub mod webhook;
mod words;
pub mod worker;

use std::time::Duration;

use serde::Deserialize;

/// How a node works, `[dispatch]` in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How long a worker holds work before another may take it, in seconds; 5 to 300.
    pub lease_seconds: u64,
    /// Sends under way or not yet recorded, per node: the bound on repeats if it is killed; 1 to 100 000.
    pub permits: usize,
    /// How long a provider may take to answer, in seconds; 1 to 60, and less than the lease.
    pub send_timeout_seconds: u64,
    /// How long a stopping node waits for what is under way, in seconds; 0 to 300.
    pub grace_seconds: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { lease_seconds: 30, permits: 4000, send_timeout_seconds: 10, grace_seconds: 15 }
    }
}

impl Settings {
    /// [`Settings::lease_seconds`] as a duration.
    pub fn lease(&self) -> Duration {
        Duration::from_secs(self.lease_seconds)
    }

    /// [`Settings::send_timeout_seconds`] as a duration.
    pub fn send_timeout(&self) -> Duration {
        Duration::from_secs(self.send_timeout_seconds)
    }
}

/// How failed sends are repeated, `[retry]` in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetrySettings {
    /// The first wait, in seconds; 1 to 3600.
    pub first_seconds: u64,
    /// The longest wait, in seconds; at least the first, at most a day.
    pub max_seconds: u64,
    /// Keep the waits that Apple and Google ask for without a `Retry-After`. A `Retry-After` is always kept.
    pub provider_floors: bool,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self { first_seconds: 1, max_seconds: 900, provider_floors: true }
    }
}

#[cfg(test)]
pub(crate) mod tests;
