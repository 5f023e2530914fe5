//! Whole payloads and headers, word for word.

mod addressed;

use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::domain::content::{Action, Interruption};
use crate::domain::device::Platform;
use crate::domain::notification::Priority;
use crate::providers::testing::{ID, message};

fn demo(service_extension: bool) -> App<'static> {
    App { bundle_id: "com.example.demo", service_extension, certificate: None }
}

fn full() -> Content {
    Content {
        title: Some("Ann".to_owned()),
        subtitle: Some("to you".to_owned()),
        body: Some("Lunch? \"now\" \u{1f35c}".to_owned()),
        image_url: Some("https://example.com/a.png".to_owned()),
        sound: Some("default".to_owned()),
        badge: Some(3),
        thread_id: Some("chat-9".to_owned()),
        link: Some("myapp://chat/9".to_owned()),
        interruption: Some(Interruption::TimeSensitive),
        relevance: Some(0.8),
        android_channel: Some("messages".to_owned()),
        action_set: Some("chat".to_owned()),
        actions: Some(vec![Action { id: "reply".to_owned(), title: "Reply".to_owned() }]),
        data: Some(BTreeMap::from([("chat".to_owned(), "9".to_owned())])),
    }
}

fn title() -> Content {
    Content { title: Some("Ann".to_owned()), ..Content::default() }
}

fn rendered(message: &Message<'_>) -> Rendered {
    render(message, demo(false)).unwrap()
}

fn payload(rendered: &Rendered) -> Value {
    let Body::Whole(bytes) = &rendered.body else { panic!("spliced") };
    assert_eq!(bytes.len(), rendered.size);
    serde_json::from_slice(bytes).unwrap()
}

fn headers(rendered: &Rendered) -> BTreeMap<&str, &str> {
    rendered.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect()
}

#[test]
fn every_field_has_its_place() {
    let content = full();
    let rendered = rendered(&message(&content, Platform::Ios));
    assert_eq!(
        payload(&rendered),
        json!({
            "aps": {
                "alert": {"title": "Ann", "subtitle": "to you", "body": "Lunch? \"now\" \u{1f35c}"},
                "badge": 3, "sound": "default", "thread-id": "chat-9", "category": "chat",
                "interruption-level": "time-sensitive", "relevance-score": 0.8, "mutable-content": 1,
            },
            "chat": "9", "herald_id": ID, "herald_link": "myapp://chat/9", "herald_image": "https://example.com/a.png",
        })
    );
    let expected = BTreeMap::from([
        ("apns-push-type", "alert"),
        ("apns-priority", "10"),
        ("apns-topic", "com.example.demo"),
        ("apns-collapse-id", "chat-9"),
    ]);
    assert_eq!(headers(&rendered), expected);
    assert!(rendered.headers["apns-collapse-id"].is_sensitive(), "not indexed");
}

#[test]
fn little_content_makes_a_little_payload() {
    let content = title();
    assert_eq!(payload(&rendered(&message(&content, Platform::Ios))), json!({"aps": {"alert": {"title": "Ann"}}, "herald_id": ID}));
    let badge = Content { badge: Some(0), ..Content::default() };
    assert_eq!(payload(&rendered(&message(&badge, Platform::Ios))), json!({"aps": {"badge": 0}, "herald_id": ID}));
}

#[test]
fn a_silent_push_is_background_at_five_whatever_the_priority() {
    for priority in [Priority::Normal, Priority::High, Priority::Critical] {
        let content = Content { data: Some(BTreeMap::from([("k".to_owned(), "v".to_owned())])), ..Content::default() };
        let rendered = rendered(&Message { silent: true, priority, ..message(&content, Platform::Ios) });
        assert_eq!(payload(&rendered), json!({"aps": {"content-available": 1}, "k": "v", "herald_id": ID}));
        assert_eq!((headers(&rendered)["apns-push-type"], headers(&rendered)["apns-priority"]), ("background", "5"));
    }
}

#[test]
fn priorities_are_five_and_ten() {
    let content = title();
    for (priority, expected) in [(Priority::Normal, "5"), (Priority::High, "10"), (Priority::Critical, "10")] {
        let rendered = rendered(&Message { priority, ..message(&content, Platform::Ios) });
        assert_eq!(headers(&rendered)["apns-priority"], expected);
    }
}

