//! What providers answer, and what becomes of delivery, device and the others.

use serde_json::{Value, json};

use crate::daemon::{Dev, apns_token, until};

/// A dead, a mismatched, a rejected, a throttled, a stalled and a flaky token in one audience.
#[tokio::test]
async fn troubled_tokens_end_as_they_should_and_hold_nobody_up() {
    let dev = Dev::start();
    let stalled = apns_token("ffff", 5);
    let devices = [
        ("dead", apns_token("dead0", 1)),
        ("mismatched", apns_token("bad00", 2)),
        ("rejected", apns_token("a11", 3)),
        ("throttled", apns_token("42901", 4)),
        ("stalled", stalled.clone()),
        ("flaky", apns_token("50302", 6)),
    ];
    for (name, token) in &devices {
        dev.ios(name, "ann", token).await;
    }
    for number in 0..40 {
        dev.ios(&format!("well-{number}"), "ann", &apns_token("b0", number)).await;
    }
    dev.behave(json!([{"provider": "apns", "token_prefix": "a11", "respond": {"status": 400, "reason": "BadPriority"}}])).await;
    let id = dev.notify(&json!({"to": {"user_id": "ann"}, "category": "messages", "content": {"title": "t"}, "ttl_seconds": 25})).await;

    // nobody else waits for the stalled one, which takes the whole send timeout
    until("everyone else has an end", async || {
        let body = dev.get(&format!("/v1/notifications/{id}")).await.expect(200);
        (body["counts"]["waiting"].as_u64().unwrap() <= 2 && body["counts"]["sent"].as_u64().unwrap() >= 40).then_some(())
    })
    .await;
    assert_ne!(dev.delivery(&id, "stalled").await["status"], "sent");

    let done = dev.done(&id).await;
    let of = async |device: &str| dev.delivery(&id, device).await;
    let ended = |delivery: &Value| (delivery["status"].as_str().unwrap().to_owned(), delivery["reason"].as_str().unwrap_or("").to_owned());
    let word = |status: &str, reason: &str| (status.to_owned(), reason.to_owned());
    assert_eq!(ended(&of("dead").await), word("failed", "token_dead"));
    assert_eq!(ended(&of("mismatched").await), word("failed", "token_mismatched"));
    assert_eq!(ended(&of("rejected").await), word("failed", "message_rejected"));
    assert_eq!(ended(&of("throttled").await), word("sent", ""));
    assert_eq!(of("throttled").await["attempts"], 2);
    assert_eq!(ended(&of("flaky").await), word("sent", ""));
    assert_eq!(of("flaky").await["attempts"], 3);
    assert_eq!(ended(&of("stalled").await), word("expired", "unavailable"));
    assert_eq!(done["counts"]["targeted"], 46);
    assert_eq!(done["counts"]["sent"], 42);
    assert_eq!(done["counts"]["failed"], 3);
    assert_eq!(done["counts"]["expired"], 1);
    assert_eq!(done["reasons"]["failed"], json!({"token_dead": 1, "token_mismatched": 1, "message_rejected": 1}));

    let device = async |name: &str| dev.get(&format!("/v1/devices/{name}")).await.expect(200);
    assert_eq!(device("dead").await["status"], "inactive");
    assert_eq!(device("dead").await["inactive_reason"], "token_dead");
    assert_eq!(device("mismatched").await["status"], "active", "too little is known of the lane");
    for innocent in ["rejected", "throttled", "stalled", "flaky", "well-7"] {
        assert_eq!(device(innocent).await["status"], "active", "{innocent}");
    }
}

