//! The simulator's own view: its rules, its counters, and what it shows of a push.

use reqwest::Method;
use serde_json::{Value, json};

use crate::clock::{in_seconds, instant};
use crate::daemon::{Dev, apns_token};

const RULES: &str = "/simulator/behaviours";

/// Sends one push to a user; how it ended at the device.
async fn ended(dev: &Dev, user: &str, device: &str) -> Value {
    let done = dev.send_and_wait(&json!({"to": {"user_id": user}, "content": {"title": "t"}})).await;
    dev.delivery(done["id"].as_str().unwrap(), device).await
}

/// The statuses that a token was answered, oldest first.
async fn statuses(dev: &Dev, token: &str) -> Vec<u64> {
    dev.pushes(token).await.iter().map(|push| push["status"].as_u64().unwrap()).collect()
}

/// A status without a word of the provider's says nothing of the device.
#[tokio::test]
async fn an_answer_may_have_no_reason() {
    let dev = Dev::start();
    dev.ios("phone", "ann", &apns_token("a1", 1)).await;
    dev.android("tablet", "ben", "well-1").await;
    for status in [400, 410] {
        dev.behave(json!([{"provider": "apns", "respond": {"status": status}, "times": 1}])).await;
        let delivery = ended(&dev, "ann", "phone").await;
        assert_eq!((&delivery["status"], &delivery["reason"]), (&json!("failed"), &json!("message_rejected")), "{delivery}");
        assert_eq!(delivery["detail"], format!("status {status}"), "{delivery}");
        assert_eq!(dev.get("/v1/devices/phone").await.expect(200)["status"], "active");
    }
    dev.behave(json!([{"provider": "fcm", "respond": {"status": 400}, "times": 1}])).await;
    let delivery = ended(&dev, "ben", "tablet").await;
    assert_eq!((&delivery["status"], &delivery["reason"]), (&json!("failed"), &json!("message_rejected")), "{delivery}");
    assert_eq!(dev.get("/v1/devices/tablet").await.expect(200)["status"], "active");
    // what passes is tried again, with a reason or without
    dev.behave(json!([{"respond": {"status": 503}, "times": 1}])).await;
    let delivery = ended(&dev, "ann", "phone").await;
    assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("sent"), &json!(2)), "{delivery}");
}

/// The first rule that fits applies, as often as it says; then the next one does, and at the end the token's own prefix.
#[tokio::test]
async fn rules_apply_in_their_order() {
    let dev = Dev::start();
    let (one, other) = (apns_token("5000", 1), apns_token("a2", 2));
    dev.ios("one", "ann", &one).await;
    dev.ios("other", "ben", &other).await;
    let respond = |status: u16| json!({"status": status, "reason": "InternalServerError"});
    dev.behave(json!([
        {"provider": "fcm", "respond": respond(500)},
        {"provider": "apns", "token_prefix": "50", "respond": respond(503), "times": 2},
        {"token_prefix": "a2", "delay_ms": 1, "times": 1},
        {"respond": {"status": 200}, "times": 1},
        {"token_prefix": "a2", "respond": {"status": 400, "reason": "BadPriority"}, "times": 1},
    ]))
    .await;
    assert_eq!(ended(&dev, "ann", "one").await["status"], "sent");
    assert_eq!(statuses(&dev, &one).await, [503, 503, 200], "a rule goes before the token's own prefix");
    assert_eq!(ended(&dev, "ben", "other").await["status"], "sent", "a delay says nothing of the answer");
    assert_eq!(ended(&dev, "ben", "other").await["detail"], "BadPriority");
    assert_eq!(ended(&dev, "ben", "other").await["status"], "sent", "all that fits is used up");
    assert_eq!(statuses(&dev, &other).await, [200, 400, 200]);
}

#[tokio::test]
async fn rules_replace_all_others_and_none_clear_them() {
    let dev = Dev::start();
    let token = apns_token("a1", 1);
    dev.ios("phone", "ann", &token).await;
    dev.behave(json!([{"respond": {"status": 400, "reason": "BadPriority"}}])).await;
    assert_eq!(ended(&dev, "ann", "phone").await["detail"], "BadPriority");
    dev.behave(json!([{"token_prefix": "b", "respond": {"status": 400, "reason": "BadPriority"}}])).await;
    assert_eq!(ended(&dev, "ann", "phone").await["status"], "sent");
    for empty in [json!({"rules": []}), json!([])] {
        dev.behave(json!([{"respond": {"status": 400, "reason": "BadPriority"}}])).await;
        assert_eq!(dev.put(RULES, &empty).await.expect(204), "");
        assert_eq!(ended(&dev, "ann", "phone").await["status"], "sent", "{empty}");
    }
}

