//! A message rendered for FCM: Google's form, the caller's patch over it, its size, and the holes.

use std::collections::BTreeMap;

use http::HeaderMap;
use serde_json::{Map, Value};

use super::message::message;
use super::settings::Display;
use super::spelling;
use super::splice::{HOLE, splice};
use crate::domain::device::Platform;
use crate::providers::{Body, Message, RenderError, Rendered};
use crate::providers::{apns, patch};

/// Google's limit on the payload's keys and values, in bytes.
const LIMIT: usize = 4096;
/// What a patch may not name: targets.
const TARGETS: [&str; 4] = ["token", "fid", "topic", "condition"];
/// Where keys of Herald's own arrive.
const DATA: [&[&str]; 4] = [&["data"], &["android", "data"], &["webpush", "data"], &["apns", "payload"]];
/// What counts as payload.
const PAYLOAD: [&str; 7] =
    ["/data", "/notification", "/android/data", "/android/notification", "/apns/payload", "/webpush/data", "/webpush/notification"];

/// Renders `source` for the platform it names. `service_extension`: every alert to Apple is mutable.
pub(super) fn render(source: &Message<'_>, display: Display, service_extension: bool) -> Result<Rendered, RenderError> {
    let mut form = message(source, display, service_extension)?;
    let apple = (source.platform == Platform::Ios).then_some(source);
    let size = complete(&mut form, apple, source.overrides)?;
    limited(size, LIMIT)?;
    Ok(Rendered { body: Body::Spliced(splice(&form)), headers: HeaderMap::new(), size })
}

/// Merges the caller's patch, and looks at what came of it; its size, in bytes. `apple`: what of it goes to Apple's systems.
pub(super) fn complete(
    form: &mut Map<String, Value>,
    apple: Option<&Message<'_>>,
    overrides: Option<&Value>,
) -> Result<usize, RenderError> {
    match overrides {
        None | Some(Value::Null) => {}
        Some(Value::Object(patch)) => {
            let patch = spelling::in_snake_case(patch).map_err(|at| invalid(&format!("fcm{at}"), "is there in two spellings"))?;
            check(&patch)?;
            patch::merge_members(form, &patch);
            if let Some(apple) = apple.filter(|_| patch.contains_key("apns")) {
                check_apple(apple, form.get("apns"))?;
            }
        }
        Some(_) => return Err(invalid("fcm", "must be an object")),
    }
    check_data(form)?;
    Ok(PAYLOAD.iter().filter_map(|path| member(form, path)).map(weigh).sum())
}

/// Whether it fits.
pub(super) fn limited(size: usize, limit: usize) -> Result<(), RenderError> {
    if size > limit { Err(RenderError::TooLarge { size, limit }) } else { Ok(()) }
}

/// What is at a path of one or two names.
fn member<'a>(form: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let (name, below) = path.strip_prefix('/').map(|path| path.split_once('/').unwrap_or((path, "")))?;
    let value = form.get(name)?;
    if below.is_empty() { Some(value) } else { value.get(below) }
}

fn check(patch: &Map<String, Value>) -> Result<(), RenderError> {
    if let Some(name) = TARGETS.iter().find(|name| patch.contains_key(**name)) {
        return Err(RenderError::Forbidden { field: format!("fcm.{name}") });
    }
    for path in DATA {
        let mut members = Some(patch);
        for name in path {
            members = members.and_then(|members| members.get(*name)).and_then(Value::as_object);
        }
        if let Some(name) = members.and_then(|members| members.keys().find(|name| name.starts_with("herald_"))) {
            return Err(RenderError::Forbidden { field: format!("fcm.{}.{name}", path.join(".")) });
        }
    }
    Ok(())
}

/// What Apple would refuse is refused here: Google tells it only to the iOS devices' outcomes.
fn check_apple(source: &Message<'_>, form: Option<&Value>) -> Result<(), RenderError> {
    let (headers, payload) = match form {
        None => return Ok(()),
        Some(Value::Object(form)) => (form.get("headers"), form.get("payload")),
        Some(_) => return Err(invalid("fcm.apns", "must be an object")),
    };
    let object = |value: Option<&Value>, field: &str| match value {
        None => Ok(Map::new()),
        Some(Value::Object(members)) => Ok(members.clone()),
        Some(_) => Err(invalid(field, "must be an object")),
    };
    let mut texts = BTreeMap::new();
    for (name, value) in object(headers, "fcm.apns.headers")? {
        let name = name.to_ascii_lowercase();
        let at = format!("fcm.apns.headers.{name}");
        let Value::String(text) = value else { return Err(invalid(&at, "must be a string")) };
        if texts.insert(name, text).is_some() {
            return Err(invalid(&at, "is there twice: write it in lower case"));
        }
    }
    texts.retain(|_, text| text != HOLE);
    apns::check_carried("fcm.apns", source, texts, &object(payload, "fcm.apns.payload")?)
}

/// Google refuses data that is not text, and takes away Herald's own keys with it where the whole map goes.
fn check_data(form: &Map<String, Value>) -> Result<(), RenderError> {
    if member(form, "/data/herald_id").is_none() {
        return Err(invalid("fcm.data", "may be merged with, not removed"));
    }
    for path in ["/data", "/android/data", "/webpush/data"] {
        let Some(data) = member(form, path) else { continue };
        let field = || format!("fcm{}", path.replace('/', "."));
        let Some(members) = data.as_object() else { return Err(invalid(&field(), "must be an object")) };
        if let Some((name, _)) = members.iter().find(|(_, value)| !value.is_string()) {
            return Err(invalid(&format!("{}.{name}", field()), "must be a string"));
        }
    }
    Ok(())
}

/// Keys and values, in bytes of UTF-8.
fn weigh(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::Bool(_) | Value::Number(_) => value.to_string().len(),
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weigh).sum(),
        Value::Object(members) => members.iter().map(|(name, value)| name.len() + weigh(value)).sum(),
    }
}

fn invalid(field: &str, message: &str) -> RenderError {
    RenderError::Invalid { field: field.to_owned(), message: message.to_owned() }
}

#[cfg(test)]
mod tests;
