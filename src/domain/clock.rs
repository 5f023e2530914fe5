//! Time, ids and chance as things that are handed in, so that everything above can be run under a clock and a seed.

use std::time::Duration;

use super::Timestamp;
use super::id::{CampaignId, NotificationId, RunId, WorkId};

/// The time of day and a time that only goes forward.
pub trait Clock: Send + Sync {
    /// The wall clock.
    fn now(&self) -> Timestamp;

    /// Time since some fixed point; it never steps and goes on while the machine sleeps. Deadlines are counted with it.
    fn monotonic(&self) -> Duration;
}

/// Makes ids.
pub trait Ids: Send + Sync {
    /// A `UUIDv7` of the instant `now`, greater than every one made before it in this process.
    fn notification(&self, now: Timestamp) -> NotificationId;

    /// A campaign's, likewise.
    fn campaign(&self, now: Timestamp) -> CampaignId {
        CampaignId(self.notification(now).0)
    }

    /// That of a campaign's run, likewise.
    fn run(&self, now: Timestamp) -> RunId {
        RunId(self.notification(now).0)
    }

    /// A number that no other work of the same notification has, beyond reasonable doubt (62 random bits).
    fn work(&self) -> WorkId;
}

/// Chance, for jitter.
pub trait Rng: Send + Sync {
    /// Uniform in `[0, 1)`.
    fn fraction(&self) -> f64;
}
