//! Herald's own fields as columns: each by its name, `tags.<name>` for one tag, `tags` for all of them as a JSON object, and the parts of a
//! token that is not text as `token.fid`, `token.endpoint`, `token.keys.p256dh` and `token.keys.auth`.

use serde_json::{Value, json};

use super::members::Members;
use super::table::Row;
use crate::api::json::AnyValue;
use crate::api::problem::Problem;
use crate::dispatch::draft::FieldError;

/// Fields whose cells are their text.
const TEXTS: [&str; 15] = [
    "device_id",
    "user_id",
    "platform",
    "provider",
    "environment",
    "token",
    "permission",
    "timezone",
    "locale",
    "app_version",
    "os_version",
    "model",
    "created_at",
    "last_seen_at",
    "status",
];
const TOKEN_PARTS: [&str; 4] = ["token.fid", "token.endpoint", P256DH, AUTH];
const P256DH: &str = "token.keys.p256dh";
const AUTH: &str = "token.keys.auth";
const TAG: &str = "tags.";

/// Whether these can be the columns: what is unknown is refused, so that a typo is never a silent default.
pub(super) fn check(names: &[String]) -> Result<(), Problem> {
    if !names.iter().any(|name| name == "device_id") {
        // without a header the first row has somebody's token in it, which must not be told
        return Err(Problem::invalid_field("device_id", "required", "is required: the first row names the columns"));
    }
    let is_known =
        |name: &String| TEXTS.contains(&name.as_str()) || TOKEN_PARTS.contains(&name.as_str()) || name == "tags" || name.starts_with(TAG);
    let unknown = names.iter().filter(|name| !is_known(name));
    let mut errors: Vec<FieldError> = unknown
        .map(|name| FieldError { field: name.clone(), code: "unknown_field", message: "there is no such field here".to_owned() })
        .collect();
    if names.iter().any(|name| name == "tags") && names.iter().any(|name| name.starts_with(TAG)) {
        errors.push(FieldError::invalid("tags", "cannot stand beside columns of single tags"));
    }
    if errors.is_empty() { Ok(()) } else { Err(Problem::invalid(errors)) }
}

/// The device object that a row says.
pub(super) fn members(row: &Row<'_>) -> Result<Members, Problem> {
    let mut members = Members::default();
    let (mut has_token, mut has_part) = (false, false);
    for (name, cell) in row.cells() {
        if let Some(tag) = name.strip_prefix(TAG) {
            members.set_in("tags", tag, cell);
        } else if name == "tags" {
            members.set("tags", Some(object(name, cell)?));
        } else if let Some(part) = name.strip_prefix("token.") {
            has_part = true;
            if name != P256DH && name != AUTH {
                members.set_in("token", part, cell);
            }
        } else {
            has_token |= name == "token";
            members.set(name, Some(cell));
        }
    }
    if has_token && has_part {
        return Err(Problem::invalid_field("token", "invalid", "cannot stand beside the parts of a token"));
    }
    let keys = (row.get(P256DH), row.get(AUTH));
    if keys != (None, None) {
        let part = |part: Option<&str>| part.map_or(Value::Null, |text| json!(text));
        members.set_in("token", "keys", json!({"p256dh": part(keys.0), "auth": part(keys.1)}));
    }
    Ok(members)
}

/// A cell that holds a JSON object.
pub(super) fn object(name: &str, cell: &str) -> Result<Value, Problem> {
    match serde_json::from_str(cell) {
        Ok(AnyValue(value @ Value::Object(_))) => Ok(value),
        _ => Err(Problem::invalid_field(name, "invalid", "must be a JSON object without repeated members")),
    }
}
