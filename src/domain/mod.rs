//! The words of Herald as types, and the pure rules. Nothing here does I/O, reads a clock or draws a random number.

pub mod broadcast;
pub mod campaign;
pub mod cap;
pub mod category;
pub mod client_token;
pub mod clock;
pub mod collapse;
pub mod content;
pub mod decision;
pub mod delivery;
pub mod device;
pub mod due;
pub mod endpoint;
pub mod explain;
pub mod gate;
pub mod hash;
pub mod id;
pub mod key_text;
pub mod latency;
pub mod local_time;
pub mod name;
pub mod notification;
pub mod outcome;
pub mod pace;
pub mod preferences;
pub mod principal;
pub mod profile;
pub mod push_type;
pub mod quiet_hours;
pub mod reason;
pub mod records;
pub mod recurrence;
pub mod retry;
pub mod segment;
pub mod sign_in;
pub mod staleness;
pub mod template;
pub mod token;
pub mod token_kind;
pub mod variant;
pub mod version;
pub mod webhook;
pub mod work;
pub mod zone;

/// An instant, in UTC. The store keeps microseconds.
pub type Timestamp = chrono::DateTime<chrono::Utc>;
