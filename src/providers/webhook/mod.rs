//! Requests to webhooks: one POST each, to where a stranger's URL says. What a status means is decided above.

pub mod client;
mod settings;
#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

pub use settings::Settings;

/// One request. It has no `Debug`: the URL may hold a secret.
#[derive(Clone)]
pub struct Request {
    /// Where to.
    pub url: String,
    /// `webhook-id`.
    pub id: uuid::Uuid,
    /// `webhook-timestamp`, UNIX seconds.
    pub timestamp: i64,
    /// `webhook-signature`.
    pub signatures: String,
    /// The JSON.
    pub body: Bytes,
}

/// What a receiver said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// `Retry-After`, if there is one.
    pub retry_after: Option<Duration>,
}

/// Why a receiver said nothing: a word that is safe to store and to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unanswered(pub &'static str);

/// Who takes requests to receivers.
#[async_trait]
pub trait WebhookClient: Send + Sync {
    /// Sends one and waits for the whole answer, for [`WITHIN`](crate::domain::webhook::attempt::WITHIN) in all. No redirect is followed.
    async fn post(&self, request: Request) -> Result<Answer, Unanswered>;
}
