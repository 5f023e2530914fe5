//! Ids of what the API makes itself.

use rand::Rng as _;
use uuid::{Builder, Uuid};

use crate::domain::Timestamp;

/// A new id, a version 7 UUID (RFC 9562, 5.7): ids sort by when they were made. It is not secret.
pub(super) fn fresh_id(now: Timestamp) -> Uuid {
    let millis = u64::try_from(now.timestamp_millis()).unwrap_or_default();
    Builder::from_unix_timestamp_millis(millis, &rand::rng().random()).into_uuid()
}