/// FCM's look-alikes of the same troubles.
#[tokio::test]
async fn the_same_troubles_through_fcm() {
    let dev = Dev::start();
    for (name, token) in
        [("dead", "dead-1"), ("bad", "bad-1"), ("mismatch", "mismatch-1"), ("quota", "quota-1-a"), ("down", "down-2-a"), ("well", "well-1")]
    {
        dev.android(name, "ann", token).await;
    }
    let done = dev.send_and_wait(&json!({"to": {"user_id": "ann"}, "content": {"title": "t"}, "ttl_seconds": 120})).await;
    let id = done["id"].as_str().unwrap();
    for (device, status, reason) in [
        ("dead", "failed", json!("token_dead")),
        ("bad", "failed", json!("token_mismatched")),
        ("mismatch", "failed", json!("token_mismatched")),
        ("quota", "sent", Value::Null),
        ("down", "sent", Value::Null),
        ("well", "sent", Value::Null),
    ] {
        let delivery = dev.delivery(id, device).await;
        assert_eq!((&delivery["status"], &delivery["reason"]), (&json!(status), &reason), "{device}");
    }
    assert_eq!(dev.get("/v1/devices/dead").await.expect(200)["inactive_reason"], "token_dead");
}

#[tokio::test]
async fn a_refused_credential_pauses_the_lane_until_it_is_resumed() {
    let dev = Dev::start();
    let token = apns_token("a1", 1);
    dev.ios("phone", "ann", &token).await;
    dev.android("tablet", "ann", "well-1").await;
    dev.behave(json!([{"provider": "apns", "respond": {"status": 403, "reason": "Forbidden"}}])).await;
    let id = dev.notify(&json!({"to": {"user_id": "ann"}, "content": {"title": "t"}})).await;
    let waiting = until("the push waits for its lane", async || {
        let delivery = dev.delivery(&id, "phone").await;
        (delivery["reason"] == "lane_paused").then_some(delivery)
    })
    .await;
    assert_eq!(waiting["status"], "waiting");
    assert!(waiting["next_attempt_at"].is_string());
    assert_eq!(dev.delivery(&id, "tablet").await["status"], "sent", "the other provider goes on");

    let lanes = dev.get("/v1/lanes").await.expect(200);
    let lane = lanes["items"].as_array().unwrap().iter().find(|lane| lane["provider"] == "apns" && lane["environment"] == "production");
    assert_eq!(lane.unwrap()["state"], "paused");
    assert!(lane.unwrap()["reason"].as_str().unwrap().contains("credential_refused"));

    dev.behave(json!([])).await;
    dev.post("/v1/lanes/apns/resume", &Value::Null).await.expect(200);
    let done = dev.done(&id).await;
    assert_eq!(done["counts"]["sent"], 2);
    assert_eq!(dev.get("/v1/devices/phone").await.expect(200)["status"], "active");
}

#[tokio::test]
async fn what_expires_behind_a_paused_lane_names_the_credential() {
    let dev = Dev::start();
    dev.ios("phone", "ann", &apns_token("a1", 1)).await;
    dev.behave(json!([{"provider": "apns", "respond": {"status": 403, "reason": "Forbidden"}}])).await;
    let done = dev.send_and_wait(&json!({"to": {"user_id": "ann"}, "content": {"title": "t"}, "ttl_seconds": 1})).await;
    assert_eq!(done["counts"]["expired"], 1);
    assert_eq!(done["reasons"]["expired"], json!({"credential_refused": 1}));
}

/// Beyond chance the configuration is what is wrong: our mistake never deletes their devices.
#[tokio::test]
async fn a_wrong_environment_deactivates_nobody() {
    let dev = Dev::start();
    for number in 0..120 {
        dev.ios(&format!("phone-{number}"), &format!("user-{number}"), &apns_token("a1", number)).await;
    }
    dev.behave(json!([{"provider": "apns", "respond": {"status": 400, "reason": "BadDeviceToken"}}])).await;
    dev.notify(&json!({"to": {"all": true}, "category": "messages", "content": {"title": "t"}})).await;
    until("the lane is paused", async || {
        let lanes = dev.get("/v1/lanes").await.expect(200);
        lanes["items"].as_array().unwrap().iter().any(|lane| lane["provider"] == "apns" && lane["state"] == "paused").then_some(())
    })
    .await;
    let inactive = dev.get("/v1/devices?status=inactive&platform=ios&limit=500").await.expect(200);
    let ours: Vec<_> =
        inactive["items"].as_array().unwrap().iter().filter(|device| device["device_id"].as_str().unwrap().starts_with("phone-")).collect();
    assert!(ours.is_empty(), "{ours:?}");
}

