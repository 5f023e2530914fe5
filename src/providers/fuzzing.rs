//! What fuzzing calls of the providers: what they answer, and what may never be made of it.

use http::{HeaderMap, HeaderValue, StatusCode};

use super::fault::Patience;
use super::http2::retry_after;
use super::{apns, fcm, webpush};
use crate::domain::Timestamp;
use crate::domain::outcome::Outcome;

/// An answer of any provider: two bytes of status, a line that is the `Retry-After`, the body. A device is given up only by a word that says so.
pub fn answer(bytes: &[u8]) {
    let [high, low, rest @ ..] = bytes else { return };
    let Ok(status) = StatusCode::from_u16(100 + u16::from_be_bytes([*high, *low]) % 500) else { return };
    let (line, body) = rest.iter().position(|byte| *byte == b'\n').map_or((&[][..], rest), |at| rest.split_at(at));
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(line) {
        headers.insert(http::header::RETRY_AFTER, value);
    }
    let patience = Patience { retry_after: retry_after(&headers, Timestamp::UNIX_EPOCH), floors: high & 1 == 0 };
    gives_up_by(apns::fuzz::outcome(status, body, patience), &["Unregistered", "ExpiredToken", "BadDeviceToken", "DeviceTokenNotForTopic"]);
    gives_up_by(fcm::fuzz::outcome(status, body, patience), &["UNREGISTERED", "SENDER_ID_MISMATCH", "INVALID_ARGUMENT"]);
    let by_service = webpush::fuzz::outcome(status, body, patience);
    if !matches!(status.as_u16(), 404 | 410) {
        gives_up_by(by_service, &["VapidPkHashMismatch", "errno", "status 401", "status 403"]);
    }
}

fn gives_up_by(outcome: Outcome, words: &[&str]) {
    if let Outcome::TokenDead { reason, .. } | Outcome::TokenMismatched { reason } = outcome {
        assert!(words.iter().any(|word| reason.as_str().contains(word)), "{reason}");
    }
}
