//! One attempt to hand over one message.

use std::time::Duration;

use bytes::Bytes;
use chrono::SecondsFormat;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{LEASE, Sender};
use crate::dispatch::node::BACKOFF;
use crate::dispatch::outage::tell;
use crate::domain::Timestamp;
use crate::domain::webhook::Disabled;
use crate::domain::webhook::attempt::{Heard, Verdict, is_failing, verdict};
use crate::domain::webhook::message_type::MessageType;
use crate::domain::webhook::signature::signatures;
use crate::providers::webhook::{Answer, Request, Unanswered};
use crate::store::webhook::{Attempt, DueMessage, Next};

/// What is posted (Standard Webhooks, "Payload structure"); the same for every attempt.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: MessageType,
    timestamp: String,
    data: &'a RawValue,
}

impl Sender {
    /// Posts a message and notes what came of it. Cut short by a stop, it is left to its lease. One that never had its turn while it was to
    /// be tried is given up unposted, so that a receiver that takes less than there is for it gets what is newer.
    pub(super) async fn attempt(&self, message: DueMessage) {
        let clock = &self.parts.clock;
        let (at, began) = (clock.now(), clock.monotonic());
        if message.attempts == 0 && message.until <= at {
            let error = Some("not tried in time".to_owned());
            let attempt = Attempt { message: message.id, webhook: message.webhook, at, took_ms: 0, status: None, error };
            return self.note(&message, &attempt, Next::Missed, began + LEASE).await;
        }
        let answer = match request(&message, at) {
            Ok(request) => tokio::select! {
                biased;
                () = self.parts.stopped.cancelled() => return,
                answer = self.parts.client.post(request) => answer,
            },
            Err(Unwritable::Data(error)) => {
                tracing::error!(message.id = %message.id, %error, "a webhook message cannot be written");
                Err(Unanswered("message unreadable"))
            }
            Err(Unwritable::Unsigned) => Err(Unanswered("secret unreadable")),
        };
        let took_ms = u64::try_from(clock.monotonic().saturating_sub(began).as_millis()).unwrap_or(u64::MAX);
        let (status, error, heard) = match answer {
            Ok(Answer { status, retry_after }) => (Some(status), complaint(status), Heard::Status(status, retry_after)),
            Err(Unanswered(word)) => (None, Some(word.to_owned()), Heard::Nothing),
        };
        let attempt = Attempt { message: message.id, webhook: message.webhook, at, took_ms, status, error };
        let next = self.next(&message, heard).await;
        self.note(&message, &attempt, next, began + LEASE).await;
    }

    async fn next(&self, message: &DueMessage, heard: Heard) -> Next {
        let now = self.parts.clock.now();
        match verdict(heard, message.attempts.saturating_add(1), now, message.until, self.parts.rng.fraction()) {
            Verdict::Delivered => Next::Delivered,
            Verdict::Again(at) => Next::Again(at),
            Verdict::Gone => Next::Disable(Disabled::Gone),
            Verdict::RunOut => match self.parts.store.webhook(message.app, message.webhook).await {
                Ok(Some(webhook)) if is_failing(webhook.failing_since, message.until) => Next::Disable(Disabled::Failing),
                Ok(_) => Next::GivenUp,
                Err(error) => {
                    tell(&error, "it cannot be read now for how long a webhook has failed");
                    Next::GivenUp
                }
            },
        }
    }

    /// Writes it as soon as the store is there, until the lease is over: then the message is another's.
    async fn note(&self, claimed: &DueMessage, attempt: &Attempt, next: Next, until: Duration) {
        loop {
            match self.parts.store.attempted(claimed, attempt, next).await {
                Ok(()) => break,
                Err(error) if error.is_transient() && self.parts.clock.monotonic() < until => tokio::select! {
                    biased;
                    () = self.parts.stopped.cancelled() => return,
                    () = tokio::time::sleep(BACKOFF) => {}
                },
                Err(error) => return tell(&error, "an attempt of a webhook cannot be noted; it is repeated"),
            }
        }
        metrics::counter!("herald_webhook_attempts_total", "result" => result(next)).increment(1);
        if next != Next::Missed {
            metrics::histogram!("herald_webhook_attempt_seconds").record(Duration::from_millis(attempt.took_ms));
        }
        let (status, error) = (attempt.status, attempt.error.as_deref());
        let (webhook, message) = (attempt.webhook, attempt.message);
        match next {
            Next::Delivered => {}
            Next::Again(_) => {
                tracing::debug!(webhook.id = %webhook, message.id = %message, status, error, "a webhook failed");
            }
            Next::Missed => {
                tracing::debug!(webhook.id = %webhook, message.id = %message, "a webhook message had no turn in time");
            }
            Next::GivenUp => {
                tracing::warn!(webhook.id = %webhook, message.id = %message, status, error, "a webhook message is given up");
            }
            Next::Disable(why) => {
                tracing::warn!(webhook.id = %webhook, reason = ?why, "a webhook is disabled, unless it was changed: nothing is sent to it any more");
            }
        }
    }
}

/// Why there is nothing to post.
enum Unwritable {
    /// The items cannot be read.
    Data(serde_json::Error),
    /// There is no secret to sign with.
    Unsigned,
}

impl From<serde_json::Error> for Unwritable {
    fn from(error: serde_json::Error) -> Self {
        Self::Data(error)
    }
}

fn request(message: &DueMessage, at: Timestamp) -> Result<Request, Unwritable> {
    if message.secrets.is_empty() {
        return Err(Unwritable::Unsigned);
    }
    let kind = MessageType::from(message.event);
    let timestamp = message.created_at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    let body = Bytes::from(serde_json::to_vec(&Body { kind, timestamp, data: serde_json::from_str(&message.data)? })?);
    let (id, timestamp) = (message.id, at.timestamp());
    let secrets = message.secrets.iter().map(|secret| secret.as_slice());
    let signatures = signatures(secrets, &id.to_string(), timestamp, &body);
    Ok(Request { url: message.url.clone(), id, timestamp, signatures, body })
}

/// What a status does not say of itself.
fn complaint(status: u16) -> Option<String> {
    (300..=399).contains(&status).then(|| "redirect not followed".to_owned())
}

fn result(next: Next) -> &'static str {
    match next {
        Next::Delivered => "delivered",
        Next::Again(_) => "failed",
        Next::GivenUp => "given_up",
        Next::Missed => "missed",
        Next::Disable(Disabled::Gone) => "gone",
        Next::Disable(Disabled::Failing | Disabled::Switched) => "disabled",
    }
}
