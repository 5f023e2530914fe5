//! Pushes to an installation's other addresses: calls, location queries, Live Activities.

use chrono::{TimeZone, Utc};
use serde_json::{Value, json};

use super::{demo, headers, payload, rendered};
use crate::domain::Timestamp;
use crate::domain::content::Content;
use crate::domain::device::Platform;
use crate::domain::notification::Priority;
use crate::domain::push_type::{ActivityEvent, LiveActivity, PushType};
use crate::providers::apns::render::render;
use crate::providers::testing::{ID, message};
use crate::providers::{Message, RenderError};

/// That of the tests' message.
const STARTS_AT: i64 = 1_700_000_000;

fn at(seconds: i64) -> Timestamp {
    Utc.timestamp_opt(seconds, 0).unwrap()
}

fn object(value: &Value) -> serde_json::Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn activity(event: ActivityEvent, content_state: Option<&Value>) -> PushType {
    PushType::LiveActivity(LiveActivity { event, content_state: content_state.map(object), stale_at: None })
}

fn start() -> ActivityEvent {
    ActivityEvent::Start { attributes_type: "Ride".to_owned(), attributes: object(&json!({"driver": "Ann"})) }
}

fn update() -> ActivityEvent {
    ActivityEvent::Update { activity_id: Some("a1".to_owned()) }
}

fn end(dismiss_at: Option<i64>) -> ActivityEvent {
    ActivityEvent::End { activity_id: Some("a1".to_owned()), dismiss_at: dismiss_at.map(at) }
}

fn words() -> Content {
    Content {
        title: Some("On its way".to_owned()),
        body: Some("3 min".to_owned()),
        sound: Some("ping.caf".to_owned()),
        ..Content::default()
    }
}

#[test]
fn a_live_activity_is_told_what_becomes_of_it() {
    let (nothing, words) = (Content::default(), words());
    let alert = json!({"title": "On its way", "body": "3 min", "sound": "ping.caf"});
    let state = json!({"minutes": 3});
    let state = || Some(&state);
    for (push_type, content, expected) in [
        (
            activity(start(), state()),
            &words,
            json!({
                "timestamp": STARTS_AT, "event": "start", "content-state": {"minutes": 3}, "attributes-type": "Ride",
                "attributes": {"driver": "Ann"}, "alert": alert, "input-push-token": 1,
            }),
        ),
        (activity(update(), state()), &nothing, json!({"timestamp": STARTS_AT, "event": "update", "content-state": {"minutes": 3}})),
        (activity(update(), None), &nothing, json!({"timestamp": STARTS_AT, "event": "update", "content-state": {}})),
        (
            activity(update(), state()),
            &words,
            json!({"timestamp": STARTS_AT, "event": "update", "content-state": {"minutes": 3}, "alert": alert}),
        ),
        (activity(end(None), None), &nothing, json!({"timestamp": STARTS_AT, "event": "end"})),
        (
            activity(end(Some(1_700_000_060)), state()),
            &nothing,
            json!({"timestamp": STARTS_AT, "event": "end", "content-state": {"minutes": 3}, "dismissal-date": 1_700_000_060}),
        ),
    ] {
        let rendered = rendered(&Message { push_type: &push_type, silent: false, ..message(content, Platform::Ios) });
        assert_eq!(payload(&rendered), json!({"aps": expected, "herald_id": ID}), "{push_type:?}");
        let headers = headers(&rendered);
        assert_eq!((headers["apns-push-type"], headers["apns-topic"]), ("liveactivity", "com.example.demo.push-type.liveactivity"));
    }
}

#[test]
fn what_a_live_activity_shows_may_go_out_of_date() {
    let push_type = PushType::LiveActivity(LiveActivity { event: update(), content_state: None, stale_at: Some(at(1_700_000_300)) });
    let content = Content { relevance: Some(0.5), ..Content::default() };
    let aps = &payload(&rendered(&Message { push_type: &push_type, ..message(&content, Platform::Ios) }))["aps"];
    assert_eq!((&aps["stale-date"], &aps["relevance-score"]), (&json!(1_700_000_300), &json!(0.5)));
}

