//! A message as the text that a service worker gets: once for all browsers of a locale.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::headers::headers;
use super::notification::notification;
use super::seal::PLAINTEXT_LIMIT;
use crate::domain::content::Content;
use crate::providers::patch;
use crate::providers::{Body, Message, RenderError, Rendered};

/// The member of a caller's patch that is about header fields; all others are about the text.
const HEADERS: &str = "headers";

/// Renders `message`. A silent one is refused: browsers revoke subscriptions that show nothing.
pub(super) fn render(message: &Message<'_>) -> Result<Rendered, RenderError> {
    if message.silent {
        return Err(RenderError::Unsupported);
    }
    let overrides = match message.overrides {
        None | Some(Value::Null) => None,
        Some(Value::Object(members)) => Some(members),
        Some(_) => return Err(invalid("webpush", "must be an object")),
    };
    let headers = headers(message, overrides.and_then(|members| members.get(HEADERS)))?;
    let mut text = notification(message);
    text.insert("data".to_owned(), Value::Object(data(message.content, message.notification.to_string())));
    if let Some(overrides) = overrides {
        patch_text(&mut text, overrides)?;
    }
    let text = Value::Object(text).to_string();
    let size = text.len();
    if size > PLAINTEXT_LIMIT {
        return Err(RenderError::TooLarge { size, limit: PLAINTEXT_LIMIT });
    }
    Ok(Rendered { body: Body::Sealed(Bytes::from(text)), headers, size })
}

/// The app's data and Herald's own keys.
fn data(content: &Content, notification: String) -> Map<String, Value> {
    let mut data: Map<String, Value> =
        content.data.iter().flatten().map(|(name, text)| (name.clone(), Value::from(text.as_str()))).collect();
    data.insert("herald_id".to_owned(), Value::from(notification));
    if let Some(link) = &content.link {
        data.insert("herald_link".to_owned(), Value::from(link.as_str()));
    }
    data
}

fn patch_text(text: &mut Map<String, Value>, overrides: &Map<String, Value>) -> Result<(), RenderError> {
    let mut patch = overrides.clone();
    patch.remove(HEADERS);
    if let Some(Value::Object(data)) = patch.get("data")
        && let Some(name) = data.keys().find(|name| name.starts_with("herald_"))
    {
        return Err(RenderError::Forbidden { field: format!("webpush.data.{name}") });
    }
    patch::merge_members(text, &patch);
    match text.get("data") {
        Some(Value::Object(data)) if data.contains_key("herald_id") => match data.iter().find(|(_, value)| !value.is_string()) {
            Some((name, _)) => Err(invalid(&format!("webpush.data.{name}"), "must be a string")),
            None => Ok(()),
        },
        Some(_) | None => Err(invalid("webpush.data", "may be merged with, not replaced")),
    }
}

fn invalid(field: &str, message: &str) -> RenderError {
    RenderError::Invalid { field: field.to_owned(), message: message.to_owned() }
}

#[cfg(test)]
mod tests;
