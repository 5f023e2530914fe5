//! What a notification cannot be: each fault is named with its field and its code, and nothing is written.

use serde_json::{Value, json};

use crate::clock::{in_seconds, text, wall};
use crate::daemon::{Dev, Simulator};

/// A good notification with some members replaced.
fn with(members: &Value) -> Value {
    let mut body = json!({"to": {"user_id": "ann"}, "content": {"title": "t"}});
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    body
}

async fn refuse(dev: &Dev, rows: Vec<(Value, &str, &str)>) {
    for (members, field, code) in rows {
        let answer = dev.post("/v1/notifications", &with(&members)).await;
        assert_eq!(answer.status, 422, "{members}: {}", answer.body);
        answer.invalid(field, code);
        dev.post("/v1/notifications/preview", &with(&members)).await.invalid(field, code);
    }
    assert!(dev.items("/v1/notifications").await.is_empty(), "nothing was accepted");
}

#[tokio::test]
async fn an_audience_is_exactly_one_thing() {
    let dev = Dev::start();
    let many: Vec<String> = (0..10_001).map(|number| format!("u-{number}")).collect();
    let mut rows = vec![
        (json!({"to": null}), "to", "required"),
        (json!({"to": {}}), "to", "invalid"),
        (json!({"to": {"user_id": "a", "all": true}}), "to", "invalid"),
        (json!({"to": {"all": false}}), "to.all", "invalid"),
        (json!({"to": {"user_id": ""}}), "to.user_id", "invalid"),
        (json!({"to": {"user_id": 7}}), "to.user_id", "invalid"),
        (json!({"to": {"user_ids": []}}), "to.user_ids", "invalid"),
        (json!({"to": {"user_ids": ["a", ""]}}), "to.user_ids[1]", "invalid"),
        (json!({"to": {"user_ids": ["a", "b", "c", 4]}}), "to.user_ids[3]", "invalid"),
        (json!({"to": {"user_ids": many}}), "to.user_ids", "invalid"),
        (json!({"to": {"device_ids": ["a b"]}}), "to.device_ids[0]", "invalid"),
        (json!({"to": {"device_ids": ["a"], "devices": "latest"}}), "to.devices", "invalid"),
        (json!({"to": {"user_id": "a", "devices": "some"}}), "to.devices", "invalid"),
        (json!({"to": {"user_id": "a", "except_device_ids": ["é"]}}), "to.except_device_ids[0]", "invalid"),
        (json!({"to": {"user_id": "a\u{0}b"}}), "to.user_id", "invalid"),
        (json!({"to": {"broadcast": {}}}), "to.broadcast", "invalid"),
        (json!({"to": {"broadcast": "x"}}), "to.broadcast", "invalid"),
    ];
    for later in ["topics", "segments", "user"] {
        rows.push((json!({"to": {"user_id": "a", later: "x"}}), "", "unknown_field"));
    }
    for (members, field, code) in rows {
        let answer = dev.post("/v1/notifications", &with(&members)).await;
        if field.is_empty() {
            let problem = answer.problem(422, "invalid");
            assert_eq!(problem["errors"][0]["code"], code, "{members}: {problem}");
        } else {
            answer.invalid(field, code);
        }
    }
    assert!(dev.items("/v1/notifications").await.is_empty());
}

#[tokio::test]
async fn content_has_its_limits() {
    let dev = Dev::start();
    let content = |content: Value| json!({ "content": content });
    refuse(
        &dev,
        vec![
            (json!({"content": null}), "content", "required"),
            (content(json!({})), "content", "required"),
            (content(json!({"title": 7})), "content.title", "invalid"),
            (content(json!({"titel": "t"})), "content.titel", "unknown_field"),
            (content(json!({"title": "a\u{0}b"})), "content.title", "invalid"),
            (content(json!({"title": "t", "badge": -1})), "content.badge", "invalid"),
            (content(json!({"title": "t", "badge_add": 1})), "content.badge_add", "unknown_field"),
            (content(json!({"title": "t", "image_url": "http://example.com/a.png"})), "content.image_url", "invalid"),
            (content(json!({"title": "t", "image_url": "https://"})), "content.image_url", "invalid"),
            (content(json!({"title": "t", "relevance": 1.5})), "content.relevance", "invalid"),
            (content(json!({"title": "t", "interruption": "loud"})), "content.interruption", "invalid"),
            (content(json!({"title": "t", "sound": ""})), "content.sound", "invalid"),
            (content(json!({"title": "t", "actions": [{"id": "a"}]})), "content.actions[0].title", "required"),
            (
                content(json!({"title": "t", "actions": [{"id": "a", "title": "A", "icon": "i"}]})),
                "content.actions[0].icon",
                "unknown_field",
            ),
            (content(json!({"title": "t", "data": {"n": 1}})), "content.data.n", "invalid"),
            (content(json!({"title": "t", "data": {"n": null}})), "content.data.n", "invalid"),
            (content(json!({"title": "t", "data": {"aps": "x"}})), "content.data.aps", "reserved_key"),
            (content(json!({"title": "t", "data": {"from": "x"}})), "content.data.from", "reserved_key"),
            (content(json!({"title": "t", "data": {"message_type": "x"}})), "content.data.message_type", "reserved_key"),
            (content(json!({"title": "t", "data": {"herald_x": "x"}})), "content.data.herald_x", "reserved_key"),
            (content(json!({"title": "t", "data": {"google.x": "x"}})), "content.data.google.x", "reserved_key"),
            (content(json!({"title": "t", "data": {"gcm_x": "x"}})), "content.data.gcm_x", "reserved_key"),
            (json!({"localized": {"not a locale": {"title": "t"}}}), "localized.not a locale", "invalid"),
            (json!({"localized": {"fr": {"titel": "t"}}}), "localized.fr.titel", "unknown_field"),
            (json!({"localized": {"fr": {"data": {"aps": "x"}}}}), "localized.fr.data.aps", "reserved_key"),
            (json!({"platforms": {"symbian": {"title": "t"}}}), "platforms.symbian", "unknown_field"),
            (json!({"platforms": {"web": {"relevance": -1}}}), "platforms.web.relevance", "invalid"),
            (json!({"silent": true}), "content", "invalid"),
            (json!({"silent": true, "content": {"sound": "default"}}), "content", "invalid"),
            (json!({"silent": true, "content": {"badge": 1}}), "content", "invalid"),
        ],
    )
    .await;
}

