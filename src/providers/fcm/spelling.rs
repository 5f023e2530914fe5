//! The two spellings of Google's fields: `channel_id` and `channelId` are one, and a message that has both is refused by Google.

use serde_json::{Map, Value};

/// Members of a message that are objects of Google's own; what is in others (`data`, `headers`, `payload`, a browser's `notification`) is
/// the app's, Apple's or the browser's.
const OWN: [&str; 9] = [
    "/android",
    "/android/notification",
    "/android/notification/light_settings",
    "/android/fcm_options",
    "/apns",
    "/apns/fcm_options",
    "/fcm_options",
    "/webpush",
    "/webpush/fcm_options",
];

/// A caller's patch with every field of Google's in snake case. The error is the place of a field that is there in both spellings.
pub(super) fn in_snake_case(patch: &Map<String, Value>) -> Result<Map<String, Value>, String> {
    of(patch, "")
}

fn of(members: &Map<String, Value>, at: &str) -> Result<Map<String, Value>, String> {
    let mut spelt = Map::new();
    for (name, value) in members {
        let name = snake(name);
        let at = format!("{at}/{name}");
        let value = match value {
            Value::Object(inner) if OWN.contains(&at.as_str()) => Value::Object(of(inner, &at)?),
            other => other.clone(),
        };
        if spelt.insert(name, value).is_some() {
            return Err(at.replace('/', "."));
        }
    }
    Ok(spelt)
}

fn snake(name: &str) -> String {
    let mut spelt = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            spelt.push('_');
        }
        spelt.push(letter.to_ascii_lowercase());
    }
    spelt
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spelt(patch: &Value) -> Result<Value, String> {
        in_snake_case(patch.as_object().unwrap()).map(Value::Object)
    }

    #[test]
    fn googles_fields_are_spelt_in_one_way() {
        let patch = json!({
            "fcmOptions": {"analyticsLabel": "a"},
            "android": {
                "collapseKey": "c", "directBootOk": true, "data": {"camelCase": "mine"},
                "notification": {"channelId": "c", "bodyLocArgs": ["A"], "lightSettings": {"lightOnDuration": "1s"}},
            },
            "apns": {"liveActivityToken": "t", "payload": {"aps": {"camelCase": 1}}, "headers": {"X": "y"}},
            "webpush": {"fcmOptions": {"link": null}, "notification": {"requireInteraction": true}},
        });
        let expected = json!({
            "fcm_options": {"analytics_label": "a"},
            "android": {
                "collapse_key": "c", "direct_boot_ok": true, "data": {"camelCase": "mine"},
                "notification": {"channel_id": "c", "body_loc_args": ["A"], "light_settings": {"light_on_duration": "1s"}},
            },
            "apns": {"live_activity_token": "t", "payload": {"aps": {"camelCase": 1}}, "headers": {"X": "y"}},
            "webpush": {"fcm_options": {"link": null}, "notification": {"requireInteraction": true}},
        });
        assert_eq!(spelt(&patch), Ok(expected.clone()));
        assert_eq!(spelt(&expected), Ok(expected));
    }

    #[test]
    fn a_field_in_both_spellings_is_named() {
        let patch = json!({"android": {"notification": {"channelId": "a", "channel_id": "b"}}});
        assert_eq!(spelt(&patch), Err(".android.notification.channel_id".to_owned()));
    }
}