#[tokio::test]
async fn one_mismatched_token_among_many_good_ones_is_deactivated() {
    let dev = Dev::start();
    for number in 0..120 {
        dev.ios(&format!("phone-{number}"), &format!("user-{number}"), &apns_token("a1", number)).await;
    }
    dev.ios("wrong", "user-wrong", &apns_token("bad00", 1)).await;
    dev.send_and_wait(&json!({"to": {"user_id": "user-wrong"}, "content": {"title": "t"}})).await;
    assert_eq!(dev.get("/v1/devices/wrong").await.expect(200)["status"], "active", "too little is known of the lane yet");
    dev.send_and_wait(&json!({"to": {"all": true}, "category": "messages", "content": {"title": "t"}})).await;
    until("the mismatched device is inactive", async || {
        let device = dev.get("/v1/devices/wrong").await.expect(200);
        (device["inactive_reason"] == "token_mismatched").then_some(())
    })
    .await;
}

/// 0 is now or never: one attempt, no retry; its fault ends as expired with that reason.
#[tokio::test]
async fn now_or_never_is_one_attempt() {
    let dev = Dev::start();
    let token = apns_token("50301", 1);
    dev.ios("phone", "ann", &token).await;
    let done = dev.send_and_wait(&json!({"to": {"user_id": "ann"}, "content": {"title": "t"}, "ttl_seconds": 0})).await;
    assert_eq!(done["reasons"]["expired"], json!({"unavailable": 1}));
    let pushes = dev.pushes(&token).await;
    assert_eq!(pushes.len(), 1);
    assert_eq!(pushes[0]["headers"]["apns-expiration"], "0");
}

#[tokio::test]
async fn a_retry_after_is_kept() {
    let dev = Dev::start();
    let token = apns_token("a1", 1);
    dev.ios("phone", "ann", &token).await;
    dev.behave(json!([{"provider": "apns", "respond": {"status": 503, "reason": "ServiceUnavailable", "retry_after": 3}, "times": 1}]))
        .await;
    let done = dev.send_and_wait(&json!({"to": {"user_id": "ann"}, "content": {"title": "t"}})).await;
    assert_eq!(done["counts"]["sent"], 1);
    let pushes = dev.pushes(&token).await;
    let at = |push: &Value| push["received_at"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    assert!(at(&pushes[1]) - at(&pushes[0]) >= chrono::TimeDelta::seconds(3), "{pushes:?}");
    assert_eq!(pushes[0]["headers"]["apns-id"], pushes[1]["headers"]["apns-id"], "a repeat carries the same id");
}

#[tokio::test]
async fn connections_that_break_lose_nothing() {
    let dev = Dev::start();
    for number in 0..50 {
        dev.ios(&format!("phone-{number}"), "ann", &apns_token("a1", number)).await;
    }
    for number in 50..60 {
        dev.ios(&format!("phone-{number}"), "ben", &apns_token("a1", number)).await;
    }
    dev.behave(json!([
        {"provider": "apns", "fault": "goaway", "times": 3},
        {"provider": "apns", "fault": "reset", "times": 3},
        {"provider": "apns", "fault": "reset_connection", "times": 2},
    ]))
    .await;
    let done = dev.send_and_wait(&json!({"to": {"user_ids": ["ann", "ben"]}, "content": {"title": "t"}})).await;
    assert_eq!(done["counts"]["sent"], 60, "{done}");
    for number in 0..60 {
        let accepted = dev.pushes(&apns_token("a1", number)).await.iter().filter(|push| push["status"] == 200).count();
        assert!(accepted >= 1, "phone-{number}");
    }
}