#[tokio::test]
async fn a_bad_rule_is_named_and_changes_nothing() {
    let dev = Dev::start();
    dev.ios("phone", "ann", &apns_token("a1", 1)).await;
    dev.behave(json!([{"respond": {"status": 400, "reason": "BadPriority"}}])).await;
    let good = json!({"delay_ms": 1});
    for (rule, field) in [
        (json!({"fault": "explode"}), "rules[1].fault"),
        (json!({"provider": "sms", "delay_ms": 1}), "rules[1].provider"),
        (json!({"respond": {}}), "rules[1].respond"),
        (json!({"respond": {"status": 99}}), "rules[1].respond.status"),
        (json!({"respond": {"status": 600}}), "rules[1].respond.status"),
        (json!({"respond": {"status": "x"}}), "rules[1].respond.status"),
        (json!({"respond": {"status": 500, "colour": "red"}}), "rules[1].respond.colour"),
        (json!({"respond": {"status": 500}, "fault": "reset"}), "rules[1].fault"),
        (json!({"delay_ms": 1, "times": 0}), "rules[1].times"),
        (json!({"delay_ms": -1}), "rules[1].delay_ms"),
        (json!({"dalay_ms": 1}), "rules[1].dalay_ms"),
        (json!({"token_prefix": "a"}), "rules[1].respond"),
    ] {
        dev.put(RULES, &json!({"rules": [good, rule]})).await.invalid(field, "invalid");
    }
    let text = dev.request(Method::PUT, RULES).header("content-type", "application/json").body("{");
    dev.send(text).await.problem(400, "bad_json");
    assert_eq!(ended(&dev, "ann", "phone").await["detail"], "BadPriority", "the old rules are in force");
}

#[tokio::test]
async fn a_push_is_shown_as_it_came() {
    let dev = Dev::start();
    let (store, own) = (apns_token("a1", 1), apns_token("a1", 2));
    dev.ios("store", "ann", &store).await;
    let body = json!({"user_id": "ann", "platform": "ios", "token": own, "environment": "sandbox"});
    dev.put("/v1/devices/own", &body).await.expect(201);
    dev.android("tablet", "ann", "well-1").await;
    let before = in_seconds(-1);
    dev.send_and_wait(&json!({"to": {"user_id": "ann"}, "content": {"title": "t"}})).await;
    for (token, provider, environment) in
        [(store.as_str(), "apns", json!("production")), (&own, "apns", json!("sandbox")), ("well-1", "fcm", Value::Null)]
    {
        let push = dev.push(token).await;
        assert_eq!((&push["provider"], &push["device_token"]), (&json!(provider), &json!(token)), "{push}");
        assert!(push.as_object().unwrap().contains_key("environment"), "{push}");
        assert_eq!((&push["environment"], &push["status"]), (&environment, &json!(200)), "{push}");
        assert!(push["headers"].is_object() && push["body"].is_object(), "{push}");
        let at = push["received_at"].as_str().unwrap();
        assert!(instant(&push["received_at"]) > before && at.split_once('.').is_some_and(|(_, end)| end.len() == "000Z".len()), "{at}");
    }
}

#[tokio::test]
async fn pushes_are_counted_until_they_are_forgotten() {
    let dev = Dev::start();
    let zero = dev.get("/simulator/stats").await.expect(200);
    assert_eq!(zero["received"], 0, "{zero}");
    dev.ios("phone", "ann", &apns_token("a1", 1)).await;
    dev.ios("flaky", "ann", &apns_token("50001", 1)).await;
    dev.android("tablet", "ann", "well-1").await;
    dev.android("dead", "ann", "dead-1").await;
    for _ in 0..2 {
        dev.send_and_wait(&json!({"to": {"user_id": "ann"}, "content": {"title": "t"}})).await;
    }
    let stats = dev.get("/simulator/stats").await.expect(200);
    for (name, expected) in [
        ("received", json!(8)),
        ("accepted", json!(6)),
        ("devices", json!(3)),
        ("repeats", json!(0)),
        ("by_status", json!({"200": 6, "404": 1, "500": 1})),
        ("oauth_tokens", json!(1)),
    ] {
        assert_eq!(stats[name], expected, "{name} in {stats}");
    }
    assert!(stats["connections"].as_u64().unwrap() >= 2, "{stats}");
    assert_eq!(dev.pushes("well-1").await.len(), 2);
    dev.delete("/simulator/pushes").await.expect(204);
    let stats = dev.get("/simulator/stats").await.expect(200);
    assert_eq!((&stats["received"], &stats["by_status"]), (&json!(0), &json!({})), "{stats}");
    assert!(dev.pushes("well-1").await.is_empty());
}
