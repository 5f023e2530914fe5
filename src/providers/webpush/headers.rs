//! The header fields that all pushes of a message share, with the caller's patch over them (RFC 8030, section 5).

use std::collections::BTreeMap;

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

use crate::domain::collapse::webpush_topic;
use crate::domain::notification::Priority;
use crate::providers::{Message, RenderError};

pub(super) const TTL: &str = "ttl";
const URGENCY: &str = "urgency";
const TOPIC: &str = "topic";

/// RFC 8030, 5.3.
const URGENCIES: [&str; 4] = ["very-low", "low", "normal", "high"];
/// A `Topic`, at most, in characters (RFC 8030, 5.4).
const TOPIC_LIMIT: usize = 32;
/// As many fields as a push has, with room.
const FIELDS: usize = 10;
/// What a caller may not set: the credential, what says how the body is encrypted, and what the connection keeps for itself.
const FORBIDDEN: [&str; 15] = [
    "authorization",
    "content-encoding",
    "content-type",
    "content-length",
    "crypto-key",
    "encryption",
    "host",
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
    "trailer",
    "expect",
];

/// `Urgency` of a message.
pub(in crate::providers) fn urgency(priority: Priority) -> &'static str {
    match priority {
        Priority::Normal => "normal",
        Priority::High | Priority::Critical => "high",
    }
}

/// Those of a message, patched; `TTL` is not among them unless the caller set it. `patch` is `webpush.headers` as the caller gave it.
pub(super) fn headers(message: &Message<'_>, patch: Option<&Value>) -> Result<HeaderMap, RenderError> {
    let mut texts = BTreeMap::from([
        (URGENCY.to_owned(), urgency(message.priority).to_owned()),
        (TOPIC.to_owned(), webpush_topic(message.collapse_id)),
    ]);
    match patch {
        None | Some(Value::Null) => {}
        Some(Value::Object(patch)) => merge(&mut texts, patch)?,
        Some(_) => return Err(RenderError::Invalid { field: "webpush.headers".to_owned(), message: "must be an object".to_owned() }),
    }
    check(&texts)?;
    let mut headers = HeaderMap::with_capacity(FIELDS);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("aes128gcm"));
    for (name, text) in texts {
        let (Ok(key), Ok(mut value)) = (HeaderName::try_from(&name), HeaderValue::try_from(text)) else {
            return Err(invalid(&name, "is not a valid header field"));
        };
        // never indexed: it differs from notification to notification
        value.set_sensitive(name == TOPIC);
        headers.insert(key, value);
    }
    Ok(headers)
}

fn merge(texts: &mut BTreeMap<String, String>, patch: &Map<String, Value>) -> Result<(), RenderError> {
    for (name, value) in patch {
        let name = name.to_ascii_lowercase();
        if name.starts_with(':') || FORBIDDEN.contains(&name.as_str()) {
            return Err(RenderError::Forbidden { field: format!("webpush.headers.{name}") });
        }
        match value {
            Value::Null => drop(texts.remove(&name)),
            Value::String(text) => drop(texts.insert(name, text.clone())),
            Value::Number(number) => drop(texts.insert(name, number.to_string())),
            Value::Bool(_) | Value::Array(_) | Value::Object(_) => return Err(invalid(&name, "must be a string")),
        }
    }
    Ok(())
}

fn check(texts: &BTreeMap<String, String>) -> Result<(), RenderError> {
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
    RenderError::Invalid { field: format!("webpush.headers.{name}"), message: message.to_owned() }
}