#[tokio::test]
async fn times_exclude_each_other() {
    let dev = Dev::start();
    let (soon, late) = (in_seconds(60), in_seconds(91 * 86_400));
    refuse(
        &dev,
        vec![
            (json!({"send_at": text(soon), "send_at_local": wall(soon.naive_utc())}), "send_at_local", "invalid"),
            (json!({ "send_at": text(late) }), "send_at", "invalid"),
            (json!({"send_at": "2026-12-01T09:00:00"}), "send_at", "invalid"),
            (json!({"send_at": "tomorrow"}), "send_at", "invalid"),
            (json!({"send_at_local": "2026-12-01T09:00:00Z"}), "send_at_local", "invalid"),
            (json!({"send_at_local": "2026-02-30T09:00:00"}), "send_at_local", "invalid"),
            (json!({"send_at_local": wall(in_seconds(93 * 86_400).naive_utc())}), "send_at_local", "invalid"),
            (json!({"send_at_local": wall(soon.naive_utc()), "if_past": "maybe"}), "if_past", "invalid"),
            (json!({"ttl_seconds": 60, "expires_at": text(soon)}), "expires_at", "invalid"),
            (json!({"ttl_seconds": -1}), "ttl_seconds", "invalid"),
            (json!({"ttl_seconds": 2_419_201}), "ttl_seconds", "invalid"),
            (json!({"ttl_seconds": 1.5}), "ttl_seconds", "invalid"),
            (json!({"expires_at": "2020-01-01T00:00:00Z"}), "expires_at", "invalid"),
            (json!({ "expires_at": text(late) }), "expires_at", "invalid"),
            (json!({"send_at": text(in_seconds(120)), "expires_at": text(soon)}), "expires_at", "invalid"),
        ],
    )
    .await;
}

#[tokio::test]
async fn words_are_of_their_lists_and_unknown_fields_are_refused() {
    let dev = Dev::start();
    let labels: serde_json::Map<String, Value> = (0..9).map(|number| (format!("l{number}"), json!("x"))).collect();
    let mut rows = vec![
        (json!({"priority": "urgent"}), "priority", "invalid"),
        (json!({"in_quiet_hours": "wake"}), "in_quiet_hours", "invalid"),
        (json!({"category": "undeclared"}), "category", "unknown_category"),
        (json!({"category": "no such"}), "category", "invalid"),
        (json!({"silent": "yes"}), "silent", "invalid"),
        (json!({"collapse_key": "k".repeat(65)}), "collapse_key", "invalid"),
        (json!({"collapse_key": ""}), "collapse_key", "invalid"),
        (json!({ "labels": labels }), "labels", "invalid"),
        (json!({"labels": {"team": 7}}), "labels.team", "invalid"),
        (json!({"to": {"all": true}, "test": true}), "test", "invalid"),
        (json!({"to": {"user_ids": (0..21).map(|n| format!("u-{n}")).collect::<Vec<_>>()}, "test": true}), "test", "invalid"),
    ];
    for later in ["fallback", "inbox", "badge_add", "titel"] {
        rows.push((json!({later: {}}), later, "unknown_field"));
    }
    rows.push((json!({"idempotency_key": "k"}), "idempotency_key", "unknown_field"));
    rows.push((json!({"push_type": "alert"}), "push_type", "invalid"));
    rows.push((json!({"push_type": "voip"}), "content", "invalid"));
    let activity = |activity: Value| json!({ "live_activity": activity });
    rows.push((activity(json!({})), "live_activity.event", "required"));
    rows.push((activity(json!({"event": "pause", "activity_id": "a"})), "live_activity.event", "invalid"));
    rows.push((activity(json!({"event": "update"})), "live_activity.activity_id", "required"));
    rows.push((activity(json!({"event": "start", "activity_id": "a"})), "live_activity.attributes_type", "required"));
    rows.push((activity(json!({"event": "update", "activity_id": "a", "colour": 1})), "live_activity.colour", "unknown_field"));
    refuse(&dev, rows).await;
}

