//! Amazon Pinpoint's export of endpoints: one JSON object a line, or CSV with a column for each path, as Herald's fields
//! (docs.aws.amazon.com/pinpoint/latest/apireference/apps-application-id-endpoints-endpoint-id.html).

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::members::Members;
use super::table::Row;
use crate::api::problem::Problem;

/// Without these it is no such export.
pub(super) const NEEDED: [&str; 3] = ["Id", "Address", "ChannelType"];

/// Each field that is taken over, with its path.
pub(super) const PATHS: [(&str, &str); 13] = [
    ("device_id", "Id"),
    ("token", "Address"),
    ("platform", "ChannelType"),
    ("provider", "ChannelType"),
    ("user_id", "User.UserId"),
    ("timezone", "Demographic.Timezone"),
    ("locale", "Demographic.Locale"),
    ("app_version", "Demographic.AppVersion"),
    ("os_version", "Demographic.PlatformVersion"),
    ("model", "Demographic.Model"),
    ("created_at", "CreationDate"),
    ("last_seen_at", "EffectiveDate"),
    ("status", "EndpointStatus"),
];
/// Names of what is left behind that are told, at most, and the length of one in bytes.
const MAX_LEFT: usize = 100;
const MAX_NAME: usize = 128;
const OPT_OUT: &str = "OptOut";
/// What becomes tags; of two of one name the later one here holds.
const TAGS: [&str; 3] = ["User.UserAttributes", "Metrics", "Attributes"];

/// Whether what is at a path is taken over.
pub(super) fn takes(path: &str) -> bool {
    let is_tag = TAGS.iter().any(|tags| path.strip_prefix(tags).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')));
    is_tag || path == OPT_OUT || PATHS.iter().any(|(_, taken)| *taken == path)
}

/// The endpoint that a row says: its cells at the paths that their columns name, as far as they are taken over. Nothing else decides how deep it is.
pub(super) fn endpoint(row: &Row<'_>) -> Value {
    let mut endpoint = Map::new();
    for (path, cell) in row.cells().filter(|(path, _)| takes(path)) {
        let tag = TAGS.iter().find_map(|tags| Some((*tags, path.strip_prefix(tags)?.strip_prefix('.')?)));
        let (parents, name) = tag.or_else(|| path.rsplit_once('.')).unwrap_or(("", path));
        let parents: Vec<&str> = parents.split('.').filter(|parent| !parent.is_empty()).collect();
        put(&mut endpoint, &parents, (name, cell));
    }
    Value::Object(endpoint)
}

fn put(within: &mut Map<String, Value>, parents: &[&str], (name, cell): (&str, &str)) {
    let Some((first, others)) = parents.split_first() else {
        within.insert(name.to_owned(), Value::from(cell));
        return;
    };
    if let Value::Object(inner) = within.entry(*first).or_insert_with(|| Value::Object(Map::new())) {
        put(inner, others, (name, cell));
    }
}

/// The device object that an endpoint says; what is left behind is noted.
pub(super) fn members(endpoint: &Value, left: &mut BTreeSet<String>) -> Result<Members, Problem> {
    let mut members = Members::default();
    note_left(endpoint, left);
    let (platform, environment) = channel(text(endpoint, "ChannelType")?)?;
    members.set("platform", Some(platform)).set("environment", environment);
    for (field, path) in PATHS.into_iter().filter(|(field, _)| !["platform", "provider", "locale", "status"].contains(field)) {
        members.set(field, text(endpoint, path)?);
    }
    // who has no id in the app's backend is nobody to Herald
    if text(endpoint, "User.UserId")?.is_none() {
        members.set("user_id", Some(Value::Null));
    }
    members.set("locale", text(endpoint, "Demographic.Locale")?.map(|locale| locale.replace('_', "-")));
    let is_inactive = text(endpoint, "EndpointStatus")? == Some("INACTIVE") || text(endpoint, OPT_OUT)? == Some("ALL");
    members.set("status", is_inactive.then_some("inactive"));
    for path in TAGS {
        set_tags(&mut members, path, at(endpoint, path))?;
    }
    Ok(members)
}

fn channel(kind: Option<&str>) -> Result<(&'static str, Option<&'static str>), Problem> {
    match kind {
        Some("APNS") => Ok(("ios", Some("production"))),
        Some("APNS_SANDBOX") => Ok(("ios", Some("sandbox"))),
        Some("GCM") => Ok(("android", None)),
        Some("EMAIL" | "SMS" | "VOICE") => {
            Err(Problem::invalid_field("ChannelType", "unsupported_platform", "is no device; it belongs to a user's contacts"))
        }
        Some(_) => Err(Problem::invalid_field("ChannelType", "unsupported_platform", "is none of APNS, APNS_SANDBOX and GCM")),
        None => Err(Problem::invalid_field("ChannelType", "required", "is required")),
    }
}

fn at<'v>(endpoint: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(endpoint, |at, name| at.get(name)).filter(|value| !value.is_null())
}

fn text<'v>(endpoint: &'v Value, path: &str) -> Result<Option<&'v str>, Problem> {
    match at(endpoint, path) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
        Some(_) => Err(Problem::invalid_field(path, "invalid", "must be a string")),
    }
}

/// Attributes are lists of strings, metrics numbers. A tag is one value: of several, one text with commas between.
fn set_tags(members: &mut Members, path: &str, attributes: Option<&Value>) -> Result<(), Problem> {
    let attributes = match attributes {
        None => return Ok(()),
        Some(Value::Object(attributes)) => attributes,
        Some(_) => return Err(Problem::invalid_field(path, "invalid", "must be an object")),
    };
    for (name, value) in attributes {
        let joined = match value {
            Value::Array(values) => match values.iter().map(Value::as_str).collect::<Option<Vec<_>>>() {
                Some(texts) if texts.is_empty() => continue,
                Some(texts) => Value::from(texts.join(",")),
                None => return Err(Problem::invalid_field(&format!("{path}.{name}"), "invalid", "must be a list of strings")),
            },
            other => other.clone(),
        };
        members.set_in("tags", name, joined);
    }
    Ok(())
}

/// Notes the paths of what is not taken over.
fn note_left(endpoint: &Value, left: &mut BTreeSet<String>) {
    for (name, value) in endpoint.as_object().into_iter().flatten() {
        match value {
            Value::Object(inner) if ["User", "Demographic"].contains(&name.as_str()) => {
                inner.keys().for_each(|inner| note(format!("{name}.{inner}"), left));
            }
            _ => note(name.clone(), left),
        }
    }
}

fn note(path: String, left: &mut BTreeSet<String>) {
    if left.len() < MAX_LEFT && path.len() <= MAX_NAME && !takes(&path) {
        left.insert(path);
    }
}