#[test]
fn alerts_are_mutable_for_an_image_or_a_service_extension() {
    let (plain, image) = (title(), Content { image_url: Some("https://example.com/a.png".to_owned()), ..title() });
    let mutable = |content, extension| {
        let rendered = render(&message(content, Platform::Ios), demo(extension)).unwrap();
        payload(&rendered)["aps"].get("mutable-content").is_some()
    };
    assert_eq!([mutable(&plain, false), mutable(&plain, true), mutable(&image, false)], [false, true, true]);
    let silent = Message { silent: true, ..message(&plain, Platform::Ios) };
    let rendered = render(&silent, demo(true)).unwrap();
    assert_eq!(payload(&rendered)["aps"], json!({"content-available": 1}));
}

#[test]
fn a_critical_sound_is_a_dictionary() {
    for (interruption, level, sound) in [
        (Interruption::Passive, "passive", json!("bell.caf")),
        (Interruption::Active, "active", json!("bell.caf")),
        (Interruption::TimeSensitive, "time-sensitive", json!("bell.caf")),
        (Interruption::Critical, "critical", json!({"critical": 1, "name": "bell.caf", "volume": 1.0})),
    ] {
        let content = Content { interruption: Some(interruption), sound: Some("bell.caf".to_owned()), ..title() };
        let aps = &payload(&rendered(&message(&content, Platform::Ios)))["aps"];
        assert_eq!((&aps["interruption-level"], &aps["sound"]), (&json!(level), &sound));
    }
}

#[test]
fn overrides_are_merged_last() {
    let content = full();
    let overrides = json!({
        "headers": {"apns-priority": "1", "apns-collapse-id": null, "APNS-Expiration": 1_700_000_000},
        "payload": {"aps": {"interruption-level": "passive", "sound": null, "target-content-id": "w"}, "chat": null, "extra": [1]},
    });
    let rendered = rendered(&Message { overrides: Some(&overrides), ..message(&content, Platform::Ios) });
    let payload = payload(&rendered);
    assert_eq!(payload["aps"]["interruption-level"], "passive");
    assert_eq!(payload["aps"]["target-content-id"], "w");
    assert_eq!((payload["aps"].get("sound"), payload.get("chat"), &payload["extra"]), (None, None, &json!([1])));
    let expected = BTreeMap::from([
        ("apns-push-type", "alert"),
        ("apns-priority", "1"),
        ("apns-topic", "com.example.demo"),
        ("apns-expiration", "1700000000"),
    ]);
    assert_eq!(headers(&rendered), expected);
}

#[test]
fn every_push_type_has_its_topic() {
    let content = title();
    for (push_type, topic) in [
        ("alert", "com.example.demo"),
        ("complication", "com.example.demo.complication"),
        ("controls", "com.example.demo.push-type.controls"),
        ("fileprovider", "com.example.demo.pushkit.fileprovider"),
        ("liveactivity", "com.example.demo.push-type.liveactivity"),
        ("location", "com.example.demo.location-query"),
        ("mdm", "com.example.demo"),
        ("pushtotalk", "com.example.demo.voip-ptt"),
        ("voip", "com.example.demo.voip"),
        ("widgets", "com.example.demo.push-type.widgets"),
    ] {
        let overrides = json!({"headers": {"apns-push-type": push_type}});
        let rendered = rendered(&Message { overrides: Some(&overrides), ..message(&content, Platform::Ios) });
        assert_eq!((headers(&rendered)["apns-push-type"], headers(&rendered)["apns-topic"]), (push_type, topic));
    }
}

