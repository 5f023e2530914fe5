//! Whole messages, word for word, and the holes in them.

mod carried;
mod fields;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeZone;
use proptest::prelude::*;
use serde_json::json;

use super::super::splice::fill;
use super::*;
use crate::domain::Timestamp;
use crate::domain::content::{Action, Content, Interruption};
use crate::domain::device::{Environment, Platform, PushToken};
use crate::domain::notification::Priority;
use crate::providers::Push;
use crate::providers::testing::{ID, TestClock, context, message, unbounded};

fn full() -> Content {
    Content {
        title: Some("Ann".to_owned()),
        subtitle: Some("to you".to_owned()),
        body: Some("Lunch?".to_owned()),
        image_url: Some("https://example.com/a.png".to_owned()),
        sound: Some("default".to_owned()),
        badge: Some(3),
        thread_id: Some("chat-9".to_owned()),
        link: Some("https://example.com/chat/9".to_owned()),
        interruption: Some(Interruption::TimeSensitive),
        relevance: Some(0.8),
        android_channel: Some("messages".to_owned()),
        action_set: Some("chat".to_owned()),
        actions: Some(vec![Action { id: "reply".to_owned(), title: "Reply".to_owned() }]),
        data: Some(BTreeMap::from([("chat".to_owned(), "9".to_owned())])),
    }
}

fn render(message: &Message<'_>, display: Display) -> Result<Rendered, RenderError> {
    super::render(message, display, false)
}

fn now() -> Timestamp {
    chrono::Utc.timestamp_opt(1_800_000_000, 0).unwrap()
}

fn sent(rendered: Rendered, token: PushToken, expires_at: Option<Timestamp>) -> Value {
    let push = Push {
        rendered: Arc::new(rendered),
        token,
        environment: Environment::Production,
        id: uuid::Uuid::nil(),
        expires_at,
        now: now(),
        handover: unbounded(&context(&TestClock::new())),
    };
    let Body::Spliced(pieces) = &push.rendered.body else { panic!("whole") };
    serde_json::from_slice(&fill(pieces, &push).unwrap()).unwrap()
}

fn whole(message: &Message<'_>, display: Display) -> Value {
    let in_a_minute = now() + Duration::from_millis(60_900);
    sent(render(message, display).unwrap(), PushToken::Fcm("t".to_owned()), Some(in_a_minute))
}

#[test]
fn android_shows_a_notification() {
    let content = full();
    assert_eq!(
        whole(&message(&content, Platform::Android), Display::System),
        json!({"message": {
            "token": "t",
            "data": {
                "chat": "9", "herald_id": ID, "herald_link": "https://example.com/chat/9",
                "herald_image": "https://example.com/a.png", "herald_actions": "chat",
            },
            "android": {
                "priority": "HIGH", "ttl": "60s",
                "notification": {
                    "title": "Ann", "body": "Lunch?", "image": "https://example.com/a.png", "sound": "default",
                    "channel_id": "messages", "tag": "chat-9", "notification_priority": "PRIORITY_HIGH", "notification_count": 3,
                },
            },
        }})
    );
}

#[test]
fn an_app_that_shows_by_itself_gets_data_only() {
    let content = full();
    assert_eq!(
        whole(&Message { priority: Priority::Normal, ..message(&content, Platform::Android) }, Display::App),
        json!({"message": {
            "token": "t",
            "data": {
                "chat": "9", "herald_id": ID, "herald_link": "https://example.com/chat/9",
                "herald_image": "https://example.com/a.png", "herald_actions": "chat", "herald_title": "Ann", "herald_body": "Lunch?",
            },
            "android": {"priority": "NORMAL", "ttl": "60s"},
        }})
    );
}

#[test]
fn ios_through_fcm_gets_apples_form() {
    let content = full();
    for display in [Display::System, Display::App] {
        assert_eq!(
            whole(&message(&content, Platform::Ios), display),
            json!({"message": {
                "token": "t",
                "data": {
                    "chat": "9", "herald_id": ID, "herald_link": "https://example.com/chat/9", "herald_image": "https://example.com/a.png",
                },
                "apns": {
                    "headers": {
                        "apns-push-type": "alert", "apns-priority": "10", "apns-collapse-id": "chat-9", "apns-expiration": "1800000060",
                    },
                    "payload": {"aps": {
                        "alert": {"title": "Ann", "subtitle": "to you", "body": "Lunch?"},
                        "badge": 3, "sound": "default", "thread-id": "chat-9", "category": "chat",
                        "interruption-level": "time-sensitive", "relevance-score": 0.8, "mutable-content": 1,
                    }},
                },
            }})
        );
    }
}

