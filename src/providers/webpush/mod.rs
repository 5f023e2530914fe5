//! Web Push (RFC 8030): whatever push service a browser has chosen, with VAPID (RFC 8292) and messages that only the browser can
//! read (RFC 8291).
//!
//! `settings` is what an operator writes, `vapid` signs for an origin, `render` makes the text that a service worker gets, `seal`
//! encrypts it for one browser, `services` keeps what is known of each push service, `acceptance` whether they take the key, `reason` knows what they answer. A
//! subscription's endpoint is a stranger's URL: where it may be is `domain::endpoint`'s, and which addresses `http2::Reach`'s.

mod acceptance;
#[cfg(feature = "fuzzing")]
pub(super) mod fuzz;
mod headers;
mod notification;
mod provider;
mod reason;
mod render;
mod seal;
mod services;
mod settings;
#[cfg(test)]
mod tests;
mod vapid;

pub(super) use headers::urgency;
pub(super) use notification::notification;
pub use provider::WebpushProvider;
pub use settings::Settings;
