//! A message in Apple's form: once for all devices of a locale.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::agreement::agree;
use super::aps::aps;
use super::certificate::Certificate;
use super::headers::{AT, Fields, PUSH_TYPE};
use super::live_activity;
use crate::domain::content::Content;
use crate::domain::push_type::PushType;
use crate::providers::fields::invalid;
use crate::providers::patch;
use crate::providers::{Body, Message, RenderError, Rendered};

const NOT_COVERED: &str = "is not covered by the app's certificate";

/// What of an app's settings a rendering depends on.
#[derive(Clone, Copy)]
pub(super) struct App<'a> {
    pub(super) bundle_id: &'a str,
    /// Every alert is mutable.
    pub(super) service_extension: bool,
    /// It may not be for all push types.
    pub(super) certificate: Option<&'a Certificate>,
}

/// Renders `message` for an app.
pub(super) fn render(message: &Message<'_>, app: App<'_>) -> Result<Rendered, RenderError> {
    let App { bundle_id, service_extension, certificate } = app;
    let overrides = Overrides::split(message.overrides)?;
    let fields = Fields::new(message, overrides.headers)?;
    let topic = format!("{bundle_id}{}", fields.push_type.topic_suffix());
    if certificate.is_some_and(|certificate| !certificate.covers(fields.push_type, &topic)) {
        return Err(uncovered(message.push_type));
    }
    let mut payload = custom(message.content, message.notification.to_string());
    let aps = match message.push_type {
        PushType::Usual => aps(message.content, message.silent, service_extension),
        PushType::LiveActivity(activity) => live_activity::aps(activity, message.content, message.start_at),
        // what they are about is the app's own
        PushType::Voip | PushType::Location => Map::new(),
    };
    payload.insert("aps".to_owned(), Value::Object(aps));
    if let Some(patch) = overrides.payload {
        patch::merge_members(&mut payload, patch);
    }
    if message.overrides.is_some() {
        agree(AT, fields.push_type, &payload)?;
    }
    let body = Value::Object(payload).to_string();
    let (size, limit) = (body.len(), fields.push_type.limit());
    if size > limit {
        return Err(RenderError::TooLarge { size, limit });
    }
    Ok(Rendered { body: Body::Whole(Bytes::from(body)), headers: fields.into_headers(topic)?, size })
}

/// The app's certificate is not for this kind of push: where it was asked for.
fn uncovered(push_type: &PushType) -> RenderError {
    let refused = |field: &str| RenderError::Invalid { field: field.to_owned(), message: NOT_COVERED.to_owned() };
    match push_type {
        PushType::Usual => invalid(AT, PUSH_TYPE, NOT_COVERED),
        PushType::Voip | PushType::Location => refused("push_type"),
        PushType::LiveActivity(_) => refused("live_activity"),
    }
}

/// The siblings of `aps`: the app's data and Herald's own keys.
fn custom(content: &Content, notification: String) -> Map<String, Value> {
    let mut payload: Map<String, Value> =
        content.data.iter().flatten().map(|(name, text)| (name.clone(), Value::from(text.as_str()))).collect();
    payload.insert("herald_id".to_owned(), Value::from(notification));
    for (name, text) in [("herald_link", &content.link), ("herald_image", &content.image_url)] {
        if let Some(text) = text {
            payload.insert(name.to_owned(), Value::from(text.as_str()));
        }
    }
    payload
}

/// `{"headers": {…}, "payload": {…}}`.
#[derive(Default)]
struct Overrides<'a> {
    headers: Option<&'a Value>,
    payload: Option<&'a Map<String, Value>>,
}

impl<'a> Overrides<'a> {
    fn split(overrides: Option<&'a Value>) -> Result<Self, RenderError> {
        let refused = |field: &str, message: &str| RenderError::Invalid { field: field.to_owned(), message: message.to_owned() };
        let members = match overrides {
            None | Some(Value::Null) => return Ok(Self::default()),
            Some(Value::Object(members)) => members,
            Some(_) => return Err(refused("apns", "must be an object")),
        };
        if let Some(other) = members.keys().find(|name| !matches!(name.as_str(), "headers" | "payload")) {
            return Err(refused(&format!("apns.{other}"), "is not known: headers and payload are"));
        }
        let payload = match members.get("payload") {
            None | Some(Value::Null) => None,
            Some(Value::Object(payload)) => Some(payload),
            Some(_) => return Err(refused("apns.payload", "must be an object")),
        };
        if let Some(name) = payload.and_then(|payload| payload.keys().find(|name| name.starts_with("herald_"))) {
            return Err(RenderError::Forbidden { field: format!("apns.payload.{name}") });
        }
        Ok(Self { headers: members.get("headers"), payload })
    }
}

#[cfg(test)]
mod tests;
