//! What Google's statuses and error codes mean ("FCM Error Codes"; `FcmError.errorCode` decides, not the HTTP status).
#![warn(clippy::wildcard_enum_match_arm)]

use std::time::Duration;

use http::StatusCode;

use super::error_body::ErrorBody;
use super::quota;
use crate::domain::outcome::{Fault, Outcome, Reason, RefusalScope};
use crate::providers::fault::Patience;

/// Google: without `Retry-After` a full quota is waited for at least a minute…
const QUOTA_FLOOR: Duration = Duration::from_mins(1);
/// …and a failing server at least ten seconds.
pub(super) const SERVER_FLOOR: Duration = Duration::from_secs(10);

/// What a refusal comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// If nothing more is tried.
    pub(super) outcome: Outcome,
    /// A new access token may turn it into an acceptance.
    pub(super) refresh: bool,
}

/// Every code of Google's page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Code {
    Unspecified,
    InvalidArgument,
    Unregistered,
    SenderIdMismatch,
    QuotaExceeded,
    Unavailable,
    Internal,
    ThirdPartyAuthError,
}

impl Code {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "UNSPECIFIED_ERROR" => Self::Unspecified,
            "INVALID_ARGUMENT" => Self::InvalidArgument,
            "UNREGISTERED" => Self::Unregistered,
            "SENDER_ID_MISMATCH" => Self::SenderIdMismatch,
            "QUOTA_EXCEEDED" => Self::QuotaExceeded,
            "UNAVAILABLE" => Self::Unavailable,
            "INTERNAL" => Self::Internal,
            "THIRD_PARTY_AUTH_ERROR" | "APNS_AUTH_ERROR" => Self::ThirdPartyAuthError,
            _ => return None,
        })
    }
}

/// Reads a refusal.
pub(super) fn classify(status: StatusCode, body: &[u8], patience: Patience) -> Verdict {
    let error = ErrorBody::parse(body);
    let word = error.code.as_deref().or(error.info.as_deref()).or(error.status.as_deref());
    let reason = word.map_or_else(|| Reason::new(&format!("status {}", status.as_u16())), Reason::new);
    let code = error.code.as_deref().map(Code::parse);
    match code {
        Some(Some(code)) if code != Code::Unspecified => Verdict { outcome: by_code(code, &error, reason, patience), refresh: false },
        Some(_) => Verdict { outcome: by_status(status, &error, reason, patience, true), refresh: false },
        None => Verdict { outcome: by_status(status, &error, reason, patience, false), refresh: status == StatusCode::UNAUTHORIZED },
    }
}

fn by_code(code: Code, error: &ErrorBody, reason: Reason, patience: Patience) -> Outcome {
    match code {
        Code::InvalidArgument if error.blames_address() => Outcome::TokenMismatched { reason },
        Code::InvalidArgument | Code::Unspecified => Outcome::MessageRejected { reason, too_large: error.blames_size() },
        Code::Unregistered => Outcome::TokenDead { since: None, reason },
        Code::SenderIdMismatch => Outcome::TokenMismatched { reason },
        Code::QuotaExceeded => Outcome::Throttled { retry_after: patience.or(QUOTA_FLOOR), reason, scope: quota::scope(error) },
        Code::Unavailable | Code::Internal => {
            Outcome::Unavailable { retry_after: patience.or(SERVER_FLOOR), reason, fault: Fault::Answered }
        }
        Code::ThirdPartyAuthError => {
            let reason = error.apns_reason.as_deref().map_or(reason, Reason::new);
            Outcome::CredentialRefused { reason, scope: RefusalScope::IosAndWeb }
        }
    }
}

/// Without a known code the status decides, and nobody loses a device; only what names the address is about the address.
/// `from_fcm`: FCM itself answered, so that the project in the path exists.
fn by_status(status: StatusCode, error: &ErrorBody, reason: Reason, patience: Patience, from_fcm: bool) -> Outcome {
    match status.as_u16() {
        400 if !from_fcm && error.status.as_deref() == Some("INVALID_ARGUMENT") && error.blames_address() => {
            Outcome::TokenMismatched { reason }
        }
        401 | 403 => Outcome::CredentialRefused { reason, scope: RefusalScope::Lane },
        404 if !from_fcm => Outcome::CredentialRefused { reason, scope: RefusalScope::Lane },
        429 => Outcome::Throttled { retry_after: patience.or(QUOTA_FLOOR), reason, scope: quota::scope(error) },
        500..=599 => Outcome::Unavailable { retry_after: patience.or(SERVER_FLOOR), reason, fault: Fault::Answered },
        408 => Outcome::Unavailable { retry_after: patience.retry_after, reason, fault: Fault::Answered },
        400..=499 => Outcome::MessageRejected { reason, too_large: status == StatusCode::PAYLOAD_TOO_LARGE },
        _ => Outcome::Unavailable { retry_after: patience.retry_after, reason, fault: Fault::Answered },
    }
}

#[cfg(test)]
mod tests;
