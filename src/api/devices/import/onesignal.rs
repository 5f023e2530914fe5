//! `OneSignal`'s CSV export: its columns as Herald's fields (documentation.onesignal.com/reference/csv-export).
//!
//! Web push needs the extra fields `web_auth` and `web_p256`; `external_user_id`, `timezone_id` and `notification_types` are extra fields too.

use chrono::{DateTime, NaiveDateTime};
use serde_json::{Value, json};

use super::herald_csv::object;
use super::members::Members;
use super::table::Row;
use crate::api::problem::Problem;

/// Without these columns it is no such export.
pub(super) const NEEDED: [&str; 3] = ["id", "identifier", "device_type"];

/// Each field that is taken over, with its column.
pub(super) const COLUMNS: [(&str, &str); 15] = [
    ("device_id", "id"),
    ("token.keys.p256dh", "web_p256"),
    ("token.keys.auth", "web_auth"),
    ("token", "identifier"),
    ("platform", "device_type"),
    ("user_id", "external_user_id"),
    ("locale", "language"),
    ("timezone", "timezone_id"),
    ("app_version", "game_version"),
    ("os_version", "device_os"),
    ("model", "device_model"),
    ("tags", "tags"),
    ("created_at", "created_at"),
    ("last_seen_at", "last_active"),
    ("status", "invalid_identifier"),
];
/// What else says that a subscription is not sent to.
const ALSO_STATUS: [&str; 2] = ["notification_types", "unsubscribed_at"];

/// Whether a column is taken over.
pub(super) fn takes(column: &str) -> bool {
    COLUMNS.iter().any(|(_, taken)| *taken == column) || ALSO_STATUS.contains(&column)
}

/// The device object that a row says.
pub(super) fn members(row: &Row<'_>) -> Result<Members, Problem> {
    let mut members = Members::default();
    let platform = platform(row.get("device_type"))?;
    let texts = ["device_id", "user_id", "locale", "timezone", "app_version", "os_version", "model"];
    for (field, column) in COLUMNS.into_iter().filter(|(field, _)| texts.contains(field)) {
        members.set(field, row.get(column));
    }
    // who has no id in the app's backend is nobody to Herald
    if row.get("external_user_id").is_none() {
        members.set("user_id", Some(Value::Null));
    }
    members.set("platform", Some(platform)).set("token", token(row, platform)?);
    for (field, column) in [("created_at", "created_at"), ("last_seen_at", "last_active")] {
        members.set(field, row.get(column).map(|text| instant(column, text)).transpose()?);
    }
    members.set("tags", row.get("tags").map(|tags| object("tags", tags)).transpose()?);
    members.set("status", is_unsubscribed(row)?.then_some("inactive"));
    Ok(members)
}

/// The numbers of kinds of device.
fn platform(number: Option<&str>) -> Result<&'static str, Problem> {
    let refuse = |message: &str| Err(Problem::invalid_field("device_type", "unsupported_platform", message));
    match number {
        Some("0") => Ok("ios"),
        Some("1") => Ok("android"),
        // Chrome, Safari, Firefox, Edge, and Safari with web push
        Some("5" | "7" | "8" | "12" | "17") => Ok("web"),
        Some("11") => refuse("is an e-mail address, which belongs to a user's contacts"),
        Some("14") => refuse("is a phone number, which belongs to a user's contacts"),
        Some(_) => refuse("is neither iOS (0), Android (1) nor a browser (5, 7, 8, 12, 17)"),
        None => Err(Problem::invalid_field("device_type", "required", "is required")),
    }
}

fn token(row: &Row<'_>, platform: &str) -> Result<Option<Value>, Problem> {
    let Some(identifier) = row.get("identifier") else { return Ok(None) };
    if platform != "web" {
        return Ok(Some(json!(identifier)));
    }
    let key = |column: &str| {
        let required = || Problem::invalid_field(column, "required", "is required for web push; it is an extra field of the export");
        row.get(column).ok_or_else(required)
    };
    Ok(Some(json!({"endpoint": identifier, "keys": {"p256dh": key("web_p256")?, "auth": key("web_auth")?}})))
}

/// `notification_types` is 1 or a set of Apple's bits where pushes are wanted, and 0 or less where not.
fn is_unsubscribed(row: &Row<'_>) -> Result<bool, Problem> {
    let is_dead = match row.get("invalid_identifier") {
        None | Some("f" | "false" | "FALSE" | "False" | "0") => false,
        Some("t" | "true" | "TRUE" | "True" | "1") => true,
        Some(_) => return Err(Problem::invalid_field("invalid_identifier", "invalid", "must be t or f")),
    };
    let wanted = match row.get("notification_types").map(str::parse::<i64>) {
        None => row.get("unsubscribed_at").is_none(),
        Some(Ok(types)) => types > 0,
        Some(Err(_)) => return Err(Problem::invalid_field("notification_types", "invalid", "must be a whole number")),
    };
    Ok(is_dead || !wanted)
}

/// UTC unless it says otherwise: `2026-11-02 09:00:00`, perhaps with `UTC` behind it, seconds since 1970, or RFC 3339.
fn instant(column: &str, text: &str) -> Result<String, Problem> {
    let bare = text.strip_suffix(" UTC").unwrap_or(text);
    let wall = || NaiveDateTime::parse_from_str(bare, "%Y-%m-%d %H:%M:%S%.f").ok().map(|wall| wall.and_utc());
    let seconds = || bare.parse().ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    let stamped = || DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc());
    let at = wall().or_else(seconds).or_else(stamped);
    at.map(|at| at.to_rfc3339())
        .ok_or_else(|| Problem::invalid_field(column, "invalid", "must be an instant, such as 2026-11-02 09:00:00 UTC"))
}
