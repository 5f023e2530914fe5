//! What a caller's overrides may not name. What they make of a payload is judged by the providers, when it is rendered.

use serde_json::{Map, Value};

use super::dto::NotificationRequest;
use crate::api::checks::Checks;
use crate::api::json::AnyValue;
use crate::domain::notification::Overrides;

/// Headers that name a target, a credential or an id of Herald's own.
const HEADERS: [&str; 4] = ["authorization", "apns-topic", "apns-id", "host"];
/// Members of FCM's message that name a target.
const FCM_TARGETS: [&str; 4] = ["token", "fid", "topic", "condition"];
const FORBIDDEN: &str = "names a target, a credential or a key of Herald's own";

/// Takes the overrides out of a request.
pub(super) fn take(request: &mut NotificationRequest, checks: &mut Checks) -> Overrides {
    let apns = object("apns", request.apns.take(), checks);
    let fcm = object("fcm", request.fcm.take(), checks);
    let webpush = object("webpush", request.webpush.take(), checks);
    if let Some(apns) = &apns {
        check_apns(apns, checks);
    }
    if let Some(fcm) = &fcm {
        for name in FCM_TARGETS.into_iter().filter(|name| fcm.contains_key(*name)) {
            checks.refuse(format_args!("fcm.{name}"), "override_forbidden", FORBIDDEN);
        }
        for part in ["apns", "webpush"] {
            if let Some(Value::Object(headers)) = fcm.get(part).and_then(|part| part.get("headers")) {
                check_headers(&format!("fcm.{part}.headers"), headers, checks);
            }
        }
    }
    match webpush.as_ref().and_then(|webpush| webpush.get("headers")) {
        Some(Value::Object(headers)) => check_headers("webpush.headers", headers, checks),
        Some(_) => checks.invalid("webpush.headers", "must be an object"),
        None => {}
    }
    Overrides { apns: apns.map(Value::Object), fcm: fcm.map(Value::Object), webpush: webpush.map(Value::Object) }
}

fn object(at: &str, value: Option<AnyValue>, checks: &mut Checks) -> Option<Map<String, Value>> {
    let members = match value?.0 {
        Value::Null => return None,
        Value::Object(members) => members,
        _ => {
            checks.invalid(at, "must be an object");
            return None;
        }
    };
    check_own_keys(at, &members, checks);
    Some(members)
}

/// Herald's own keys, at any depth.
fn check_own_keys(at: &str, members: &Map<String, Value>, checks: &mut Checks) {
    for (name, value) in members {
        let at = format!("{at}.{name}");
        if name.starts_with("herald_") {
            checks.refuse(&at, "override_forbidden", FORBIDDEN);
        } else if let Value::Object(members) = value {
            check_own_keys(&at, members, checks);
        }
    }
}

fn check_apns(apns: &Map<String, Value>, checks: &mut Checks) {
    for (name, value) in apns {
        match (name.as_str(), value) {
            ("headers", Value::Object(headers)) => check_headers("apns.headers", headers, checks),
            ("payload", Value::Object(_)) => {}
            ("headers" | "payload", _) => checks.invalid(format_args!("apns.{name}"), "must be an object"),
            _ => checks.refuse(format_args!("apns.{name}"), "unknown_field", "there are headers and payload here"),
        }
    }
}

fn check_headers(at: &str, headers: &Map<String, Value>, checks: &mut Checks) {
    for (name, value) in headers {
        let at = format!("{at}.{name}");
        if name.starts_with(':') || HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
            checks.refuse(at, "override_forbidden", FORBIDDEN);
        } else if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
            checks.invalid(at, "is not the name of a header");
        } else if !is_header_value(value) {
            checks.invalid(at, "must be a string of visible ASCII, or null to remove it");
        }
    }
}

fn is_header_value(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()),
        _ => false,
    }
}
