//! What Apple's statuses and reasons mean ("Handling notification responses from APNs"; of broadcasts: "Handling error responses from Apple
//! Push Notification service").
#![warn(clippy::wildcard_enum_match_arm)]

use std::time::Duration;

use chrono::{TimeZone, Utc};
use http::StatusCode;
use serde_json::Value;

use crate::domain::Timestamp;
use crate::domain::outcome::{Fault, Outcome, Reason, RefusalScope, ThrottleScope};
use crate::providers::fault::Patience;

/// Apple: retry after 15 minutes.
const SERVER_FLOOR: Duration = Duration::from_mins(15);
/// A connection with too many tokens rests about as long as a token must live.
const TOKEN_UPDATES_FLOOR: Duration = Duration::from_mins(20);

/// The body of a refusal.
#[derive(Debug, Default)]
struct Refusal {
    reason: String,
    /// Milliseconds since the epoch, with 410.
    timestamp: Option<i64>,
}

impl Refusal {
    /// Reads a body member by member: an odd one is as good as absent, and spoils no other.
    fn parse(body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let timestamp = body.get("timestamp").and_then(|at| at.as_i64().or_else(|| at.as_str()?.parse().ok()));
        Self { reason: body.get("reason").and_then(Value::as_str).unwrap_or_default().to_owned(), timestamp }
    }
}

/// What a refusal comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// If nothing more is tried.
    pub(super) outcome: Outcome,
    /// What may be tried at once, one time.
    pub(super) remedy: Option<Remedy>,
}

/// What may turn a refusal into an acceptance at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// A new provider token, if the refused one is old enough; else the same.
    Resign,
    /// The older provider token, on another connection.
    OlderToken,
    /// A connection that is younger than the team's, topic's or key's change.
    FreshConnection,
    /// Any other connection: this one is closing.
    OtherConnection,
}

/// Every reason of Apple's pages, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    BadCollapseId,
    BadDeviceToken,
    BadExpirationDate,
    BadMessageId,
    BadPriority,
    BadTopic,
    DeviceTokenNotForTopic,
    DuplicateHeaders,
    IdleTimeout,
    InvalidPushType,
    MissingDeviceToken,
    MissingTopic,
    PayloadEmpty,
    TopicDisallowed,
    BadCertificate,
    BadCertificateEnvironment,
    ExpiredProviderToken,
    Forbidden,
    InvalidProviderToken,
    MissingProviderToken,
    UnrelatedKeyIdInToken,
    BadEnvironmentKeyInToken,
    BadPath,
    MethodNotAllowed,
    ExpiredToken,
    Unregistered,
    PayloadTooLarge,
    TooManyProviderTokenUpdates,
    TooManyRequests,
    InternalServerError,
    ServiceUnavailable,
    Shutdown,
    FeatureNotEnabled,
    MissingChannelId,
    BadChannelId,
    ChannelNotRegistered,
    BadRequestParams,
    BadRequestPayload,
    MissingPushType,
    CannotCreateChannelConfig,
    TopicMismatch,
}

