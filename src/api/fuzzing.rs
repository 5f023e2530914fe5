//! What fuzzing calls of the API: what callers write, and what has to hold of all that is taken.

pub use super::client_tokens::fuzz::{access, refresh};
pub use super::devices::import_fuzz as import;
pub use super::notifications::fuzz::notification;
pub use super::page::fuzz::cursor;
pub use super::peer::fuzz::forwarded;
pub use super::sign_in::fuzz::app_token;
