//! Apple Push Notification service, HTTP/2 provider API with token or certificate authentication.
//!
//! `settings` is what an operator writes, `token` signs for a team, `render` makes Apple's form of a message, `reason` knows
//! what Apple's words mean. Nothing outside this folder knows a raw status or reason.

mod agreement;
mod aps;
mod certificate;
mod credential;
#[cfg(feature = "fuzzing")]
pub(super) mod fuzz;
mod head;
mod headers;
mod live_activity;
mod provider;
mod push_type;
mod reason;
mod render;
mod service;
mod settings;
mod shelf;
mod signers;
#[cfg(test)]
mod tests;
mod token;

pub(super) use agreement::check_carried;
pub(super) use aps::aps;
pub(super) use headers::priority;
pub use provider::{ApnsProvider, ProveError};
pub use settings::Settings;
pub use signers::Signers;
