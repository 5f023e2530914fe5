//! Google's form against `fcm_v1`'s `Message`.

use std::collections::HashMap;

use fcm_v1::android::{
    AndroidConfig, AndroidFcmOptions, AndroidMessagePriority, AndroidNotification, Color, LightSettings, NotificationPriority, Visibility,
};
use fcm_v1::apns::{ApnsConfig, ApnsFcmOptions};
use fcm_v1::message::{FcmOptions, Message, Notification};
use fcm_v1::webpush::{WebpushConfig, WebpushFcmOptions};
use herald::domain::device::Platform;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::ours;
use crate::words::{Words, words};

/// `fcm_v1` keeps `notification_count` in eight bits.
const BADGE: u32 = 127;
const PLATFORMS: [Platform; 3] = [Platform::Android, Platform::Ios, Platform::Web];

/// A message read and written again by `fcm_v1`. It asks for `webpush.fcm_options`, which Google does not: an empty one is lent to it.
fn through(message: &Value) -> Value {
    let mut lent = message.clone();
    let webpush = lent.get_mut("webpush").and_then(Value::as_object_mut);
    let is_lent = webpush.is_some_and(|webpush| {
        let lacks = !webpush.contains_key("fcm_options");
        webpush.entry("fcm_options").or_insert(json!({}));
        lacks
    });
    let read: Message = serde_json::from_value(lent).unwrap();
    let mut written = serde_json::to_value(read).unwrap();
    if is_lent {
        written["webpush"].as_object_mut().unwrap().remove("fcm_options");
    }
    written
}

/// A message in which every field that `fcm_v1` knows says something; a field that a later version brings does not compile.
fn every_field(text: &str, target: Option<&str>) -> Message {
    let said = || Some(text.to_owned());
    let map = || Some(HashMap::from([("key".to_owned(), Value::from(text))]));
    Message {
        name: said(),
        data: map(),
        notification: Some(Notification { title: said(), body: said(), image: said() }),
        android: Some(AndroidConfig {
            collapse_key: said(),
            priority: Some(AndroidMessagePriority::Normal),
            ttl: Some("3.5s".to_owned()),
            restricted_package_name: said(),
            data: map(),
            notification: Some(android_notification(text)),
            fcm_options: Some(AndroidFcmOptions { analytics_label: said() }),
            direct_boot_ok: Some(true),
        }),
        webpush: Some(WebpushConfig {
            headers: Some(HashMap::from([("Urgency".to_owned(), json!("low"))])),
            data: map(),
            notification: Some(HashMap::from([("title".to_owned(), json!(text)), ("vibrate".to_owned(), json!([100, 50]))])),
            fcm_options: WebpushFcmOptions { link: said(), analytics_label: said() },
        }),
        apns: Some(ApnsConfig {
            headers: Some(HashMap::from([("apns-priority".to_owned(), json!("5"))])),
            payload: Some(HashMap::from([("aps".to_owned(), json!({"badge": 3})), ("key".to_owned(), json!({"deep": [text]}))])),
            fcm_options: Some(ApnsFcmOptions { analytics_label: said(), image: said() }),
        }),
        fcm_options: Some(FcmOptions { analytics_label: said() }),
        token: target.map(ToOwned::to_owned),
        topic: None,
        condition: None,
    }
}

fn android_notification(text: &str) -> AndroidNotification {
    let said = || Some(text.to_owned());
    let args = || Some(vec![text.to_owned(), "second".to_owned()]);
    AndroidNotification {
        title: said(),
        body: said(),
        icon: said(),
        color: Some("#ff0000".to_owned()),
        sound: said(),
        tag: said(),
        click_action: said(),
        body_loc_key: said(),
        body_loc_args: args(),
        title_loc_key: said(),
        title_loc_args: args(),
        channel_id: said(),
        ticker: said(),
        sticky: Some(true),
        event_time: Some("2026-12-01T09:00:00Z".to_owned()),
        local_only: Some(false),
        notification_priority: Some(NotificationPriority::PriorityMin),
        default_sound: Some(true),
        default_vibrate_timings: Some(false),
        default_light_settings: Some(true),
        vibrate_timings: Some(vec!["0.5s".to_owned(), "1s".to_owned()]),
        visibility: Some(Visibility::Secret),
        notification_count: Some(5),
        light_settings: Some(LightSettings {
            color: Some(Color { red: 1.0, green: 0.5, blue: 0.25, alpha: 0.0 }),
            light_on_duration: Some("1s".to_owned()),
            light_off_duration: Some("0.5s".to_owned()),
        }),
        image: said(),
    }
}

/// Keeps those members whose turn in `kept` says so. Lights are one thing: `fcm_v1` wants all of a colour or none.
fn prune(members: &mut Map<String, Value>, kept: &mut impl Iterator<Item = bool>) {
    members.retain(|_, _| kept.next().unwrap());
    for (_, member) in members.iter_mut().filter(|(name, _)| *name != "light_settings") {
        if let Value::Object(members) = member {
            prune(members, kept);
        }
    }
}

/// Whether `message` has every leaf of `patch`.
fn assert_has(message: &Value, patch: &Value, at: &str) {
    match patch {
        Value::Object(members) => members.iter().for_each(|(name, member)| assert_has(&message[name], member, &format!("{at}.{name}"))),
        leaf => assert_eq!(message, leaf, "{at}"),
    }
}

proptest! {
    #[test]
    fn a_message_goes_through_fcm_v1_unchanged(words in words(BADGE)) {
        for platform in PLATFORMS.into_iter().filter(|platform| *platform != Platform::Web || !words.silent) {
            let message = ours::to_google(&words, platform, None).unwrap();
            prop_assert_eq!(&through(&message), &message);
        }
    }

    /// Every field that `fcm_v1` knows can be set by an override, alone or with others, and arrives as it was said.
    #[test]
    fn an_override_of_any_field_arrives(words in words(BADGE), text in "(?s).{0,8}", kept in prop::collection::vec(any::<bool>(), 97)) {
        let words = Words { silent: false, ..words };
        // Apple refuses an alert that shows nothing
        let words = Words { content: herald::domain::content::Content { badge: Some(1), ..words.content }, ..words };
        let mut overrides = serde_json::to_value(every_field(&text, None)).unwrap();
        prune(overrides.as_object_mut().unwrap(), &mut kept.into_iter().cycle());
        for platform in PLATFORMS {
            let message = ours::to_google(&words, platform, Some(&overrides)).unwrap();
            assert_has(&message, &overrides, "message");
            prop_assert_eq!(&through(&message), &message);
        }
    }
}

/// The judge sees what it is shown: a field that it knows is not lost on the way, and one that it does not know is.
#[test]
fn the_judge_can_tell() {
    let all = serde_json::to_value(every_field("x", Some("t"))).unwrap();
    assert_eq!(through(&all), all);
    let unknown = json!({"token": "t", "android": {"bandwidth_constrained_ok": true}});
    assert_ne!(through(&unknown), unknown);
}
