//! Places under the frequency caps of categories: counted where every node sees it.

use async_trait::async_trait;

use super::Result;
use crate::domain::Timestamp;
use crate::domain::cap::FrequencyCap;
use crate::domain::id::{NotificationId, Target};

/// A notification that asks for a place with a person, or with a device on which nobody is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// The person or the device.
    pub holder: Target,
    /// Whose cap it is.
    pub category: String,
    /// What asks.
    pub notification: NotificationId,
    /// The cap as it is declared now.
    pub cap: FrequencyCap,
}

/// The places that were taken.
#[async_trait]
pub trait Caps: Send + Sync {
    /// Step 9. Whether each is admitted, in order: a notification that has its place already and is seen anew, and one for which
    /// there is room. Of several that ask at once the first in the list goes first. A place that was taken counts for as long as the
    /// window from the last time it was admitted, whatever becomes of the push.
    async fn reserve(&self, reservations: &[Reservation]) -> Result<Vec<bool>>;

    /// What [`Caps::reserve`] would answer at an instant. Nothing is taken.
    async fn would_admit(&self, reservations: &[Reservation], at: Timestamp) -> Result<Vec<bool>>;
}
