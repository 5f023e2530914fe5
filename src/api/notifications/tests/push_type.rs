//! Calls, location queries and Live Activities, by table.

use serde_json::{Value, json};

use super::{check, errors, refused, taken, with};
use crate::domain::push_type::{ActivityEvent, LiveActivity, PushType};
use crate::domain::token_kind::TokenKind;

fn activity(activity: &Value) -> PushType {
    let draft = taken(&json!({ "live_activity": activity }));
    draft.push_type
}

#[test]
fn each_push_type_is_taken() {
    let plain = json!({"to": {"user_id": "u1"}, "content": {"data": {"caller": "Ann"}}});
    for (word, expected) in [("voip", PushType::Voip), ("location", PushType::Location)] {
        let mut body = plain.clone();
        body["push_type"] = json!(word);
        assert_eq!(check(&body).unwrap().push_type, expected);
        body["content"] = Value::Null;
        assert_eq!(check(&body).unwrap().push_type, expected, "without content too");
    }
    assert_eq!(taken(&json!({})).push_type, PushType::Usual);
    assert_eq!(taken(&json!({"push_type": null, "live_activity": null})).push_type, PushType::Usual);
    for wrong in [json!("alert"), json!("background"), json!("VOIP"), json!(1)] {
        refused(&json!({"push_type": wrong}), "push_type", "invalid");
    }
}

#[test]
fn a_call_has_no_words() {
    for word in ["voip", "location"] {
        for content in
            [json!({"title": "t"}), json!({"sound": "default"}), json!({"badge": 1}), json!({"image_url": "https://a.example/x"})]
        {
            refused(&json!({"push_type": word, "content": content}), "content", "invalid");
        }
        let ios = json!({"push_type": word, "content": {}, "platforms": {"ios": {"body": "b"}}});
        refused(&ios, "platforms.ios", "invalid");
    }
}

#[test]
fn a_live_activity_is_taken_whole() {
    let PushType::LiveActivity(start) = activity(&json!({
        "event": "start", "attributes_type": "Ride", "attributes": {"driver": "Ann"}, "content_state": {"minutes": 3},
        "stale_at": "2026-11-02T10:00:00Z",
    })) else {
        panic!()
    };
    assert_eq!(start.stale_at.unwrap().timestamp(), 1_793_613_600);
    assert_eq!(Value::Object(start.content_state.unwrap()), json!({"minutes": 3}));
    let ActivityEvent::Start { attributes_type, attributes } = start.event else { panic!() };
    assert_eq!((&*attributes_type, Value::Object(attributes)), ("Ride", json!({"driver": "Ann"})));
    let update = activity(&json!({"event": "update", "activity_id": "a1"}));
    assert_eq!(update.token_kind(), Some(TokenKind::LiveActivity("a1".to_owned())));
    let end = activity(&json!({"event": "end", "activity_id": "a1", "dismiss_at": "2026-11-02T10:00:00Z"}));
    let PushType::LiveActivity(LiveActivity { event: ActivityEvent::End { dismiss_at, .. }, .. }) = end else { panic!() };
    assert_eq!(dismiss_at.unwrap().timestamp(), 1_793_613_600);
}

#[test]
fn each_event_has_its_members() {
    for (live_activity, field, code) in [
        (json!({}), "live_activity.event", "required"),
        (json!({"event": "stop", "activity_id": "a"}), "live_activity.event", "invalid"),
        (json!({"event": "update"}), "live_activity.activity_id", "required"),
        (json!({"event": "end"}), "live_activity.activity_id", "required"),
        (json!({"event": "start", "attributes": {}}), "live_activity.attributes_type", "required"),
        (json!({"event": "start", "attributes_type": "Ride"}), "live_activity.attributes", "required"),
        (json!({"event": "start", "attributes_type": "Ride", "attributes": []}), "live_activity.attributes", "invalid"),
        (
            json!({"event": "start", "attributes_type": "Ride", "attributes": {}, "activity_id": "a"}),
            "live_activity.activity_id",
            "invalid",
        ),
        (json!({"event": "update", "activity_id": "a", "attributes_type": "Ride"}), "live_activity.attributes_type", "invalid"),
        (json!({"event": "end", "activity_id": "a", "attributes": {}}), "live_activity.attributes", "invalid"),
        (json!({"event": "update", "activity_id": "a", "dismiss_at": "2026-11-02T10:00:00Z"}), "live_activity.dismiss_at", "invalid"),
        (json!({"event": "update", "activity_id": "a", "stale_at": "soon"}), "live_activity.stale_at", "invalid"),
        (json!({"event": "update", "activity_id": "a", "content_state": "x"}), "live_activity.content_state", "invalid"),
        (json!({"event": "update", "activity_id": "a b"}), "live_activity.activity_id", "invalid"),
        (json!({"event": "update", "activity_id": ""}), "live_activity.activity_id", "invalid"),
        (json!({"event": "update", "activity_id": "x".repeat(65)}), "live_activity.activity_id", "invalid"),
        (json!({"event": "start", "attributes_type": "R<T>", "attributes": {}}), "live_activity.attributes_type", "invalid"),
        (json!({"event": "update", "activity_id": "a", "state": {}}), "live_activity.state", "unknown_field"),
        (json!("update"), "live_activity", "invalid"),
    ] {
        refused(&json!({ "live_activity": live_activity }), field, code);
    }
    let update = json!({"event": "update", "activity_id": "a"});
    refused(&json!({"live_activity": update, "push_type": "voip"}), "push_type", "invalid");
}

#[test]
fn the_alert_of_a_live_activity_has_a_title_a_body_and_a_sound() {
    let update = json!({"event": "update", "activity_id": "a"});
    let start = json!({"event": "start", "attributes_type": "Ride", "attributes": {}});
    taken(&json!({"live_activity": update, "content": {"title": "t", "body": "b", "sound": "default"}}));
    for content in [Value::Null, json!({}), json!({"data": {"k": "v"}}), json!({"relevance": 0.5})] {
        taken(&json!({"live_activity": update, "content": content}));
        assert_eq!(
            errors(&with(&json!({"live_activity": start, "content": content}))),
            [("content".to_owned(), "required")],
            "an alert belongs to a start"
        );
    }
    refused(&json!({"live_activity": start, "content": {"sound": "default"}}), "content", "required");
    for (name, value) in [("subtitle", json!("s")), ("badge", json!(1)), ("image_url", json!("https://a.example/x"))] {
        let content = json!({"title": "t", name: value});
        refused(&json!({"live_activity": update, "content": content}), &format!("content.{name}"), "invalid");
    }
    refused(&json!({"live_activity": update, "silent": true}), "content", "invalid");
    taken(&json!({"live_activity": update, "silent": true, "content": null}));
}
