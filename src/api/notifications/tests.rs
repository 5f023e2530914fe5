//! Every field and limit of a notification, by table.

mod push_type;

use std::sync::Arc;

use chrono::{NaiveDate, TimeDelta};
use serde_json::{Value, json};

use super::dto::NotificationRequest;
use super::validate::{Given, draft};
use crate::api::json::read;
use crate::api::problem::Problem;
use crate::dispatch::draft::{Draft, To};
use crate::domain::Timestamp;
use crate::domain::broadcast::Broadcast;
use crate::domain::content::{Action, Interruption};
use crate::domain::device::{Environment, Platform};
use crate::domain::notification::{IfPast, InQuietHours, Lifetime, Priority, When};
use crate::domain::segment::Segment;

fn now() -> Timestamp {
    NaiveDate::from_ymd_opt(2026, 11, 2).unwrap().and_hms_opt(9, 0, 0).unwrap().and_utc()
}

fn check(body: &Value) -> Result<Draft, Problem> {
    draft(read::<NotificationRequest>(body.to_string().as_bytes())?, Given { now: now(), may_be_critical: true, has_words: false })
}

/// A notification that is fine but for `changes`, which are merged into it.
fn with(changes: &Value) -> Value {
    let mut body = json!({"to": {"user_id": "u1"}, "content": {"title": "Hello"}});
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

fn errors(body: &Value) -> Vec<(String, &'static str)> {
    let problem = check(body).map(|draft| panic!("{body} was taken: {draft:?}")).unwrap_err();
    problem.errors().iter().map(|error| (error.field.clone(), error.code)).collect()
}

fn refused(changes: &Value, field: &str, code: &str) {
    let body = with(changes);
    let found = errors(&body);
    assert_eq!(found.iter().map(|(field, code)| (field.as_str(), *code)).collect::<Vec<_>>(), [(field, code)], "{body}");
}

fn taken(changes: &Value) -> Draft {
    let body = with(changes);
    check(&body).unwrap_or_else(|problem| panic!("{body}: {problem:?}"))
}

#[test]
fn an_audience_is_named_in_exactly_one_way() {
    assert_eq!(taken(&json!({"to": {"user_id": "u1"}})).to, To::Users(vec!["u1".into()]));
    assert_eq!(taken(&json!({"to": {"user_ids": ["u1", "名前"]}})).to, To::Users(vec!["u1".into(), "名前".into()]));
    assert_eq!(taken(&json!({"to": {"device_ids": ["d1"]}})).to, To::Devices(vec!["d1".into()]));
    assert_eq!(taken(&json!({"to": {"all": true}})).to, To::All);
    for (to, field) in [
        (json!({}), "to"),
        (json!({"user_id": "u1", "all": true}), "to"),
        (json!({"user_ids": ["u1"], "device_ids": ["d1"]}), "to"),
        (json!({"all": false}), "to.all"),
        (json!({"user_id": ""}), "to.user_id"),
        (json!({"user_id": "a\nb"}), "to.user_id"),
        (json!({"user_id": "x".repeat(257)}), "to.user_id"),
        (json!({"user_ids": []}), "to.user_ids"),
        (json!({"user_ids": ["ok", ""]}), "to.user_ids[1]"),
        (json!({"user_ids": vec!["u"; 10_001]}), "to.user_ids"),
        (json!({"device_ids": []}), "to.device_ids"),
        (json!({"device_ids": ["ok", "ok", "not ok"]}), "to.device_ids[2]"),
        (json!({"device_ids": vec!["d"; 10_001]}), "to.device_ids"),
        (json!({"user_ids": ["u1", 5]}), "to.user_ids[1]"),
        (json!({"user_id": 5}), "to.user_id"),
        (json!({"user_id": "u1", "except_device_ids": ["a b"]}), "to.except_device_ids[0]"),
        (json!({"user_id": "u1", "except_device_ids": vec!["d"; 10_001]}), "to.except_device_ids"),
        (json!({"user_id": "u1", "devices": "newest"}), "to.devices"),
        (json!({"device_ids": ["d1"], "devices": "latest"}), "to.devices"),
        (json!({"all": true, "devices": "latest"}), "to.devices"),
        (json!([]), "to"),
        (json!("u1"), "to"),
    ] {
        refused(&json!({"to": to}), field, "invalid");
    }
    assert_eq!(errors(&json!({"content": {"title": "x"}})), [("to".to_owned(), "required")]);
    assert_eq!(errors(&with(&json!({"to": null}))), [("to".to_owned(), "required")]);
    let narrowed = taken(&json!({"to": {"user_ids": vec!["u"; 10_000], "except_device_ids": ["d1"], "devices": "latest"}}));
    assert!(narrowed.latest_device_only);
    assert_eq!(narrowed.except_devices, ["d1"]);
    assert!(!taken(&json!({"to": {"all": true, "devices": "all"}})).latest_device_only);
}

#[test]
fn an_audience_is_told_by_what_devices_are() {
    let leaf = json!({"field": "tags.plan", "op": "eq", "value": "pro"});
    let segment = Arc::new(Segment::parse(&leaf, "segment").unwrap());
    assert_eq!(taken(&json!({"to": {"topic": "news"}})).to, To::Topic("news".into()));
    assert_eq!(taken(&json!({"to": {"segment": leaf}})).to, To::Segment(Arc::clone(&segment)));
    for mut to in [
        json!({"user_id": "u1"}),
        json!({"device_ids": ["d1"]}),
        json!({"topic": "a"}),
        json!({"segment": {"everyone": true}}),
        json!({"all": true}),
    ] {
        assert_eq!(taken(&json!({"to": to})).only, None, "{to}");
        to["where"] = leaf.clone();
        assert_eq!(taken(&json!({"to": to})).only.as_ref(), Some(&segment), "{to}");
    }
    for (to, field, code) in [
        (json!({"topic": "a b"}), "to.topic", "invalid"),
        (json!({"topic": ""}), "to.topic", "invalid"),
        (json!({"topic": "a", "segment": leaf}), "to", "invalid"),
        (json!({"segment": leaf, "all": true}), "to", "invalid"),
        (json!({"segment": {}}), "to.segment", "invalid"),
        (json!({"segment": {"any": []}}), "to.segment.any", "invalid"),
        (json!({"segment": {"all": [leaf, {"field": "model", "op": "is", "value": "x"}]}}), "to.segment.all[1].op", "invalid"),
        (json!({"segment": {"not": leaf, "why": 1}}), "to.segment.why", "unknown_field"),
        (json!({"all": true, "where": {"field": "model", "op": "eq"}}), "to.where.value", "required"),
        (json!({"topic": "a", "devices": "latest"}), "to.devices", "invalid"),
        (json!({"segment": leaf, "devices": "latest"}), "to.devices", "invalid"),
    ] {
        refused(&json!({"to": to}), field, code);
    }
    for to in [json!({"topic": "a"}), json!({"segment": leaf})] {
        refused(&json!({"to": to, "test": true}), "test", "invalid");
    }
    refused(&json!({"to": {"broadcast": {"fcm_topic": "news"}, "where": leaf}, "in_quiet_hours": "ignore"}), "to.where", "invalid");
}

fn broadcast(to: &Value) -> Value {
    json!({"to": {"broadcast": to}, "in_quiet_hours": "ignore"})
}

#[test]
fn a_broadcast_goes_to_exactly_one_place() {
    let text = "'a' in topics && !('b' in topics)";
    let condition = Broadcast::FcmCondition(text.to_owned().try_into().unwrap());
    let of_apple = |environment| Broadcast::ApnsChannel { channel: "AAAA".to_owned().try_into().unwrap(), environment };
    for (to, expected) in [
        (json!({"fcm_topic": "news"}), Broadcast::FcmTopic("news".to_owned().try_into().unwrap())),
        (json!({"fcm_condition": text}), condition),
        (json!({"apns_channel": "AAAA"}), of_apple(Environment::Production)),
        (json!({"apns_channel": "AAAA", "environment": "sandbox"}), of_apple(Environment::Sandbox)),
    ] {
        let mut body = broadcast(&to);
        if to.get("apns_channel").is_some() {
            body["live_activity"] = json!({"event": "update"});
        }
        assert_eq!(taken(&body).to, To::Broadcast(expected), "{to}");
    }
    refused(&broadcast(&json!({"apns_channel": "AAAA"})), "live_activity", "required");
    for (to, field) in [
        (json!({"apns_channel": "not base64"}), "to.broadcast.apns_channel"),
        (json!({"apns_channel": "AAAA", "environment": "test"}), "to.broadcast.environment"),
    ] {
        let mut body = broadcast(&to);
        body["live_activity"] = json!({"event": "update"});
        refused(&body, field, "invalid");
    }
    let six = ["'a' in topics"; 6].join(" || ");
    for (to, field, code) in [
        (json!({}), "to.broadcast", "invalid"),
        (json!({"fcm_topic": "a", "fcm_condition": "'a' in topics"}), "to.broadcast", "invalid"),
        (json!({"fcm_topic": "/topics/news"}), "to.broadcast.fcm_topic", "invalid"),
        (json!({"fcm_topic": ""}), "to.broadcast.fcm_topic", "invalid"),
        (json!({"fcm_topic": 5}), "to.broadcast.fcm_topic", "invalid"),
        (json!({"fcm_condition": "'a' in topics &&"}), "to.broadcast.fcm_condition", "invalid"),
        (json!({ "fcm_condition": six }), "to.broadcast.fcm_condition", "invalid"),
        (json!({"fcm_topic": "a", "environment": "sandbox"}), "to.broadcast.environment", "invalid"),
        (json!({"topic": "a"}), "to.broadcast.topic", "unknown_field"),
        (json!("news"), "to.broadcast", "invalid"),
    ] {
        refused(&broadcast(&to), field, code);
    }
    refused(&json!({"to": {"broadcast": {"fcm_topic": "a"}, "user_id": "u1"}, "in_quiet_hours": "ignore"}), "to", "invalid");
}

#[test]
fn what_asks_for_people_cannot_stand_beside_a_broadcast() {
    let to = json!({"broadcast": {"fcm_topic": "news"}});
    for word in ["defer", "drop"] {
        refused(&json!({"to": to, "in_quiet_hours": word}), "in_quiet_hours", "invalid");
    }
    refused(&json!({ "to": to }), "in_quiet_hours", "invalid");
    for (changes, field) in [
        (json!({"send_at_local": "2026-12-01T09:00:00"}), "send_at_local"),
        (json!({"localized": {"fr": {"title": "x"}}}), "localized"),
        (json!({"test": true}), "test"),
        (json!({"to": {"broadcast": {"fcm_topic": "news"}, "devices": "latest"}}), "to.devices"),
        (json!({"to": {"broadcast": {"fcm_topic": "news"}, "except_device_ids": ["d1"]}}), "to.except_device_ids"),
    ] {
        let mut body = json!({"to": to, "in_quiet_hours": "ignore"});
        body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        refused(&body, field, "invalid");
    }
    let fine = taken(&json!({"to": to, "in_quiet_hours": "ignore", "send_at": "2026-11-03T09:00:00Z", "silent": false, "test": false}));
    assert_eq!(fine.in_quiet_hours, InQuietHours::Ignore);
}

#[test]
fn what_a_later_version_will_take_is_refused_now() {
    for name in ["fallback", "inbox", "badge_add", "variants"] {
        refused(&json!({name: true}), name, "unknown_field");
    }
    refused(&json!({"content": {"title": "x", "badge_add": 1}}), "content.badge_add", "unknown_field");
    refused(&json!({"platforms": {"windows": {}}}), "platforms.windows", "unknown_field");
}

#[test]
fn the_small_fields_have_limits() {
    for (changes, field) in [
        (json!({"category": "a b"}), "category"),
        (json!({"category": "x".repeat(65)}), "category"),
        (json!({"priority": "urgent"}), "priority"),
        (json!({"collapse_key": ""}), "collapse_key"),
        (json!({"collapse_key": "é".repeat(33)}), "collapse_key"),
        (json!({"labels": {"a": ""}}), "labels.a"),
        (json!({"labels": {"a": 1}}), "labels.a"),
        (json!({"labels": {"": "x"}}), "labels."),
        (json!({"labels": {"a": "x".repeat(257)}}), "labels.a"),
        (json!({"labels": (0..9).map(|n| (format!("l{n}"), json!("x"))).collect::<serde_json::Map<_, _>>()}), "labels"),
        (json!({"silent": "yes"}), "silent"),
        (json!({"in_quiet_hours": "wait"}), "in_quiet_hours"),
        (json!({"test": true, "to": {"all": true}}), "test"),
        (json!({"test": true, "to": {"user_ids": vec!["u"; 21]}}), "test"),
        (json!({"test": 1}), "test"),
    ] {
        refused(&changes, field, "invalid");
    }
    let draft = taken(&json!({
        "category": "messages", "priority": "critical", "collapse_key": "é".repeat(32), "in_quiet_hours": "drop",
        "labels": {"team": "chat"}, "test": true, "to": {"device_ids": vec!["d"; 20]},
    }));
    assert_eq!((draft.priority, draft.in_quiet_hours, draft.test), (Some(Priority::Critical), InQuietHours::Drop, true));
    assert_eq!(draft.labels["team"], "chat");
}

#[test]
fn it_is_due_at_one_time() {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    assert_eq!(taken(&json!({})).when, None);
    assert_eq!(taken(&json!({"send_at": "2026-12-01T09:00:00+01:00"})).when, Some(When::At(at("2026-12-01T08:00:00Z"))));
    assert_eq!(taken(&json!({"send_at": "2020-01-01T00:00:00Z"})).when, Some(When::At(at("2020-01-01T00:00:00Z"))));
    let time = NaiveDate::from_ymd_opt(2026, 12, 1).unwrap().and_hms_opt(9, 0, 0).unwrap();
    assert_eq!(taken(&json!({"send_at_local": "2026-12-01T09:00:00"})).when, Some(When::Local { time, if_past: IfPast::Skip }));
    let sent = taken(&json!({"send_at_local": "2026-12-01T09:00:00", "if_past": "send"})).when;
    assert_eq!(sent, Some(When::Local { time, if_past: IfPast::Send }));
    taken(&json!({"send_at": (now() + TimeDelta::days(90)).to_rfc3339()}));
    for (changes, field) in [
        (json!({"send_at": (now() + TimeDelta::days(90) + TimeDelta::seconds(1)).to_rfc3339()}), "send_at"),
        (json!({"send_at": "2026-12-01T09:00:00"}), "send_at"),
        (json!({"send_at": 1_800_000_000}), "send_at"),
        (json!({"send_at_local": "2026-12-01T09:00:00Z"}), "send_at_local"),
        (json!({"send_at_local": "2027-03-01T09:00:00"}), "send_at_local"),
        (json!({"send_at": "2026-12-01T09:00:00Z", "send_at_local": "2026-12-01T09:00:00"}), "send_at_local"),
        (json!({"if_past": "send"}), "if_past"),
        (json!({"send_at_local": "2026-12-01T09:00:00", "if_past": "later"}), "if_past"),
    ] {
        refused(&changes, field, "invalid");
    }
}

#[test]
fn it_lives_for_a_time() {
    assert_eq!(taken(&json!({})).lifetime, None);
    assert_eq!(taken(&json!({"ttl_seconds": 0})).lifetime, Some(Lifetime::Seconds(0)));
    assert_eq!(taken(&json!({"ttl_seconds": 2_419_200})).lifetime, Some(Lifetime::Seconds(2_419_200)));
    let until = taken(&json!({"expires_at": "2026-11-02T09:00:01Z"})).lifetime;
    assert_eq!(until, Some(Lifetime::Until(now() + TimeDelta::seconds(1))));
    taken(&json!({"send_at": "2027-01-01T00:00:00Z", "expires_at": "2027-01-29T00:00:00Z"}));
    for (changes, field) in [
        (json!({"ttl_seconds": 2_419_201}), "ttl_seconds"),
        (json!({"ttl_seconds": -1}), "ttl_seconds"),
        (json!({"ttl_seconds": 1.5}), "ttl_seconds"),
        (json!({"ttl_seconds": "60"}), "ttl_seconds"),
        (json!({"ttl_seconds": 60, "expires_at": "2026-11-03T09:00:00Z"}), "expires_at"),
        (json!({"expires_at": "2026-11-02T09:00:00Z"}), "expires_at"),
        (json!({"expires_at": "2026-12-01T09:00:00Z"}), "expires_at"),
        (json!({"send_at": "2026-12-01T09:00:00Z", "expires_at": "2026-12-01T09:00:00Z"}), "expires_at"),
        (json!({"send_at_local": "2026-12-01T09:00:00", "expires_at": "2026-11-30T08:00:00Z"}), "expires_at"),
    ] {
        refused(&changes, field, "invalid");
    }
}

#[test]
fn words_have_limits_wherever_they_stand() {
    for (content, below, code) in [
        (json!({"image_url": "http://example.com/a.png"}), "image_url", "invalid"),
        (json!({"image_url": "https://"}), "image_url", "invalid"),
        (json!({"image_url": "https:///a.png"}), "image_url", "invalid"),
        (json!({"image_url": "https://exa mple.com/"}), "image_url", "invalid"),
        (json!({"image_url": format!("https://example.com/{}", "x".repeat(2048))}), "image_url", "invalid"),
        (json!({"link": "my\napp"}), "link", "invalid"),
        (json!({"sound": ""}), "sound", "invalid"),
        (json!({"thread_id": "x".repeat(257)}), "thread_id", "invalid"),
        (json!({"android_channel": ""}), "android_channel", "invalid"),
        (json!({"action_set": ""}), "action_set", "invalid"),
        (json!({"badge": -1}), "badge", "invalid"),
        (json!({"badge": 2_147_483_648_u32}), "badge", "invalid"),
        (json!({"relevance": 1.1}), "relevance", "invalid"),
        (json!({"relevance": "high"}), "relevance", "invalid"),
        (json!({"interruption": "loud"}), "interruption", "invalid"),
        (json!({"actions": {"id": "a"}}), "actions", "invalid"),
        (json!({"actions": [{"id": "a"}]}), "actions[0].title", "required"),
        (json!({"actions": [{"id": "a", "title": "b", "icon": "c"}]}), "actions[0].icon", "unknown_field"),
        (json!({"actions": [{"id": "", "title": "b"}]}), "actions[0].id", "invalid"),
        (json!({"actions": vec![json!({"id": "a", "title": "b"}); 9]}), "actions", "invalid"),
        (json!({"data": {"a": 1}}), "data.a", "invalid"),
        (json!({"data": {"a": {"b": "c"}}}), "data.a", "invalid"),
        (json!({"data": {"a": null}}), "data.a", "invalid"),
        (json!({"data": {"": "x"}}), "data", "invalid"),
        (json!({"data": {"aps": "x"}}), "data.aps", "reserved_key"),
        (json!({"data": {"from": "x"}}), "data.from", "reserved_key"),
        (json!({"data": {"message_type": "x"}}), "data.message_type", "reserved_key"),
        (json!({"data": {"herald_id": "x"}}), "data.herald_id", "reserved_key"),
        (json!({"data": {"google.x": "x"}}), "data.google.x", "reserved_key"),
        (json!({"data": {"gcm_x": "x"}}), "data.gcm_x", "reserved_key"),
        (json!({"title": ["x"]}), "title", "invalid"),
        (json!({"titel": "x"}), "titel", "unknown_field"),
    ] {
        let mut titled = content.clone();
        if below != "title" {
            titled["title"] = json!("x");
        }
        refused(&json!({"content": titled}), &format!("content.{below}"), code);
        refused(&json!({"platforms": {"web": content}}), &format!("platforms.web.{below}"), code);
        refused(&json!({"localized": {"fr": content}}), &format!("localized.fr.{below}"), code);
    }
    for tag in ["", "f", "français", "fr-"] {
        refused(&json!({"localized": {tag: {"title": "x"}}}), &format!("localized.{tag}"), "invalid");
    }
}

#[test]
fn words_are_taken_over() {
    let words = json!({
        "title": "Ann", "subtitle": "s", "body": "Lunch?\nNow?", "image_url": "HTTPS://example.com/a.png", "sound": "default", "badge": 3,
        "thread_id": "chat-9", "link": "myapp://chat/9", "interruption": "time_sensitive", "relevance": 0.8, "android_channel": "messages",
        "action_set": "chat", "actions": [{"id": "reply", "title": "Reply"}], "data": {"chat": "9", "fromage": "x"},
    });
    let draft = taken(&json!({"content": words, "platforms": {"web": {"title": "New"}}, "localized": {"fr": {"body": "Midi ?"}}}));
    let content = draft.content;
    assert_eq!((content.badge, content.interruption, content.relevance), (Some(3), Some(Interruption::TimeSensitive), Some(0.8)));
    assert_eq!(content.actions, Some(vec![Action { id: "reply".into(), title: "Reply".into() }]));
    assert_eq!(content.data.unwrap()["chat"], "9");
    assert_eq!(draft.platforms[&Platform::Web].title.as_deref(), Some("New"));
    assert_eq!(draft.localized["fr"].body.as_deref(), Some("Midi ?"));
    // a long text is for the providers to judge
    taken(&json!({"content": {"body": "x".repeat(10_000)}}));
}

#[test]
fn silence_has_no_words() {
    let silent = taken(&json!({"silent": true, "content": {"data": {"a": "b"}}}));
    assert!(silent.silent);
    taken(&json!({"silent": true, "content": null}));
    for content in
        [json!({"title": "x"}), json!({"body": "x"}), json!({"sound": "x"}), json!({"badge": 1}), json!({"image_url": "https://x.y/z"})]
    {
        refused(&json!({"silent": true, "content": content}), "content", "invalid");
        refused(&json!({"silent": true, "content": {}, "localized": {"fr": content}}), "localized.fr", "invalid");
    }
    refused(&json!({"content": {"data": {"a": "b"}}}), "content", "required");
    refused(&json!({"content": null}), "content", "required");
    taken(&json!({"content": {}, "localized": {"fr": {"title": "x"}}}));
    taken(&json!({"content": {"badge": 0}}));
}

#[test]
fn overrides_name_no_target_credential_or_key_of_ours() {
    for (changes, field) in [
        (json!({"apns": {"headers": {"Authorization": "bearer x"}}}), "apns.headers.Authorization"),
        (json!({"apns": {"headers": {"apns-topic": "x"}}}), "apns.headers.apns-topic"),
        (json!({"apns": {"headers": {"apns-id": null}}}), "apns.headers.apns-id"),
        (json!({"apns": {"headers": {":path": "/x"}}}), "apns.headers.:path"),
        (json!({"apns": {"headers": {"host": "x"}}}), "apns.headers.host"),
        (json!({"apns": {"payload": {"herald_id": "x"}}}), "apns.payload.herald_id"),
        (json!({"apns": {"payload": {"aps": {"herald_x": null}}}}), "apns.payload.aps.herald_x"),
        (json!({"fcm": {"token": "x"}}), "fcm.token"),
        (json!({"fcm": {"fid": "x"}}), "fcm.fid"),
        (json!({"fcm": {"topic": null}}), "fcm.topic"),
        (json!({"fcm": {"condition": "x"}}), "fcm.condition"),
        (json!({"fcm": {"data": {"herald_id": "x"}}}), "fcm.data.herald_id"),
        (json!({"fcm": {"apns": {"headers": {"apns-topic": "x"}}}}), "fcm.apns.headers.apns-topic"),
        (json!({"fcm": {"webpush": {"headers": {"Authorization": "x"}}}}), "fcm.webpush.headers.Authorization"),
        (json!({"webpush": {"data": {"herald_link": "x"}}}), "webpush.data.herald_link"),
        (json!({"webpush": {"headers": {"Authorization": "x"}}}), "webpush.headers.Authorization"),
    ] {
        refused(&changes, field, "override_forbidden");
    }
    for (changes, field, code) in [
        (json!({"apns": "x"}), "apns", "invalid"),
        (json!({"fcm": []}), "fcm", "invalid"),
        (json!({"webpush": 5}), "webpush", "invalid"),
        (json!({"apns": {"aps": {}}}), "apns.aps", "unknown_field"),
        (json!({"apns": {"headers": []}}), "apns.headers", "invalid"),
        (json!({"webpush": {"headers": "x"}}), "webpush.headers", "invalid"),
        (json!({"apns": {"payload": "x"}}), "apns.payload", "invalid"),
        (json!({"apns": {"headers": {"apns-priority": 5}}}), "apns.headers.apns-priority", "invalid"),
        (json!({"apns": {"headers": {"apns-x": "a\r\nb"}}}), "apns.headers.apns-x", "invalid"),
        (json!({"apns": {"headers": {"a b": "x"}}}), "apns.headers.a b", "invalid"),
    ] {
        refused(&changes, field, code);
    }
    let patch = json!({"headers": {"apns-push-type": "alert", "apns-expiration": null}, "payload": {"aps": {"topic": "x"}}});
    let draft = taken(&json!({"apns": patch, "fcm": {"android": {"notification": {"token": "x"}}}, "webpush": null}));
    assert_eq!(draft.overrides.apns, Some(patch));
    assert!(draft.overrides.fcm.is_some() && draft.overrides.webpush.is_none());
}

#[test]
fn a_scope_is_needed_for_what_is_critical() {
    let may_not = Given { now: now(), may_be_critical: false, has_words: false };
    let check = |changes: &Value| draft(read(with(changes).to_string().as_bytes()).unwrap(), may_not);
    assert!(check(&json!({"priority": "high", "in_quiet_hours": "drop"})).is_ok());
    for changes in [
        json!({"priority": "critical"}),
        json!({"in_quiet_hours": "ignore"}),
        json!({"content": {"title": "x", "interruption": "critical"}}),
    ] {
        assert_eq!(check(&changes).unwrap_err().code(), crate::api::problem::Code::ScopeMissing);
    }
}
