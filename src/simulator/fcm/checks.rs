//! What FCM checks of a message.

use std::borrow::Cow;

use serde_path_to_error::deserialize;

use super::answer::Violation;
use super::message::{Message, SendRequest};
use super::value::{Data, Text, is_name};

/// Bytes of keys and values that a device may be sent.
const MAX_PAYLOAD: usize = 4096;
/// Bytes of keys and values that a topic may be sent.
const MAX_TOPIC_PAYLOAD: usize = 2048;
/// Topics in a condition.
const MAX_CONDITION_TOPICS: usize = 5;

/// A message that passed the checks.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Push<'a> {
    /// The token or installation id; topics as `topic:…`, conditions as `condition:…`.
    pub(super) target: Cow<'a, str>,
    /// False for topics and conditions.
    pub(super) is_device: bool,
    pub(super) herald_id: Cow<'a, str>,
    pub(super) validate_only: bool,
}

/// Checks a body.
pub(super) fn check(body: &[u8]) -> Result<Push<'_>, Violation> {
    let request: SendRequest<'_> = serde_json::from_slice(body).map_err(|_| find_violation(body))?;
    let message = request.message;
    let size = payload_size(&message);
    check_localization(&message)?;
    let Message { token, fid, topic, condition, data, .. } = message;
    let (target, is_device) = target([token, fid, topic, condition])?;
    let limit = if is_device { MAX_PAYLOAD } else { MAX_TOPIC_PAYLOAD };
    if size > limit {
        let text = format!("Message is too big: {size} bytes, {limit} are allowed");
        return Err(Violation::new("message", &text));
    }
    Ok(Push { target, is_device, herald_id: data.map(|data| data.herald_id).unwrap_or_default(), validate_only: request.validate_only })
}

/// Reads a body again, slowly, to say what is wrong with it and where.
fn find_violation(body: &[u8]) -> Violation {
    let mut json = serde_json::Deserializer::from_slice(body);
    match deserialize::<_, SendRequest<'_>>(&mut json) {
        Ok(_) => Violation::new("message", "Invalid JSON payload received"),
        Err(error) => {
            Violation { field: error.path().to_string(), description: format!("Invalid JSON payload received. {}", error.inner()) }
        }
    }
}

/// The one target of a message: token, fid, topic, condition.
fn target(targets: [Option<Text<'_>>; 4]) -> Result<(Cow<'_, str>, bool), Violation> {
    let count = targets.iter().flatten().count();
    if count != 1 {
        let text =
            if count == 0 { "Recipient of the message is not set." } else { "Exactly one of token, fid, topic or condition may be set." };
        return Err(Violation::new("message", text));
    }
    match targets {
        [Some(Text(token)), ..] if !token.is_empty() => Ok((token, true)),
        [_, Some(Text(fid)), ..] if !fid.is_empty() => Ok((fid, true)),
        [_, _, Some(Text(topic)), _] if is_name(&topic) => Ok((format!("topic:{topic}").into(), false)),
        [_, _, _, Some(Text(condition))] if is_condition(&condition) => Ok((format!("condition:{condition}").into(), false)),
        [Some(_), ..] => Err(Violation::new("message.token", "The registration token is not a valid FCM registration token")),
        [_, Some(_), ..] => Err(Violation::new("message.fid", "Invalid installation ID")),
        [_, _, Some(_), _] => Err(Violation::new("message.topic", "Invalid topic name")),
        _ => Err(Violation::new("message.condition", "Invalid condition expression")),
    }
}

/// Whether it names one to five topics. Its operators are taken on trust.
fn is_condition(condition: &str) -> bool {
    let topics = condition.matches("in topics").count();
    (1..=MAX_CONDITION_TOPICS).contains(&topics)
}

/// Bytes of keys and values in the parts that FCM itself carries.
fn payload_size(message: &Message<'_>) -> usize {
    let data = |data: &Option<Data<'_>>| data.as_ref().map_or(0, |data| data.bytes);
    let text = |text: &Option<Text<'_>>| text.as_ref().map_or(0, Text::len);
    let mut size = data(&message.data);
    if let Some(notification) = &message.notification {
        size += text(&notification.title) + text(&notification.body) + text(&notification.image);
    }
    if let Some(android) = &message.android {
        size += data(&android.data);
        if let Some(notification) = &android.notification {
            size += text(&notification.title) + text(&notification.body);
        }
    }
    size
}

/// Arguments need the key of the text they go into.
fn check_localization(message: &Message<'_>) -> Result<(), Violation> {
    let android = message.android.as_ref();
    let Some(notification) = android.and_then(|android| android.notification.as_ref()) else {
        return Ok(());
    };
    let needs_key =
        |args: &Option<Vec<Text<'_>>>, key: &Option<Text<'_>>| key.is_none() && args.as_ref().is_some_and(|args| !args.is_empty());
    let text = "Arguments need a localization key.";
    if needs_key(&notification.body_loc_args, &notification.body_loc_key) {
        let field = "message.android.notification.body_loc_args";
        return Err(Violation::new(field, text));
    }
    if needs_key(&notification.title_loc_args, &notification.title_loc_key) {
        let field = "message.android.notification.title_loc_args";
        return Err(Violation::new(field, text));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