impl Word {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "BadCollapseId" => Self::BadCollapseId,
            "BadDeviceToken" => Self::BadDeviceToken,
            "BadExpirationDate" => Self::BadExpirationDate,
            "BadMessageId" => Self::BadMessageId,
            "BadPriority" => Self::BadPriority,
            "BadTopic" => Self::BadTopic,
            "DeviceTokenNotForTopic" => Self::DeviceTokenNotForTopic,
            "DuplicateHeaders" => Self::DuplicateHeaders,
            "IdleTimeout" => Self::IdleTimeout,
            "InvalidPushType" => Self::InvalidPushType,
            "MissingDeviceToken" => Self::MissingDeviceToken,
            "MissingTopic" => Self::MissingTopic,
            "PayloadEmpty" => Self::PayloadEmpty,
            "TopicDisallowed" => Self::TopicDisallowed,
            "BadCertificate" => Self::BadCertificate,
            "BadCertificateEnvironment" => Self::BadCertificateEnvironment,
            "ExpiredProviderToken" => Self::ExpiredProviderToken,
            "Forbidden" => Self::Forbidden,
            "InvalidProviderToken" => Self::InvalidProviderToken,
            "MissingProviderToken" => Self::MissingProviderToken,
            "UnrelatedKeyIdInToken" => Self::UnrelatedKeyIdInToken,
            // Apple's page has the first spelling, its servers send the second
            "BadEnvironmentKeyIdInToken" | "BadEnvironmentKeyInToken" => Self::BadEnvironmentKeyInToken,
            "BadPath" => Self::BadPath,
            "MethodNotAllowed" => Self::MethodNotAllowed,
            "ExpiredToken" => Self::ExpiredToken,
            "Unregistered" => Self::Unregistered,
            "PayloadTooLarge" => Self::PayloadTooLarge,
            "TooManyProviderTokenUpdates" => Self::TooManyProviderTokenUpdates,
            "TooManyRequests" => Self::TooManyRequests,
            "InternalServerError" => Self::InternalServerError,
            // the page about broadcasts has it in two words
            "ServiceUnavailable" | "Service Unavailable" => Self::ServiceUnavailable,
            "Shutdown" => Self::Shutdown,
            "FeatureNotEnabled" => Self::FeatureNotEnabled,
            "MissingChannelId" => Self::MissingChannelId,
            "BadChannelId" => Self::BadChannelId,
            "ChannelNotRegistered" => Self::ChannelNotRegistered,
            "BadRequestParams" => Self::BadRequestParams,
            "BadRequestPayload" => Self::BadRequestPayload,
            "MissingPushType" => Self::MissingPushType,
            "CannotCreateChannelConfig" => Self::CannotCreateChannelConfig,
            "TopicMismatch" => Self::TopicMismatch,
            _ => return None,
        })
    }
}

/// Reads a refusal: by its reason where Apple documents it, else by its status.
pub(super) fn classify(status: StatusCode, body: &[u8], patience: Patience) -> Verdict {
    let refusal = Refusal::parse(body);
    let reason = if refusal.reason.is_empty() { Reason::new(&format!("status {}", status.as_u16())) } else { Reason::new(&refusal.reason) };
    match Word::parse(&refusal.reason) {
        Some(word) => by_word(word, &refusal, reason, patience),
        None => by_status(status, reason, patience),
    }
}

/// Whether the token may be one of Apple's other environment, which refuses it with the same word as one that never was.
pub(super) fn may_be_elsewhere(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::TokenMismatched { reason } if Word::parse(reason.as_str()) == Some(Word::BadDeviceToken))
}

fn by_word(word: Word, refusal: &Refusal, reason: Reason, patience: Patience) -> Verdict {
    let remedy = remedy(word);
    let outcome = match word {
        Word::ExpiredToken | Word::Unregistered => Outcome::TokenDead { since: refusal.timestamp.and_then(since), reason },
        Word::BadDeviceToken | Word::DeviceTokenNotForTopic => Outcome::TokenMismatched { reason },
        Word::BadCollapseId
        | Word::BadExpirationDate
        | Word::BadMessageId
        | Word::BadPriority
        | Word::DuplicateHeaders
        | Word::InvalidPushType
        | Word::MissingDeviceToken
        | Word::PayloadEmpty
        | Word::BadPath
        | Word::MethodNotAllowed
        // of broadcasts alone: the app's other pushes go with the same credential
        | Word::FeatureNotEnabled
        | Word::TopicMismatch
        | Word::MissingChannelId
        | Word::BadChannelId
        | Word::ChannelNotRegistered
        | Word::BadRequestParams
        | Word::BadRequestPayload
        | Word::MissingPushType
        | Word::CannotCreateChannelConfig => Outcome::MessageRejected { reason, too_large: false },
        Word::PayloadTooLarge => Outcome::MessageRejected { reason, too_large: true },
        Word::BadTopic
        | Word::MissingTopic
        | Word::TopicDisallowed
        | Word::BadCertificate
        | Word::BadCertificateEnvironment
        | Word::ExpiredProviderToken
        | Word::Forbidden
        | Word::InvalidProviderToken
        | Word::MissingProviderToken
        | Word::UnrelatedKeyIdInToken
        | Word::BadEnvironmentKeyInToken => Outcome::CredentialRefused { reason, scope: RefusalScope::Lane },
        Word::TooManyRequests => Outcome::Throttled { retry_after: patience.retry_after, reason, scope: ThrottleScope::Token },
        Word::TooManyProviderTokenUpdates => {
            Outcome::Throttled { retry_after: patience.or(TOKEN_UPDATES_FLOOR), reason, scope: ThrottleScope::Lane }
        }
        Word::IdleTimeout => Outcome::Unavailable { retry_after: patience.retry_after, reason, fault: Fault::Answered },
        Word::InternalServerError | Word::ServiceUnavailable | Word::Shutdown => {
            Outcome::Unavailable { retry_after: patience.or(SERVER_FLOOR), reason, fault: Fault::Answered }
        }
    };
    Verdict { outcome, remedy }
}

