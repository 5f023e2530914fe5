//! Firebase Cloud Messaging, HTTP v1, with a service account's OAuth tokens.
//!
//! `settings` is what an operator writes, `account` the service account, `oauth` keeps an access token, `message` makes
//! Google's form of a message, `spelling` a caller's patch in the same, `splice` leaves holes in it for what is each device's; `reason` and
//! `quota` know what Google's errors mean.

mod account;
mod broadcast;
mod error_body;
#[cfg(feature = "fuzzing")]
pub(super) mod fuzz;
mod message;
mod oauth;
mod provider;
mod quota;
mod reason;
mod render;
mod settings;
mod spelling;
mod splice;
#[cfg(test)]
mod tests;
mod validate;

pub use account::ServiceAccount;
pub use provider::{FcmProvider, ProveError};
pub use settings::{Display, Settings};
