//! What every store decides in the same way once it has read the rows: no statement, no connection, no clock.

pub(super) mod analytics;
pub(super) mod booking;
pub(super) mod campaign_parts;
pub(super) mod campaigns;
pub(super) mod caps;
pub(super) mod client_tokens;
pub(super) mod counted;
pub(super) mod crowd;
pub(super) mod cursor;
pub(super) mod delivery_view;
pub(super) mod device_tokens;
pub(super) mod facts;
pub(super) mod kept;
pub(super) mod keys;
pub(super) mod pacing;
pub(super) mod pauses;
pub(super) mod place;
pub(super) mod predicate;
pub(super) mod registration;
pub(super) mod resealing;
pub(super) mod resolve;
pub(super) mod secret;
pub(super) mod suspects;
pub(super) mod tally;
pub(super) mod version_key;
pub(super) mod words;
