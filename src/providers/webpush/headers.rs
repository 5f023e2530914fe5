//! The header fields that all pushes of a message share, with the caller's patch over them (RFC 8030, section 5).

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use serde_json::Value;

use crate::domain::collapse::webpush_topic;
use crate::domain::notification::Priority;
use crate::providers::fields::{self, Texts};
use crate::providers::{Message, RenderError};

/// Where a caller's patch is.
const AT: &str = "webpush";

pub(super) const TTL: &str = "ttl";
const URGENCY: &str = "urgency";
const TOPIC: &str = "topic";

/// RFC 8030, 5.3.
const URGENCIES: [&str; 4] = ["very-low", "low", "normal", "high"];
/// A `Topic`, at most, in characters (RFC 8030, 5.4).
const TOPIC_LIMIT: usize = 32;
/// As many fields as a push has, with room.
const FIELDS: usize = 10;
/// What a caller may not set: the credential, and what says how the body is encrypted.
const KEPT: [&str; 6] = ["authorization", "content-encoding", "content-type", "crypto-key", "encryption", "expect"];

/// `Urgency` of a message.
pub(in crate::providers) fn urgency(priority: Priority) -> &'static str {
    match priority {
        Priority::Normal => "normal",
        Priority::High | Priority::Critical => "high",
    }
}

/// Those of a message, patched; `TTL` is not among them unless the caller set it. `patch` is `webpush.headers` as the caller gave it.
pub(super) fn headers(message: &Message<'_>, patch: Option<&Value>) -> Result<HeaderMap, RenderError> {
    let mut texts =
        Texts::from([(URGENCY.to_owned(), urgency(message.priority).to_owned()), (TOPIC.to_owned(), webpush_topic(message.collapse_id))]);
    fields::patch(&mut texts, patch, AT, &KEPT)?;
    check(&texts)?;
    let mut headers = HeaderMap::with_capacity(FIELDS);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("aes128gcm"));
    fields::write(texts, &mut headers, AT, TOPIC)?;
    Ok(headers)
}

fn check(texts: &Texts) -> Result<(), RenderError> {
    let text = |name: &str| texts.get(name).map(String::as_str);
    if text(URGENCY).is_some_and(|urgency| !URGENCIES.contains(&urgency)) {
        return Err(invalid(URGENCY, "must be very-low, low, normal or high"));
    }
    let is_topic = |topic: &str| {
        let is_plain = topic.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        (1..=TOPIC_LIMIT).contains(&topic.len()) && is_plain
    };
    if text(TOPIC).is_some_and(|topic| !is_topic(topic)) {
        return Err(invalid(TOPIC, "must be at most 32 characters of base64url"));
    }
    if text(TTL).is_some_and(|seconds| !seconds.bytes().all(|byte| byte.is_ascii_digit()) || seconds.parse::<u32>().is_err()) {
        return Err(invalid(TTL, "must be seconds"));
    }
    Ok(())
}

fn invalid(name: &str, message: &str) -> RenderError {
    fields::invalid(AT, name, message)
}