fn remedy(word: Word) -> Option<Remedy> {
    match word {
        Word::ExpiredProviderToken => Some(Remedy::Resign),
        Word::TooManyProviderTokenUpdates => Some(Remedy::OlderToken),
        Word::InvalidProviderToken | Word::TopicDisallowed | Word::UnrelatedKeyIdInToken => Some(Remedy::FreshConnection),
        Word::IdleTimeout | Word::Shutdown => Some(Remedy::OtherConnection),
        Word::BadCollapseId
        | Word::BadDeviceToken
        | Word::BadExpirationDate
        | Word::BadMessageId
        | Word::BadPriority
        | Word::BadTopic
        | Word::DeviceTokenNotForTopic
        | Word::DuplicateHeaders
        | Word::InvalidPushType
        | Word::MissingDeviceToken
        | Word::MissingTopic
        | Word::PayloadEmpty
        | Word::BadCertificate
        | Word::BadCertificateEnvironment
        | Word::Forbidden
        | Word::MissingProviderToken
        | Word::BadEnvironmentKeyInToken
        | Word::BadPath
        | Word::MethodNotAllowed
        | Word::ExpiredToken
        | Word::Unregistered
        | Word::PayloadTooLarge
        | Word::TooManyRequests
        | Word::InternalServerError
        | Word::ServiceUnavailable
        | Word::FeatureNotEnabled
        | Word::MissingChannelId
        | Word::BadChannelId
        | Word::ChannelNotRegistered
        | Word::BadRequestParams
        | Word::BadRequestPayload
        | Word::MissingPushType
        | Word::CannotCreateChannelConfig
        | Word::TopicMismatch => None,
    }
}

/// An unknown reason costs nobody a device: the status decides only whether to try again.
fn by_status(status: StatusCode, reason: Reason, patience: Patience) -> Verdict {
    let outcome = match status.as_u16() {
        401 | 403 => Outcome::CredentialRefused { reason, scope: RefusalScope::Lane },
        429 => Outcome::Throttled { retry_after: patience.retry_after, reason, scope: ThrottleScope::Token },
        500 | 503 => Outcome::Unavailable { retry_after: patience.or(SERVER_FLOOR), reason, fault: Fault::Answered },
        400 | 402 | 404..=407 | 409..=428 | 430..=499 => {
            Outcome::MessageRejected { reason, too_large: status == StatusCode::PAYLOAD_TOO_LARGE }
        }
        _ => Outcome::Unavailable { retry_after: patience.retry_after, reason, fault: Fault::Answered },
    };
    Verdict { outcome, remedy: None }
}

fn since(milliseconds: i64) -> Option<Timestamp> {
    Utc.timestamp_millis_opt(milliseconds).single()
}

#[cfg(test)]
mod tests;
