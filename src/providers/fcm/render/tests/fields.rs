//! Every field of Google's reference ("REST resource: projects.messages") can be said by a caller, in either spelling.

use serde_json::json;

use super::*;

/// Each field alone, with its place.
fn fields() -> Vec<(&'static str, Value)> {
    vec![
        ("/data/k", json!("v")),
        ("/notification/title", json!("t")),
        ("/notification/body", json!("b")),
        ("/notification/image", json!("https://example.com/i.png")),
        ("/android/collapse_key", json!("c")),
        ("/android/priority", json!("NORMAL")),
        ("/android/ttl", json!("3.5s")),
        ("/android/restricted_package_name", json!("com.example")),
        ("/android/data/k", json!("v")),
        ("/android/notification/title", json!("t")),
        ("/android/notification/body", json!("b")),
        ("/android/notification/icon", json!("i")),
        ("/android/notification/color", json!("#ff0000")),
        ("/android/notification/sound", json!("s")),
        ("/android/notification/tag", json!("t")),
        ("/android/notification/click_action", json!("a")),
        ("/android/notification/body_loc_key", json!("k")),
        ("/android/notification/body_loc_args", json!(["1"])),
        ("/android/notification/title_loc_key", json!("k")),
        ("/android/notification/title_loc_args", json!(["1"])),
        ("/android/notification/channel_id", json!("c")),
        ("/android/notification/ticker", json!("t")),
        ("/android/notification/sticky", json!(true)),
        ("/android/notification/event_time", json!("2026-12-01T09:00:00Z")),
        ("/android/notification/local_only", json!(true)),
        ("/android/notification/notification_priority", json!("PRIORITY_MIN")),
        ("/android/notification/default_sound", json!(true)),
        ("/android/notification/default_vibrate_timings", json!(true)),
        ("/android/notification/default_light_settings", json!(true)),
        ("/android/notification/vibrate_timings", json!(["0.5s"])),
        ("/android/notification/visibility", json!("SECRET")),
        ("/android/notification/notification_count", json!(7)),
        ("/android/notification/light_settings", json!({"color": {"red": 1}, "light_on_duration": "1s", "light_off_duration": "1s"})),
        ("/android/notification/image", json!("https://example.com/i.png")),
        ("/android/notification/proxy", json!("DENY")),
        ("/android/fcm_options/analytics_label", json!("a")),
        ("/android/direct_boot_ok", json!(true)),
        ("/android/bandwidth_constrained_ok", json!(true)),
        ("/android/restricted_satellite_ok", json!(true)),
        ("/apns/headers/apns-priority", json!("5")),
        ("/apns/payload/aps/badge", json!(9)),
        ("/apns/payload/k", json!({"any": ["thing"]})),
        ("/apns/fcm_options/analytics_label", json!("a")),
        ("/apns/fcm_options/image", json!("https://example.com/i.png")),
        ("/apns/live_activity_token", json!("t")),
        ("/webpush/headers/TTL", json!("1")),
        ("/webpush/headers/Urgency", json!("low")),
        ("/webpush/data/k", json!("v")),
        ("/webpush/notification/requireInteraction", json!(true)),
        ("/webpush/fcm_options/link", json!("https://example.com")),
        ("/webpush/fcm_options/analytics_label", json!("a")),
        ("/fcm_options/analytics_label", json!("a")),
    ]
}

/// A patch that says one thing.
fn patch(place: &str, value: &Value) -> Value {
    place.rsplit('/').filter(|name| !name.is_empty()).fold(value.clone(), |inner, name| json!({ name: inner }))
}

/// As protocol buffers' JSON has it.
fn camel(place: &str) -> String {
    let mut words = place.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |spelt, word| spelt + &word[..1].to_ascii_uppercase() + &word[1..])
}

#[test]
fn every_field_passes_through_for_every_platform() {
    let content = full();
    for (place, value) in fields() {
        for spelling in [place.to_owned(), camel(place)] {
            let overrides = patch(&spelling, &value);
            for platform in [Platform::Android, Platform::Ios, Platform::Web] {
                let whole = whole(&Message { overrides: Some(&overrides), ..message(&content, platform) }, Display::System);
                assert_eq!(whole["message"].pointer(place), Some(&value), "{spelling} for {platform:?}");
            }
        }
    }
}

#[test]
fn one_field_in_two_spellings_is_named() {
    let content = full();
    let overrides = json!({"android": {"notification": {"channelId": "a", "channel_id": "b"}}});
    let refused = render(&Message { overrides: Some(&overrides), ..message(&content, Platform::Android) }, Display::System).unwrap_err();
    let RenderError::Invalid { field, .. } = refused else { panic!("{refused}") };
    assert_eq!(field, "fcm.android.notification.channel_id");
}
