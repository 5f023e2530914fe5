//! What the gate would decide, and why.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::clock::{instant, text, wall};
use crate::daemon::{Dev, apns_token};

async fn phone(dev: &Dev, device: &str, timezone: Option<&str>, number: usize) {
    let body = json!({"user_id": "ann", "platform": "ios", "token": apns_token("a1", number), "timezone": timezone});
    dev.put(&format!("/v1/devices/{device}"), &body).await.expect(201);
}

async fn one(dev: &Dev, question: &Value) -> Value {
    let answer = dev.post("/v1/explain", question).await.expect(200);
    assert_eq!(answer["decisions"].as_array().unwrap().len(), 1, "{answer}");
    answer["decisions"][0].clone()
}

/// The device's zone goes before its user's, that before the app's.
#[tokio::test]
async fn the_nearest_zone_counts() {
    let dev = Dev::start();
    let at = json!("2026-07-01T12:00:00Z");
    phone(&dev, "phone", None, 1).await;
    let question = json!({"user_id": "ann", "at": at});
    for (preferences, device, zone, local) in [
        (json!({}), Value::Null, "UTC", "2026-07-01T12:00:00"),
        (json!({"timezone": "Asia/Tokyo"}), Value::Null, "Asia/Tokyo", "2026-07-01T21:00:00"),
        (json!({"timezone": "Asia/Tokyo"}), json!("Europe/Paris"), "Europe/Paris", "2026-07-01T14:00:00"),
    ] {
        dev.prefer("ann", &preferences).await;
        dev.patch("/v1/devices/phone", &json!({ "timezone": device })).await.expect(200);
        let decision = one(&dev, &question).await;
        assert_eq!((&decision["timezone"], &decision["local_time"]), (&json!(zone), &json!(local)), "{decision}");
        assert_eq!((&decision["device_id"], &decision["decision"]), (&json!("phone"), &json!("send")));
        assert_eq!((&decision["reason"], &decision["until"]), (&Value::Null, &Value::Null));
    }
}

/// A night in Paris, asked about at any instant one likes.
#[tokio::test]
async fn a_night_is_explained() {
    let dev = Dev::start();
    phone(&dev, "phone", Some("Europe/Paris"), 1).await;
    let night = json!([{"start": "22:00", "end": "07:00", "days": ["fri"]}]);
    dev.prefer("ann", &json!({"quiet_hours": night, "categories": {"messages": {"in_quiet_hours": true}, "marketing": {"push": false}}}))
        .await;
    // 2026-10-23 is a Friday
    let (evening, deep, morning) = ("2026-10-23T19:59:59Z", "2026-10-24T01:00:00Z", "2026-10-24T05:00:00Z");
    for (at, members, decision, reason, until) in [
        (evening, json!({}), "send", Value::Null, Value::Null),
        (deep, json!({}), "defer", json!("quiet_hours"), json!(morning)),
        (morning, json!({}), "send", Value::Null, Value::Null),
        (deep, json!({"priority": "critical"}), "send", Value::Null, Value::Null),
        (deep, json!({"silent": true}), "send", Value::Null, Value::Null),
        (deep, json!({"category": "messages"}), "send", Value::Null, Value::Null),
        (deep, json!({"category": "marketing"}), "suppress", json!("category_off"), Value::Null),
        (deep, json!({"in_quiet_hours": "drop"}), "suppress", json!("quiet_hours"), Value::Null),
        (deep, json!({"in_quiet_hours": "ignore"}), "send", Value::Null, Value::Null),
        (deep, json!({"ttl_seconds": 3600}), "suppress", json!("would_expire"), Value::Null),
        (evening, json!({"send_at_local": "2026-10-24T03:00:00"}), "defer", json!("scheduled"), json!(morning)),
        (evening, json!({"send_at_local": "2026-10-24T12:00:00"}), "defer", json!("scheduled"), json!("2026-10-24T10:00:00Z")),
        (evening, json!({"send_at_local": "2026-10-24T12:00:00", "category": "marketing"}), "suppress", json!("category_off"), Value::Null),
        (evening, json!({"send_at_local": "2026-10-24T03:00:00", "ttl_seconds": 60}), "suppress", json!("would_expire"), Value::Null),
        (morning, json!({"send_at_local": "2026-10-24T03:00:00"}), "suppress", json!("skipped_past_local_time"), Value::Null),
        (morning, json!({"send_at_local": "2026-10-24T03:00:00", "if_past": "send"}), "send", Value::Null, Value::Null),
    ] {
        let mut question = json!({"user_id": "ann", "at": at});
        question.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let told = one(&dev, &question).await;
        assert_eq!((&told["decision"], &told["reason"]), (&json!(decision), &reason), "{members} at {at}: {told}");
        let told_until = if told["until"].is_null() { Value::Null } else { json!(text(instant(&told["until"]))) };
        assert_eq!(told_until, until, "{members} at {at}");
    }
}