#[test]
fn what_is_not_the_caller_s_is_forbidden() {
    let content = title();
    for (overrides, field) in [
        (json!({"headers": {"authorization": "bearer x"}}), "apns.headers.authorization"),
        (json!({"headers": {"Apns-Topic": "x"}}), "apns.headers.apns-topic"),
        (json!({"headers": {"apns-id": "x"}}), "apns.headers.apns-id"),
        (json!({"headers": {"apns-id": null}}), "apns.headers.apns-id"),
        (json!({"headers": {":path": "/"}}), "apns.headers.:path"),
        (json!({"headers": {"host": "x"}}), "apns.headers.host"),
        (json!({"headers": {"connection": "close"}}), "apns.headers.connection"),
        (json!({"headers": {"content-length": "1"}}), "apns.headers.content-length"),
        (json!({"payload": {"herald_id": "x"}}), "apns.payload.herald_id"),
        (json!({"payload": {"herald_id": null}}), "apns.payload.herald_id"),
    ] {
        let result = render(&Message { overrides: Some(&overrides), ..message(&content, Platform::Ios) }, demo(false));
        assert_eq!(result.unwrap_err(), RenderError::Forbidden { field: field.to_owned() }, "{overrides}");
    }
}

#[test]
fn what_apple_refuses_is_named() {
    let content = title();
    for (overrides, field) in [
        (json!({"headers": {"x y": "1"}}), "apns.headers.x y"),
        (json!({"headers": {"x": "a\nb"}}), "apns.headers.x"),
        (json!({"headers": {"x": {}}}), "apns.headers.x"),
        (json!({"headers": []}), "apns.headers"),
        (json!({"headers": {"apns-push-type": "Alert"}}), "apns.headers.apns-push-type"),
        (json!({"headers": {"apns-push-type": "background"}}), "apns.headers.apns-push-type"),
        (json!({"headers": {"apns-priority": "7"}}), "apns.headers.apns-priority"),
        (json!({"headers": {"apns-expiration": "soon"}}), "apns.headers.apns-expiration"),
        (json!({"headers": {"apns-collapse-id": "x".repeat(65)}}), "apns.headers.apns-collapse-id"),
        (json!({"payload": {"aps": null}}), "apns.headers.apns-push-type"),
        (json!({"payload": "x"}), "apns.payload"),
        (json!({"aps": {}}), "apns.aps"),
        (json!("x"), "apns"),
    ] {
        let result = render(&Message { overrides: Some(&overrides), ..message(&content, Platform::Ios) }, demo(false));
        let Err(RenderError::Invalid { field: named, .. }) = result else { panic!("{overrides} gave {result:?}") };
        assert_eq!(named, field, "{overrides}");
    }
}

#[test]
fn a_background_push_takes_no_alert_and_no_other_priority() {
    let content = title();
    for (overrides, field) in [
        (json!({"headers": {"apns-priority": "10"}}), Some("apns.headers.apns-priority")),
        (json!({"payload": {"aps": {"alert": "x"}}}), Some("apns.headers.apns-push-type")),
        (json!({"payload": {"aps": {"content-available": null}}}), Some("apns.headers.apns-push-type")),
        (json!({"headers": {"apns-push-type": "alert"}}), Some("apns.headers.apns-push-type")),
        (json!({"headers": {"apns-push-type": "alert"}, "payload": {"aps": {"alert": "x"}}}), None),
        (json!({"payload": {"aps": {"x": 1}}}), None),
    ] {
        let silent = Message { silent: true, overrides: Some(&overrides), ..message(&content, Platform::Ios) };
        let named = match render(&silent, demo(false)) {
            Err(RenderError::Invalid { field, .. }) => Some(field),
            Err(other) => panic!("{other}"),
            Ok(_) => None,
        };
        assert_eq!(named.as_deref(), field, "{overrides}");
    }
}

#[test]
fn the_limit_is_4096_bytes_and_5120_for_voip() {
    let sized = |bytes: usize, push_type: &str| {
        let empty = Content { title: Some(String::new()), ..Content::default() };
        let frame = rendered(&message(&empty, Platform::Ios)).size;
        let content = Content { title: Some("x".repeat(bytes - frame)), ..Content::default() };
        let overrides = json!({"headers": {"apns-push-type": push_type}});
        render(&Message { overrides: Some(&overrides), ..message(&content, Platform::Ios) }, demo(false)).map(|r| r.size)
    };
    assert_eq!(sized(4096, "alert"), Ok(4096));
    assert_eq!(sized(4097, "alert"), Err(RenderError::TooLarge { size: 4097, limit: 4096 }));
    assert_eq!(sized(5120, "voip"), Ok(5120));
    assert_eq!(sized(5121, "voip"), Err(RenderError::TooLarge { size: 5121, limit: 5120 }));
}
