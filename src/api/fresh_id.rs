//! Ids of what the API makes itself.

use rand::Rng as _;
use uuid::Uuid;

use crate::domain::Timestamp;
use crate::domain::id::version_7;

/// A new id: they sort by when they were made. It is not secret.
pub(super) fn fresh_id(now: Timestamp) -> Uuid {
    version_7(now, &rand::rng().random())
}