/// The night in which clocks go back: an ambiguous end means the later instant.
#[tokio::test]
async fn the_hour_that_comes_twice_is_quiet_twice() {
    let dev = Dev::start();
    phone(&dev, "phone", Some("Europe/Paris"), 1).await;
    dev.prefer("ann", &json!({"quiet_hours": [{"start": "22:00", "end": "02:30"}]})).await;
    let told = one(&dev, &json!({"device_id": "phone", "at": "2026-10-25T00:45:00Z"})).await;
    assert_eq!((&told["decision"], &told["local_time"]), (&json!("defer"), &json!("2026-10-25T02:45:00")));
    assert_eq!(text(instant(&told["until"])), "2026-10-25T01:30:00Z");
    // and the night in which they go forward: a boundary in the gap moves to the first instant after it
    let told = one(&dev, &json!({"device_id": "phone", "at": "2026-03-29T00:30:00Z"})).await;
    assert_eq!(text(instant(&told["until"])), "2026-03-29T01:00:00Z");
}

#[tokio::test]
async fn every_device_of_a_user_is_explained() {
    let dev = Dev::start();
    phone(&dev, "here", Some("UTC"), 1).await;
    phone(&dev, "there", Some("Asia/Tokyo"), 2).await;
    dev.patch("/v1/devices/there", &json!({"permission": "denied"})).await.expect(200);
    let answer = dev.post("/v1/explain", &json!({"user_id": "ann"})).await.expect(200);
    let decisions = answer["decisions"].as_array().unwrap();
    let mut told: Vec<_> = decisions
        .iter()
        .map(|one| (one["device_id"].as_str().unwrap(), one["decision"].as_str().unwrap(), one["reason"].as_str()))
        .collect();
    told.sort_unstable();
    assert_eq!(told, [("here", "send", None), ("there", "suppress", Some("permission_denied"))]);
    let nobody = one(&dev, &json!({"user_id": "nobody"})).await;
    assert_eq!(
        (&nobody["device_id"], &nobody["decision"], &nobody["reason"]),
        (&Value::Null, &json!("suppress"), &json!("no_active_device"))
    );
    dev.post("/v1/explain", &json!({"device_id": "never-seen"})).await.problem(404, "not_found");
    assert!(dev.items("/v1/notifications").await.is_empty(), "nothing is sent");
}

/// A device that is known but not sent to is explained like a user without one, not called unknown.
#[tokio::test]
async fn an_inactive_device_is_explained() {
    let dev = Dev::start();
    let dead = json!({"user_id": "ann", "platform": "ios", "token": apns_token("dead0", 1), "timezone": "Asia/Tokyo"});
    dev.put("/v1/devices/gone", &dead).await.expect(201);
    dev.send_and_wait(&json!({"to": {"device_ids": ["gone", "ghost"]}, "content": {"title": "t"}})).await;
    assert_eq!(dev.get("/v1/devices/gone").await.expect(200)["status"], "inactive");
    let told = one(&dev, &json!({"device_id": "gone", "at": "2026-07-01T12:00:00Z"})).await;
    assert_eq!((&told["device_id"], &told["decision"], &told["reason"]), (&json!("gone"), &json!("suppress"), &json!("no_active_device")));
    assert_eq!((&told["timezone"], &told["local_time"]), (&json!("Asia/Tokyo"), &json!("2026-07-01T21:00:00")));
    dev.post("/v1/explain", &json!({"device_id": "ghost"})).await.problem(404, "not_found");
}

#[tokio::test]
async fn what_cannot_be_asked_is_named() {
    let dev = Dev::start();
    for (body, field, code) in [
        (json!({"user_id": "ann", "category": "undeclared"}), "category", "unknown_category"),
        (json!({"user_id": "ann", "priority": "urgent"}), "priority", "invalid"),
        (json!({"user_id": "ann", "at": "noon"}), "at", "invalid"),
        (json!({"user_id": "ann", "ttl_seconds": -1}), "ttl_seconds", "invalid"),
        (json!({"user_id": "ann", "colour": "red"}), "colour", "unknown_field"),
        (json!({"device_id": "a b"}), "device_id", "invalid"),
    ] {
        dev.post("/v1/explain", &body).await.invalid(field, code);
    }
    dev.post("/v1/explain", &json!({})).await.problem(422, "invalid");
    dev.post("/v1/explain", &json!({"user_id": "ann", "device_id": "phone"})).await.problem(422, "invalid");
    let far = wall((crate::clock::now() + TimeDelta::days(1)).naive_utc());
    dev.post("/v1/explain", &json!({"user_id": "ann", "send_at_local": far})).await.expect(200);
}
