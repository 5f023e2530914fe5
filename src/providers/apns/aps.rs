//! The `aps` dictionary ("Generating a remote notification").

use serde_json::{Map, Value, json};

use crate::domain::content::{Content, Interruption};

/// The dictionary of a message. `mutable`: the app's service extension is to run on every alert.
pub(in crate::providers) fn aps(content: &Content, silent: bool, mutable: bool) -> Map<String, Value> {
    let mut aps = Map::new();
    if silent {
        aps.insert("content-available".to_owned(), json!(1));
        return aps;
    }
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            aps.insert(name.to_owned(), value);
        }
    };
    put("alert", alert(content));
    put("badge", content.badge.map(Value::from));
    put("sound", content.sound.as_deref().map(|sound| self::sound(sound, content.interruption)));
    put("thread-id", content.thread_id.as_deref().map(Value::from));
    put("category", content.action_set.as_deref().map(Value::from));
    put("interruption-level", content.interruption.map(|level| Value::from(interruption_level(level))));
    put("relevance-score", content.relevance.map(Value::from));
    put("mutable-content", (mutable || content.image_url.is_some()).then(|| json!(1)));
    aps
}

/// Apple's word for how much a notification may interrupt.
fn interruption_level(level: Interruption) -> &'static str {
    match level {
        Interruption::Passive => "passive",
        Interruption::Active => "active",
        Interruption::TimeSensitive => "time-sensitive",
        Interruption::Critical => "critical",
    }
}

fn alert(content: &Content) -> Option<Value> {
    let lines = [("title", &content.title), ("subtitle", &content.subtitle), ("body", &content.body)];
    let alert: Map<String, Value> =
        lines.into_iter().filter_map(|(name, text)| Some((name.to_owned(), Value::from(text.as_deref()?)))).collect();
    (!alert.is_empty()).then_some(Value::Object(alert))
}

/// A critical alert needs the dictionary; the string would stay mute with the switch.
fn sound(name: &str, interruption: Option<Interruption>) -> Value {
    match interruption {
        Some(Interruption::Critical) => json!({"critical": 1, "name": name, "volume": 1.0}),
        Some(Interruption::Passive | Interruption::Active | Interruption::TimeSensitive) | None => Value::from(name),
    }
}
