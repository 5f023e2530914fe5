//! The header fields that all pushes of a message share, with the caller's patch over them.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

use super::push_type::PushType;
use crate::domain::notification::Priority;
use crate::providers::{Message, RenderError};

/// Where a caller's patch of a push of our own to Apple is.
pub(super) const AT: &str = "apns";
pub(super) const PUSH_TYPE: &str = "apns-push-type";
pub(super) const PRIORITY: &str = "apns-priority";
pub(super) const COLLAPSE_ID: &str = "apns-collapse-id";
pub(super) const EXPIRATION: &str = "apns-expiration";
pub(super) const TOPIC: &str = "apns-topic";
pub(super) const ID: &str = "apns-id";

/// Apple's limit, in bytes.
const COLLAPSE_ID_LIMIT: usize = 64;
/// As many fields as a push has, with room: a map that grows costs more than the rest of the head.
const FIELDS: usize = 12;
/// What a caller may not set: the target, the credential, what Herald counts on, and what HTTP/2 keeps for itself.
const FORBIDDEN: [&str; 12] = [
    "authorization",
    TOPIC,
    ID,
    "host",
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
    "trailer",
];

/// `apns-priority` of a message: 5 may wait for the phone, 10 is at once; background pushes are 5 always.
pub(in crate::providers) fn priority(priority: Priority, background: bool) -> &'static str {
    match (priority, background) {
        (_, true) | (Priority::Normal, false) => "5",
        (Priority::High | Priority::Critical, false) => "10",
    }
}

/// Header fields while they are put together, by lower-case name.
pub(super) struct Fields {
    pub(super) push_type: PushType,
    texts: BTreeMap<String, String>,
}

impl Fields {
    /// Those of a message, patched. `patch` is `apns.headers` as the caller gave it.
    pub(super) fn new(message: &Message<'_>, patch: Option<&Value>) -> Result<Self, RenderError> {
        let mut texts = BTreeMap::from([
            (PUSH_TYPE.to_owned(), PushType::of(message).as_str().to_owned()),
            (COLLAPSE_ID.to_owned(), message.collapse_id.to_owned()),
        ]);
        match patch {
            None | Some(Value::Null) => {}
            Some(Value::Object(patch)) => merge(&mut texts, patch)?,
            Some(_) => return Err(RenderError::Invalid { field: "apns.headers".to_owned(), message: "must be an object".to_owned() }),
        }
        let fields = Self::checked(AT, message, texts)?;
        if !message.push_type.is_usual() && fields.push_type != PushType::of(message) {
            return Err(invalid(AT, PUSH_TYPE, "must be that of the notification, since it goes to an address of its own"));
        }
        Ok(fields)
    }

    /// Those of a message as they are to be, by lower-case name. `at`: where they are in the caller's body.
    pub(super) fn checked(at: &str, message: &Message<'_>, mut texts: BTreeMap<String, String>) -> Result<Self, RenderError> {
        let push_type = match texts.get(PUSH_TYPE) {
            None => PushType::of(message),
            Some(text) => PushType::parse(text).ok_or_else(|| invalid(at, PUSH_TYPE, "is not a push type of Apple's"))?,
        };
        let wanted = if push_type.is_immediate() { Priority::High } else { message.priority };
        let usual = priority(wanted, push_type == PushType::Background);
        texts.entry(PRIORITY.to_owned()).or_insert_with(|| usual.to_owned());
        let fields = Self { push_type, texts };
        fields.check(at)?;
        Ok(fields)
    }

    fn check(&self, at: &str) -> Result<(), RenderError> {
        let text = |name: &str| self.texts.get(name).map(String::as_str);
        match (text(PRIORITY), self.push_type) {
            (Some("5"), _) => {}
            (Some("10" | "1"), push_type) if push_type != PushType::Background => {}
            (Some("10" | "1"), _) => return Err(invalid(at, PRIORITY, "must be 5 for a background push")),
            (Some(_) | None, _) => return Err(invalid(at, PRIORITY, "must be 10, 5 or 1")),
        }
        if text(COLLAPSE_ID).is_some_and(|id| id.len() > COLLAPSE_ID_LIMIT) {
            return Err(invalid(at, COLLAPSE_ID, "must be at most 64 bytes"));
        }
        if text(EXPIRATION).is_some_and(|seconds| seconds.parse::<u32>().is_err()) {
            return Err(invalid(at, EXPIRATION, "must be UNIX seconds"));
        }
        Ok(())
    }

    /// As they go on the wire, with the topic.
    pub(super) fn into_headers(self, topic: String) -> Result<HeaderMap, RenderError> {
        let mut headers = HeaderMap::with_capacity(FIELDS);
        for (name, text) in self.texts.into_iter().chain([(TOPIC.to_owned(), topic)]) {
            let (Ok(key), Ok(mut value)) = (HeaderName::try_from(&name), HeaderValue::try_from(text)) else {
                return Err(invalid(AT, &name, "is not a valid header field"));
            };
            // never indexed: it differs from notification to notification, and the peer's table is small
            value.set_sensitive(name == COLLAPSE_ID);
            headers.insert(key, value);
        }
        Ok(headers)
    }
}

fn merge(texts: &mut BTreeMap<String, String>, patch: &Map<String, Value>) -> Result<(), RenderError> {
    for (name, value) in patch {
        let name = name.to_ascii_lowercase();
        if name.starts_with(':') || FORBIDDEN.contains(&name.as_str()) {
            return Err(RenderError::Forbidden { field: format!("apns.headers.{name}") });
        }
        match value {
            Value::Null => drop(texts.remove(&name)),
            Value::String(text) => drop(texts.insert(name, text.clone())),
            Value::Number(number) => drop(texts.insert(name, number.to_string())),
            Value::Bool(_) | Value::Array(_) | Value::Object(_) => return Err(invalid(AT, &name, "must be a string")),
        }
    }
    Ok(())
}

pub(super) fn invalid(at: &str, name: &str, message: &str) -> RenderError {
    RenderError::Invalid { field: format!("{at}.headers.{name}"), message: message.to_owned() }
}
