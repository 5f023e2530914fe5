//! The header fields that all pushes of a message share, with the caller's patch over them.

use http::HeaderMap;
use serde_json::Value;

use super::push_type::PushType;
use crate::domain::notification::Priority;
use crate::providers::fields::{self, Texts, invalid};
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
/// What a caller may not set: the target, the credential, and what Herald counts on.
const KEPT: [&str; 3] = ["authorization", TOPIC, ID];

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
    texts: Texts,
}

impl Fields {
    /// Those of a message, patched. `patch` is `apns.headers` as the caller gave it.
    pub(super) fn new(message: &Message<'_>, patch: Option<&Value>) -> Result<Self, RenderError> {
        let mut texts = Texts::from([
            (PUSH_TYPE.to_owned(), PushType::of(message).as_str().to_owned()),
            (COLLAPSE_ID.to_owned(), message.collapse_id.to_owned()),
        ]);
        fields::patch(&mut texts, patch, AT, &KEPT)?;
        let fields = Self::checked(AT, message, texts)?;
        if !message.push_type.is_usual() && fields.push_type != PushType::of(message) {
            return Err(invalid(AT, PUSH_TYPE, "must be that of the notification, since it goes to an address of its own"));
        }
        Ok(fields)
    }

    /// Those of a message as they are to be, by lower-case name. `at`: where they are in the caller's body.
    pub(super) fn checked(at: &str, message: &Message<'_>, mut texts: Texts) -> Result<Self, RenderError> {
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
    pub(super) fn into_headers(mut self, topic: String) -> Result<HeaderMap, RenderError> {
        self.texts.insert(TOPIC.to_owned(), topic);
        let mut headers = HeaderMap::with_capacity(FIELDS);
        fields::write(self.texts, &mut headers, AT, COLLAPSE_ID)?;
        Ok(headers)
    }
}
