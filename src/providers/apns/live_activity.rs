//! The `aps` dictionary of a Live Activity ("Starting and updating Live Activities with `ActivityKit` push notifications").

use serde_json::{Map, Value, json};

use crate::domain::Timestamp;
use crate::domain::content::Content;
use crate::domain::push_type::{ActivityEvent, LiveActivity};

/// The dictionary. `start_at`: from when on it may be sent; phones pass over what is older than what they show.
pub(super) fn aps(activity: &LiveActivity, content: &Content, start_at: Timestamp) -> Map<String, Value> {
    let mut aps = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            aps.insert(name.to_owned(), value);
        }
    };
    put("timestamp", Some(seconds(start_at)));
    put("event", Some(Value::from(word(&activity.event))));
    put("content-state", content_state(activity));
    put("stale-date", activity.stale_at.map(seconds));
    put("alert", alert(content));
    put("relevance-score", content.relevance.map(Value::from));
    match &activity.event {
        ActivityEvent::Start { attributes_type, attributes } => {
            put("attributes-type", Some(Value::from(attributes_type.as_str())));
            put("attributes", Some(Value::Object(attributes.clone())));
            // without it iOS 18 tells the app no address to which updates could go
            put("input-push-token", Some(json!(1)));
        }
        ActivityEvent::Update { .. } => {}
        ActivityEvent::End { dismiss_at, .. } => put("dismissal-date", dismiss_at.map(seconds)),
    }
    aps
}

/// Apple's word for what becomes of it.
fn word(event: &ActivityEvent) -> &'static str {
    match event {
        ActivityEvent::Start { .. } => "start",
        ActivityEvent::Update { .. } => "update",
        ActivityEvent::End { .. } => "end",
    }
}

/// What it shows. An app whose state has no fields has nothing to say of it, and phones drop what says nothing at all; an end may leave
/// what is shown.
fn content_state(activity: &LiveActivity) -> Option<Value> {
    let given = activity.content_state.clone().map(Value::Object);
    match &activity.event {
        ActivityEvent::Start { .. } | ActivityEvent::Update { .. } => given.or_else(|| Some(json!({}))),
        ActivityEvent::End { .. } => given,
    }
}

/// Its alert, in which the sound is.
fn alert(content: &Content) -> Option<Value> {
    let lines = [("title", &content.title), ("body", &content.body), ("sound", &content.sound)];
    let alert: Map<String, Value> =
        lines.into_iter().filter_map(|(name, text)| Some((name.to_owned(), Value::from(text.as_deref()?)))).collect();
    (!alert.is_empty()).then_some(Value::Object(alert))
}

/// All instants in `aps` are UNIX seconds.
fn seconds(at: Timestamp) -> Value {
    Value::from(at.timestamp())
}