/// Somebody is calling: that is always at once. The others may wait if the notification may.
#[test]
fn each_has_its_priority_and_topic() {
    let content = Content { data: Some([("caller".to_owned(), "Ann".to_owned())].into()), ..Content::default() };
    for (push_type, name, suffix, priorities) in [
        (PushType::Voip, "voip", ".voip", ["10", "10", "10"]),
        (PushType::Location, "location", ".location-query", ["5", "10", "10"]),
        (activity(update(), None), "liveactivity", ".push-type.liveactivity", ["5", "10", "10"]),
    ] {
        for (priority, expected) in [Priority::Normal, Priority::High, Priority::Critical].into_iter().zip(priorities) {
            let rendered = rendered(&Message { push_type: &push_type, priority, ..message(&content, Platform::Ios) });
            let headers = headers(&rendered);
            assert_eq!((headers["apns-push-type"], headers["apns-priority"]), (name, expected), "{priority:?}");
            assert_eq!(headers["apns-topic"], format!("com.example.demo{suffix}"));
            assert_eq!(payload(&rendered)["caller"], "Ann");
        }
    }
    for push_type in [PushType::Voip, PushType::Location] {
        let rendered = rendered(&Message { push_type: &push_type, ..message(&content, Platform::Ios) });
        assert_eq!(payload(&rendered), json!({"aps": {}, "caller": "Ann", "herald_id": ID}));
    }
}

#[test]
fn a_call_takes_5120_bytes_and_a_live_activity_4096() {
    let sized = |push_type: &PushType, bytes: usize| {
        let with = |data: usize| Content { data: Some([("x".to_owned(), "y".repeat(data))].into()), ..Content::default() };
        let (empty, content) = (with(0), |frame: usize| with(bytes - frame));
        let frame = rendered(&Message { push_type, ..message(&empty, Platform::Ios) }).size;
        let content = content(frame);
        render(&Message { push_type, ..message(&content, Platform::Ios) }, demo(false)).map(|rendered| rendered.size)
    };
    assert_eq!(sized(&PushType::Voip, 5120), Ok(5120));
    assert_eq!(sized(&PushType::Voip, 5121), Err(RenderError::TooLarge { size: 5121, limit: 5120 }));
    let update = activity(update(), None);
    assert_eq!(sized(&update, 4096), Ok(4096));
    assert_eq!(sized(&update, 4097), Err(RenderError::TooLarge { size: 4097, limit: 4096 }));
}

/// The address is of one kind, and takes pushes of that kind only.
#[test]
fn the_push_type_belongs_to_the_address() {
    let content = Content::default();
    for (push_type, header, is_good) in [
        (PushType::Voip, "voip", true),
        (PushType::Voip, "pushtotalk", false),
        (PushType::Location, "background", false),
        (activity(update(), None), "alert", false),
        (activity(update(), None), "liveactivity", true),
    ] {
        let overrides = json!({"headers": {"apns-push-type": header}});
        let asked = Message { push_type: &push_type, overrides: Some(&overrides), ..message(&content, Platform::Ios) };
        match render(&asked, demo(false)) {
            Ok(_) => assert!(is_good, "{header}"),
            Err(RenderError::Invalid { field, .. }) => assert!(!is_good && field == "apns.headers.apns-push-type", "{header}: {field}"),
            Err(other) => panic!("{other}"),
        }
    }
    // what it says can be changed
    let overrides = json!({"payload": {"aps": {"input-push-token": null}}});
    let (push_type, words) = (activity(start(), None), words());
    let patched = rendered(&Message { push_type: &push_type, overrides: Some(&overrides), ..message(&words, Platform::Ios) });
    assert_eq!(payload(&patched)["aps"].get("input-push-token"), None);
}