#[test]
fn browsers_get_a_web_notification() {
    let content = full();
    let web = whole(&message(&content, Platform::Web), Display::System);
    assert_eq!(
        web["message"]["webpush"],
        json!({
            "headers": {"TTL": "60", "Urgency": "high"},
            "notification": {
                "title": "Ann", "body": "Lunch?", "image": "https://example.com/a.png", "tag": "chat-9",
                "actions": [{"action": "reply", "title": "Reply"}],
            },
            "fcm_options": {"link": "https://example.com/chat/9"},
        })
    );
    let own_scheme = Content { link: Some("myapp://chat/9".to_owned()), ..full() };
    let web = whole(&message(&own_scheme, Platform::Web), Display::System);
    assert_eq!(web["message"]["webpush"].get("fcm_options"), None);
    assert_eq!(web["message"]["data"]["herald_link"], "myapp://chat/9");
}

#[test]
fn silent_pushes_carry_data_only() {
    let content = Content { data: Some(BTreeMap::from([("k".to_owned(), "v".to_owned())])), ..Content::default() };
    let silent = |platform| Message { silent: true, ..message(&content, platform) };
    for display in [Display::System, Display::App] {
        assert_eq!(
            whole(&silent(Platform::Android), display),
            json!({"message": {"token": "t", "data": {"k": "v", "herald_id": ID}, "android": {"priority": "HIGH", "ttl": "60s"}}})
        );
    }
    let ios = whole(&silent(Platform::Ios), Display::System);
    assert_eq!(ios["message"]["apns"]["payload"], json!({"aps": {"content-available": 1}}));
    assert_eq!(ios["message"]["apns"]["headers"]["apns-priority"], "5");
    assert_eq!(ios["message"]["apns"]["headers"]["apns-push-type"], "background");
    assert_eq!(render(&silent(Platform::Web), Display::System).unwrap_err(), RenderError::Unsupported);
}

#[test]
fn interruption_picks_androids_priority() {
    for (interruption, expected) in [
        (Interruption::Passive, "PRIORITY_LOW"),
        (Interruption::Active, "PRIORITY_DEFAULT"),
        (Interruption::TimeSensitive, "PRIORITY_HIGH"),
        (Interruption::Critical, "PRIORITY_MAX"),
    ] {
        let content = Content { interruption: Some(interruption), ..full() };
        let android = whole(&message(&content, Platform::Android), Display::System);
        assert_eq!(android["message"]["android"]["notification"]["notification_priority"], expected);
    }
}

#[test]
fn an_installation_id_is_a_fid_and_no_expiry_is_now_or_never() {
    let content = full();
    let fid = PushToken::FcmFid("f\"1".to_owned());
    let android = sent(render(&message(&content, Platform::Android), Display::System).unwrap(), fid.clone(), None);
    assert_eq!((&android["message"]["fid"], android["message"].get("token")), (&json!("f\"1"), None));
    assert_eq!(android["message"]["android"]["ttl"], "0s");
    let ios = sent(render(&message(&content, Platform::Ios), Display::System).unwrap(), fid.clone(), None);
    assert_eq!(ios["message"]["apns"]["headers"]["apns-expiration"], "0");
    let past = Some(now() - Duration::from_secs(5));
    let web = sent(render(&message(&content, Platform::Web), Display::System).unwrap(), fid, past);
    assert_eq!(web["message"]["webpush"]["headers"]["TTL"], "0");
}

#[test]
fn overrides_are_merged_last_and_fill_holes_for_all() {
    let content = full();
    let overrides = json!({
        "android": {"ttl": "3.5s", "notification": {"color": "#ff0000", "sound": null}, "data": {"k": "v"}},
        "data": {"chat": null, "more": "1"},
        "fcm_options": {"analytics_label": "a"},
    });
    let android = whole(&Message { overrides: Some(&overrides), ..message(&content, Platform::Android) }, Display::System);
    let android = &android["message"];
    assert_eq!(android["android"]["ttl"], "3.5s");
    assert_eq!(android["android"]["notification"]["color"], "#ff0000");
    assert_eq!(android["android"]["notification"].get("sound"), None);
    assert_eq!((android["data"].get("chat"), &android["data"]["more"]), (None, &json!("1")));
    assert_eq!(android["fcm_options"]["analytics_label"], "a");
    let gone = json!({"android": null});
    let android = whole(&Message { overrides: Some(&gone), ..message(&content, Platform::Android) }, Display::System);
    assert_eq!(android["message"].get("android"), None);
}

