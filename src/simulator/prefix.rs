//! Misbehaviour by token: what a token's first characters ask for, and how often.
//!
//! | APNs | answer | FCM | answer | Web Push | answer |
//! |---|---|---|---|---|---|
//! | `dead` | 410 Unregistered | `dead-` | 404 UNREGISTERED | `dead-` | 410 |
//! | | | | | `missing-` | 404 |
//! | `bad0` | 400 `BadDeviceToken` | `bad-` | 400 `INVALID_ARGUMENT` on `message.token` | `bad-` | 400 |
//! | `5000` | 500 | `mismatch-` | 403 `SENDER_ID_MISMATCH` | `mismatch-` | 400 `VapidPkHashMismatch` |
//! | `5030` | 503, Retry-After | `quota-` | 429 `QUOTA_EXCEEDED` | `quota-` | 429, Retry-After |
//! | `4290` | 429 `TooManyRequests` | `down-` | 503 UNAVAILABLE | `down-` | 503 |
//! | | | | | `moved-` | 307 to `/push/moved` |
//! | `ffff` | none | `stall-` | none | `stall-` | none |
//!
//! The hexadecimal digit after an APNs prefix is the number of failures before the token works,
//! 0 for always. The others' may be followed by such a decimal number and a hyphen. The token of
//! Web Push is the end of the endpoint.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;

use super::behaviour::{Conduct, Fault, Respond, RetryAfter};
use super::book::Book;
use super::record::Source;

/// Tokens whose failures are counted; one that comes later works at once.
const MAX_COUNTED: usize = 1_000_000;

/// The failures so far of tokens that fail a number of times.
#[derive(Debug, Default)]
pub(super) struct Failures {
    counted: Mutex<HashMap<u64, u32>>,
}

impl Failures {
    /// What the token's own prefix has for its next push.
    pub(super) fn next(&self, book: &Book, source: Source, token: &str) -> Conduct {
        let found = match source {
            Source::ApnsProduction | Source::ApnsSandbox => apns(token),
            Source::Fcm => fcm(token),
            Source::Webpush => webpush(token),
        };
        match found {
            Some((conduct, 0)) => conduct,
            Some((conduct, limit)) if self.fail(book.number(source, token), limit) => conduct,
            Some(_) | None => Conduct::Good,
        }
    }

    /// Begins anew with every token.
    pub(super) fn forget(&self) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        counted.clear();
    }

    /// Counts a failure, unless `limit` were counted before.
    fn fail(&self, token: u64, limit: u32) -> bool {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.len() >= MAX_COUNTED && !counted.contains_key(&token) {
            return false;
        }
        let failures = counted.entry(token).or_default();
        let fails = *failures < limit;
        *failures += u32::from(fails);
        fails
    }
}

/// The conduct for an APNs token and the number of failures, 0 for ever.
fn apns(token: &str) -> Option<(Conduct, u32)> {
    let prefix = token.get(..4)?.to_ascii_lowercase();
    let conduct = match prefix.as_str() {
        "dead" => answer(Respond::new(410, "Unregistered")),
        "bad0" => answer(Respond::new(400, "BadDeviceToken")),
        "5000" => answer(Respond::new(500, "InternalServerError")),
        "5030" => answer(Respond { retry_after: Some(RetryAfter::Seconds(1)), ..Respond::new(503, "ServiceUnavailable") }),
        "4290" => answer(Respond::new(429, "TooManyRequests")),
        "ffff" => Conduct::Fault(Fault::Stall),
        _ => return None,
    };
    let times = token.chars().nth(4).and_then(|digit| digit.to_digit(16));
    Some((conduct, times.unwrap_or(0)))
}

/// The conduct for an FCM token and the number of failures, 0 for ever.
fn fcm(token: &str) -> Option<(Conduct, u32)> {
    let (prefix, rest) = token.split_once('-')?;
    let conduct = match prefix {
        "dead" => answer(Respond { message: Some("Requested entity was not found.".to_owned()), ..Respond::new(404, "UNREGISTERED") }),
        "bad" => answer(bad_token()),
        "mismatch" => answer(Respond { message: Some("SenderId mismatch".to_owned()), ..Respond::new(403, "SENDER_ID_MISMATCH") }),
        "quota" => answer(quota()),
        "down" => answer(Respond { message: Some("The service is currently unavailable.".to_owned()), ..Respond::new(503, "UNAVAILABLE") }),
        "stall" => Conduct::Fault(Fault::Stall),
        _ => return None,
    };
    Some((conduct, times(rest)))
}

/// The conduct for the end of an endpoint, likewise.
fn webpush(token: &str) -> Option<(Conduct, u32)> {
    let (prefix, rest) = token.split_once('-')?;
    let conduct = match prefix {
        "dead" => answer(Respond { message: Some("Endpoint has been deleted".to_owned()), ..Respond::new(410, "106") }),
        "missing" => answer(Respond { message: Some("Endpoint not found".to_owned()), ..Respond::new(404, "102") }),
        "bad" => answer(Respond::new(400, "BadWebPushRequest")),
        "mismatch" => answer(Respond::new(400, "VapidPkHashMismatch")),
        "quota" => answer(Respond { retry_after: Some(RetryAfter::Seconds(1)), ..Respond::new(429, "TooManyRequests") }),
        "down" => answer(Respond { message: Some("Use exponential back-off for retries".to_owned()), ..Respond::new(503, "201") }),
        "moved" => answer(Respond { reason: None, location: Some("/push/moved".to_owned()), ..Respond::new(307, "") }),
        "stall" => Conduct::Fault(Fault::Stall),
        _ => return None,
    };
    Some((conduct, times(rest)))
}

