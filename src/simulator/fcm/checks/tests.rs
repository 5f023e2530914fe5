use serde_json::{Value, json};

use super::*;

fn check_json(body: &Value) -> Result<(String, bool, String), Violation> {
    let body = body.to_string();
    let push = check(body.as_bytes())?;
    Ok((push.target.into_owned(), push.is_device, push.herald_id.into_owned()))
}

fn refused_field(body: &Value) -> String {
    match check_json(body) {
        Ok(_) => String::new(),
        Err(violation) => violation.field,
    }
}

#[test]
fn a_full_message_passes_in_either_spelling() {
    let snake = json!({"validate_only": false, "message": {
        "token": "t", "data": {"herald_id": "7", "a": "b"},
        "notification": {"title": "x", "body": "y", "image": "https://x"},
        "fcm_options": {"analytics_label": "a-b"},
        "android": {
            "collapse_key": "c", "priority": "HIGH", "ttl": "3.5s",
            "restricted_package_name": "com.x", "data": {"k": "v"}, "direct_boot_ok": true,
            "notification": {
                "title": "x", "icon": "i", "color": "#a1B2c3", "tag": "t", "channel_id": "c",
                "body_loc_key": "k", "body_loc_args": ["1"], "sticky": true,
                "notification_priority": "PRIORITY_MAX", "visibility": "PUBLIC",
                "notification_count": 3, "vibrate_timings": ["1s"], "proxy": "DENY",
                "light_settings": {"color": {}}, "event_time": "2026-01-01T00:00:00Z",
            },
        },
        "apns": {"headers": {"apns-priority": "5"}, "payload": {"aps": {}},
                 "fcm_options": {"image": "https://x"}, "live_activity_token": "t"},
        "webpush": {"headers": {"TTL": "1"}, "data": {"a": "b"}, "notification": {"title": "x"},
                    "fcm_options": {"link": "https://x"}},
    }});
    assert_eq!(check_json(&snake), Ok(("t".to_owned(), true, "7".to_owned())));
    let camel = json!({"validateOnly": true, "message": {
        "token": "t", "fcmOptions": {"analyticsLabel": "a"},
        "android": {"collapseKey": "c", "notification": {"channelId": "c", "titleLocKey": "k",
            "titleLocArgs": ["1"], "notificationPriority": "PRIORITY_LOW"}},
        "apns": {"liveActivityToken": "t"},
    }});
    let text = camel.to_string();
    assert!(check(text.as_bytes()).unwrap().validate_only);
}

#[test]
fn a_message_has_one_target() {
    for (message, expected) in [
        (json!({"token": "t"}), Ok(("t", true))),
        (json!({"fid": "f"}), Ok(("f", true))),
        (json!({"topic": "news"}), Ok(("topic:news", false))),
        (json!({"condition": "'a' in topics && 'b' in topics"}), Ok(("condition:'a' in topics && 'b' in topics", false))),
        (json!({}), Err("message")),
        (json!({"token": null}), Err("message")),
        (json!({"token": "t", "topic": "news"}), Err("message")),
        (json!({"token": "t", "fid": "f"}), Err("message")),
        (json!({"token": ""}), Err("message.token")),
        (json!({"fid": ""}), Err("message.fid")),
        (json!({"topic": "/topics/news"}), Err("message.topic")),
        (json!({"condition": "x"}), Err("message.condition")),
    ] {
        let checked = check_json(&json!({ "message": message }));
        let checked = checked.map(|(target, is_device, _)| (target, is_device));
        let expected = expected.map(|(target, is_device)| (target.to_owned(), is_device)).map_err(str::to_owned);
        assert_eq!(checked.map_err(|v| v.field), expected, "{message}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    for (message, field) in [
        (json!({"tokn": "t"}), "message.tokn"),
        (json!({"token": 1}), "message.token"),
        (json!({"token": "t", "data": {"a": 1}}), "message.data.a"),
        (json!({"token": "t", "data": {"a": {"b": "c"}}}), "message.data.a"),
        (json!({"token": "t", "data": {"from": "x"}}), "message.data"),
        (json!({"token": "t", "data": []}), "message.data"),
        (json!({"token": "t", "notification": {"x": 1}}), "message.notification.x"),
        (json!({"token": "t", "android": {"ttl": "1"}}), "message.android.ttl"),
        (json!({"token": "t", "android": {"ttl": 1}}), "message.android.ttl"),
        (json!({"token": "t", "android": {"ttl": "2419201s"}}), "message.android.ttl"),
        (json!({"token": "t", "android": {"priority": "MAX"}}), "message.android.priority"),
        (json!({"token": "t", "android": {"data": {"gcm.x": "y"}}}), "message.android.data"),
        (
            json!({"token": "t", "android": {"notification": {"notification_priority": "HIGH"}}}),
            "message.android.notification.notification_priority",
        ),
        (json!({"token": "t", "android": {"notification": {"color": "red"}}}), "message.android.notification.color"),
        (json!({"token": "t", "android": {"notification": {"visibility": "ALL"}}}), "message.android.notification.visibility"),
        (json!({"token": "t", "android": {"notification": {"body_loc_args": ["1"]}}}), "message.android.notification.body_loc_args"),
        (json!({"token": "t", "android": {"notification": {"title_loc_args": ["1"]}}}), "message.android.notification.title_loc_args"),
        (json!({"token": "t", "apns": {"headers": {"apns-priority": 5}}}), "message.apns.headers.apns-priority"),
        (json!({"token": "t", "apns": {"payload": "x"}}), "message.apns.payload"),
        (json!({"token": "t", "webpush": {"fcm_options": {"link": "http://x"}}}), "message.webpush.fcm_options.link"),
        (json!({"token": "t", "fcm_options": {"analytics_label": "a b"}}), "message.fcm_options.analytics_label"),
    ] {
        assert_eq!(refused_field(&json!({ "message": message })), field, "{message}");
    }
    assert_eq!(refused_field(&json!({"mesage": {}})), "mesage");
    assert!(check(b"{").is_err());
    assert!(check(b"").is_err());
}

#[test]
fn messages_have_a_size() {
    for (target, size, is_good) in [("token", 4096, true), ("token", 4097, false), ("topic", 2048, true), ("topic", 2049, false)] {
        let data = "x".repeat(size - 4);
        let mut body = json!({"message": {"data": {"a": data}, "notification": {"title": "abc"}}});
        body["message"][target] = json!("t");
        assert_eq!(refused_field(&body).is_empty(), is_good, "{target} {size}");
    }
}
