//! The words of Herald as types, and the pure rules. Nothing here does I/O, reads a clock or draws a random number.

pub mod category;
pub mod clock;
pub mod content;
pub mod delivery;
pub mod device;
pub mod id;
pub mod notification;
pub mod outcome;
pub mod preferences;
pub mod quiet_hours;
pub mod reason;
pub mod work;

/// An instant, in UTC. The store keeps microseconds.
pub type Timestamp = chrono::DateTime<chrono::Utc>;