/// The number that follows a prefix.
fn times(rest: &str) -> u32 {
    let times = rest.split_once('-').and_then(|(number, _)| {
        let is_number = number.len() <= 3 && number.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| number.parse().ok()).flatten()
    });
    times.unwrap_or(0)
}

fn answer(respond: Respond) -> Conduct {
    Conduct::Respond(Arc::new(respond))
}

fn bad_token() -> Respond {
    let text = "The registration token is not a valid FCM registration token";
    Respond {
        message: Some(text.to_owned()),
        details: Some(vec![
            json!({
                "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError",
                "errorCode": "INVALID_ARGUMENT",
            }),
            json!({
                "@type": "type.googleapis.com/google.rpc.BadRequest",
                "fieldViolations": [{"field": "message.token", "description": text}],
            }),
        ]),
        ..Respond::new(400, "INVALID_ARGUMENT")
    }
}

fn quota() -> Respond {
    Respond {
        message: Some("Quota exceeded for the device.".to_owned()),
        details: Some(vec![
            json!({
                "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError",
                "errorCode": "QUOTA_EXCEEDED",
            }),
            json!({
                "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                "violations": [{
                    "subject": "device",
                    "description": "Message rate for the device was exceeded.",
                }],
            }),
        ]),
        ..Respond::new(429, "QUOTA_EXCEEDED")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The status of each of the next pushes: 200 for good conduct, 0 for none.
    fn next(source: Source, token: &str, pushes: usize) -> Vec<u16> {
        let (book, failures) = (Book::new(1, 1), Failures::default());
        (0..pushes)
            .map(|_| match failures.next(&book, source, token) {
                Conduct::Good => 200,
                Conduct::Respond(respond) => respond.status,
                Conduct::Fault(_) => 0,
            })
            .collect()
    }

    #[test]
    fn apns_prefixes() {
        for (token, expected) in [
            ("dead0", [410, 410, 410]),
            ("DEAD0", [410, 410, 410]),
            ("dead1", [410, 200, 200]),
            ("bad00", [400, 400, 400]),
            ("50002", [500, 500, 200]),
            ("50302", [503, 503, 200]),
            ("50300", [503, 503, 503]),
            ("5030f", [503, 503, 503]),
            ("42901", [429, 200, 200]),
            ("ffff0", [0, 0, 0]),
            ("ffff1", [0, 200, 200]),
            ("5001", [200, 200, 200]),
            ("abcd0", [200, 200, 200]),
        ] {
            assert_eq!(next(Source::ApnsProduction, token, 3), expected, "{token}");
        }
        assert_eq!(next(Source::ApnsSandbox, "5030f", 16)[14..], [503, 200]);
    }

    #[test]
    fn fcm_prefixes() {
        for (token, expected) in [
            ("dead-x", [404, 404, 404]),
            ("bad-x", [400, 400, 400]),
            ("mismatch-x", [403, 403, 403]),
            ("quota-x", [429, 429, 429]),
            ("down-x", [503, 503, 503]),
            ("stall-x", [0, 0, 0]),
            ("down-2-x", [503, 503, 200]),
            ("down-0-x", [503, 503, 503]),
            ("down-2x-x", [503, 503, 503]),
            ("down--x", [503, 503, 503]),
            ("stall-1-x", [0, 200, 200]),
            ("dead", [200, 200, 200]),
            ("deadline-x", [200, 200, 200]),
            ("x-dead-x", [200, 200, 200]),
        ] {
            assert_eq!(next(Source::Fcm, token, 3), expected, "{token}");
        }
    }

    #[test]
    fn webpush_prefixes() {
        for (token, expected) in [
            ("dead-x", [410, 410, 410]),
            ("missing-x", [404, 404, 404]),
            ("bad-x", [400, 400, 400]),
            ("mismatch-x", [400, 400, 400]),
            ("quota-1-x", [429, 200, 200]),
            ("down-2-x", [503, 503, 200]),
            ("moved-x", [307, 307, 307]),
            ("stall-x", [0, 0, 0]),
            ("moved", [200, 200, 200]),
            ("x-dead-x", [200, 200, 200]),
        ] {
            assert_eq!(next(Source::Webpush, token, 3), expected, "{token}");
        }
    }

    #[test]
    fn each_token_is_counted_by_itself_until_forgotten() {
        let (book, failures) = (Book::new(1, 1), Failures::default());
        let fails = |token: &str| {
            let conduct = failures.next(&book, Source::Fcm, token);
            matches!(conduct, Conduct::Respond(_))
        };
        assert!(fails("down-1-a"));
        assert!(!fails("down-1-a"));
        assert!(fails("down-1-b"));
        failures.forget();
        assert!(fails("down-1-a"));
    }
}