#[test]
fn what_a_patch_may_not_name_is_named() {
    let content = full();
    for (overrides, field) in [
        (json!({"token": "x"}), "fcm.token"),
        (json!({"token": null}), "fcm.token"),
        (json!({"fid": "x"}), "fcm.fid"),
        (json!({"topic": "x"}), "fcm.topic"),
        (json!({"condition": "x"}), "fcm.condition"),
        (json!({"data": {"herald_id": "x"}}), "fcm.data.herald_id"),
        (json!({"android": {"data": {"herald_link": "x"}}}), "fcm.android.data.herald_link"),
        (json!({"apns": {"payload": {"herald_id": "x"}}}), "fcm.apns.payload.herald_id"),
    ] {
        let result = render(&Message { overrides: Some(&overrides), ..message(&content, Platform::Android) }, Display::System);
        assert_eq!(result.unwrap_err(), RenderError::Forbidden { field: field.to_owned() }, "{overrides}");
    }
}

#[test]
fn what_google_refuses_is_named() {
    let content = full();
    for (overrides, field) in [
        (json!({"data": null}), "fcm.data"),
        (json!({"data": "x"}), "fcm.data"),
        (json!({"data": {"n": 3}}), "fcm.data.n"),
        (json!({"android": {"data": {"n": {}}}}), "fcm.android.data.n"),
        (json!([]), "fcm"),
    ] {
        let result = render(&Message { overrides: Some(&overrides), ..message(&content, Platform::Android) }, Display::System);
        let Err(RenderError::Invalid { field: named, .. }) = result else { panic!("{overrides} gave {result:?}") };
        assert_eq!(named, field, "{overrides}");
    }
}

#[test]
fn keys_and_values_together_are_at_most_4096_bytes() {
    let sized = |bytes: usize| {
        let frame = render(&message(&Content::default(), Platform::Android), Display::System).unwrap().size;
        let content = Content { title: Some("x".repeat(bytes - frame - "title".len())), ..Content::default() };
        render(&message(&content, Platform::Android), Display::System).map(|rendered| rendered.size)
    };
    assert_eq!(sized(4096), Ok(4096));
    assert_eq!(sized(4097), Err(RenderError::TooLarge { size: 4097, limit: 4096 }));
}

proptest! {
    #[test]
    fn any_address_and_any_time_make_valid_json(token in any::<String>(), title in any::<String>(), left in -10_i64..3_000_000) {
        let content = Content { title: Some(title.chars().take(300).collect()), ..Content::default() };
        let expires_at = Some(now() + chrono::TimeDelta::seconds(left));
        let ttl = left.clamp(0, 2_419_200);
        for platform in [Platform::Android, Platform::Ios, Platform::Web] {
            let rendered = render(&message(&content, platform), Display::System).unwrap();
            let whole = sent(rendered, PushToken::Fcm(token.clone()), expires_at);
            let message = &whole["message"];
            prop_assert_eq!(&message["token"], &json!(token));
            let (found, expected) = match platform {
                Platform::Android => (&message["android"]["ttl"], format!("{ttl}s")),
                Platform::Ios => (&message["apns"]["headers"]["apns-expiration"], (now().timestamp() + left).to_string()),
                Platform::Web => (&message["webpush"]["headers"]["TTL"], ttl.to_string()),
            };
            prop_assert_eq!(found, &json!(expected));
        }
    }

    #[test]
    fn what_a_caller_writes_never_becomes_a_hole(text in "\u{0}?(hole)?[a-z\"\\\\\u{0}]{0,6}") {
        let data = BTreeMap::from([("ttl".to_owned(), text.clone()), ("TTL".to_owned(), HOLE.to_owned())]);
        let content = Content { title: Some(text.clone()), data: Some(data), ..Content::default() };
        let whole = whole(&message(&content, Platform::Android), Display::System);
        prop_assert_eq!(&whole["message"]["android"]["notification"]["title"], &json!(text));
        prop_assert_eq!(&whole["message"]["data"]["ttl"], &json!(text));
        prop_assert_eq!(&whole["message"]["data"]["TTL"], &json!(HOLE));
    }
}
