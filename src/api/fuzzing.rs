//! What fuzzing calls of the API: what callers write, and what has to hold of all that is taken.

pub use super::devices::import_fuzz as import;
pub use super::notifications::fuzz::notification;
pub use super::page::fuzz::cursor;
