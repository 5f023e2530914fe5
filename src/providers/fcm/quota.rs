//! Which quota a 429 of Google's speaks of: the project's and a topic's are the lane's, a device's is its own.
//!
//! Google's page ("FCM Error Codes", `QUOTA_EXCEEDED`) names the three and says that `google.rpc.QuotaFailure` tells which, but not in
//! what words. A project's is also told without FCM, by an `ErrorInfo` (`fcm.googleapis.com/send_requests`, `1/min/{project}`).

use super::error_body::ErrorBody;
use crate::domain::outcome::ThrottleScope;

/// What all sends of a project share.
const SHARED: [&str; 2] = ["project", "topic"];
/// What is one address's.
const OWN: [&str; 3] = ["device", "registration", "app instance"];

/// Whom to spare. Where nothing tells, or both, it is the lane: a device that waits with the others loses little.
pub(super) fn scope(error: &ErrorBody) -> ThrottleScope {
    // Apple counts by device, and FCM passes on what it says
    if error.apns_reason.as_deref() == Some("TooManyRequests") {
        return ThrottleScope::Token;
    }
    told(error.quotas.iter().map(String::as_str)).or_else(|| told([error.message.as_str()])).unwrap_or(ThrottleScope::Lane)
}

fn told<'a>(texts: impl IntoIterator<Item = &'a str>) -> Option<ThrottleScope> {
    let said = texts.into_iter().collect::<Vec<_>>().join("\n").to_ascii_lowercase();
    let names = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if names(&SHARED) {
        return Some(ThrottleScope::Lane);
    }
    names(&OWN).then_some(ThrottleScope::Token)
}
