//! The header fields that all pushes of a message share, while they are put together: texts by lower-case name, with the caller's patch over them.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

use super::RenderError;

/// What HTTP and the connection keep for themselves (RFC 9110, 7.2 and 8.6; RFC 9113, 8.2.2).
const OF_THE_CONNECTION: [&str; 9] =
    ["host", "connection", "content-length", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade", "trailer"];

/// Texts by lower-case name.
pub(super) type Texts = BTreeMap<String, String>;

/// Lays a caller's patch over them: null removes. `at`: where the fields are in the caller's body; `kept`: what else is not the caller's to set.
pub(super) fn patch(texts: &mut Texts, patch: Option<&Value>, at: &str, kept: &[&str]) -> Result<(), RenderError> {
    match patch {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Object(patch)) => merge(texts, patch, at, kept),
        Some(_) => Err(RenderError::Invalid { field: format!("{at}.headers"), message: "must be an object".to_owned() }),
    }
}

fn merge(texts: &mut Texts, patch: &Map<String, Value>, at: &str, kept: &[&str]) -> Result<(), RenderError> {
    for (name, value) in patch {
        let name = name.to_ascii_lowercase();
        if name.starts_with(':') || OF_THE_CONNECTION.contains(&name.as_str()) || kept.contains(&name.as_str()) {
            return Err(RenderError::Forbidden { field: format!("{at}.headers.{name}") });
        }
        match value {
            Value::Null => drop(texts.remove(&name)),
            Value::String(text) => drop(texts.insert(name, text.clone())),
            Value::Number(number) => drop(texts.insert(name, number.to_string())),
            Value::Bool(_) | Value::Array(_) | Value::Object(_) => return Err(invalid(at, &name, "must be a string")),
        }
    }
    Ok(())
}

/// Adds them to what goes on the wire. `unindexed` is never put into the peer's table of fields: it differs from notification to notification.
pub(super) fn write(texts: Texts, headers: &mut HeaderMap, at: &str, unindexed: &str) -> Result<(), RenderError> {
    for (name, text) in texts {
        let (Ok(key), Ok(mut value)) = (HeaderName::try_from(&name), HeaderValue::try_from(text)) else {
            return Err(invalid(at, &name, "is not a valid header field"));
        };
        value.set_sensitive(name == unindexed);
        headers.insert(key, value);
    }
    Ok(())
}

/// A field that the provider would refuse.
pub(super) fn invalid(at: &str, name: &str, message: &str) -> RenderError {
    RenderError::Invalid { field: format!("{at}.headers.{name}"), message: message.to_owned() }
}