#[tokio::test]
async fn overrides_may_not_name_what_is_not_theirs() {
    let dev = Dev::start();
    let header = |name: &str| json!({"apns": {"headers": {name: "x"}}});
    let mut rows = Vec::new();
    for name in ["authorization", "apns-topic", "apns-id", "host", "Apns-Topic"] {
        rows.push((header(name), format!("apns.headers.{name}"), "override_forbidden"));
    }
    rows.push((header(":path"), "apns.headers.:path".to_owned(), "override_forbidden"));
    for name in ["authorization", "host"] {
        rows.push((json!({"webpush": {"headers": {name: "x"}}}), format!("webpush.headers.{name}"), "override_forbidden"));
    }
    for name in ["token", "fid", "topic", "condition"] {
        rows.push((json!({"fcm": {name: "x"}}), format!("fcm.{name}"), "override_forbidden"));
    }
    for (overrides, field) in [
        (json!({"apns": {"payload": {"herald_id": "x"}}}), "apns.payload.herald_id"),
        (json!({"fcm": {"data": {"herald_id": "x"}}}), "fcm.data.herald_id"),
        (json!({"fcm": {"data": {"herald_link": null}}}), "fcm.data.herald_link"),
        (json!({"webpush": {"data": {"herald_id": "x"}}}), "webpush.data.herald_id"),
    ] {
        rows.push((overrides, field.to_owned(), "override_forbidden"));
    }
    for (overrides, field) in [
        (json!({"apns": {"headers": {"apns-push-type": "background"}}}), "apns.headers.apns-push-type"),
        (json!({"apns": {"headers": {"apns-push-type": "shout"}}}), "apns.headers.apns-push-type"),
        (json!({"apns": {"headers": {"apns-priority": "7"}}}), "apns.headers.apns-priority"),
        (json!({"silent": true, "content": {}, "apns": {"headers": {"apns-priority": "10"}}}), "apns.headers.apns-priority"),
        (json!({"apns": []}), "apns"),
        (json!({"fcm": "x"}), "fcm"),
        (json!({"fcm": {"data": {"n": 1}}}), "fcm.data.n"),
    ] {
        rows.push((overrides, field.to_owned(), "invalid"));
    }
    rows.push((json!({"apns": {"aps": {}}}), "apns.aps".to_owned(), "unknown_field"));
    refuse(&dev, rows.iter().map(|(body, field, code)| (body.clone(), field.as_str(), *code)).collect()).await;
}

#[tokio::test]
async fn all_that_is_wrong_is_named_at_once() {
    let dev = Dev::start();
    let body =
        json!({"to": {"user_ids": ["a", "", "c", ""]}, "content": {"titel": "t", "relevance": 7}, "ttl_seconds": -1, "priority": "urgent"});
    let problem = dev.post("/v1/notifications", &body).await.problem(422, "invalid");
    let mut fields: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["content.relevance", "content.titel", "priority", "to.user_ids[1]", "to.user_ids[3]", "ttl_seconds"]);
    assert!(problem["errors"].as_array().unwrap().iter().all(|error| error["message"].is_string()), "{problem}");
    assert_eq!(problem["title"].as_str().unwrap().len(), problem["title"].as_str().unwrap().trim().len());
    assert!(problem["type"].is_string() && problem["detail"].is_string(), "{problem}");
}

/// `critical`, `ignore` and Apple's critical alerts need a key that may.
#[tokio::test]
async fn what_wakes_people_needs_a_scope() {
    let simulator = Simulator::start();
    let (plain, critical) = (simulator.key("send"), simulator.key("send,manage,critical"));
    let daemon = simulator.serve(&[]);
    let client = crate::daemon::Client::new(&daemon.url, &plain);
    let may = client.with_key(&critical);
    may.put("/v1/categories/alarm", &json!({"priority": "critical"})).await.expect(201);
    client.notify(&with(&json!({"category": "alarm", "priority": "high"}))).await;
    for members in [
        json!({"priority": "critical"}),
        json!({"in_quiet_hours": "ignore"}),
        json!({"content": {"title": "t", "interruption": "critical"}}),
        json!({"localized": {"fr": {"interruption": "critical"}}}),
        json!({"apns": {"payload": {"aps": {"interruption-level": "critical"}}}}),
        json!({"apns": {"payload": {"aps": {"sound": {"critical": 1, "name": "alarm.caf", "volume": 1.0}}}}}),
        json!({"fcm": {"apns": {"payload": {"aps": {"interruption-level": "critical"}}}}}),
        json!({"category": "alarm"}),
    ] {
        let problem = client.post("/v1/notifications", &with(&members)).await.problem(403, "scope_missing");
        assert!(problem["detail"].as_str().unwrap().contains("critical"), "{problem}");
        may.post("/v1/notifications", &with(&members)).await.expect(202);
    }
}
