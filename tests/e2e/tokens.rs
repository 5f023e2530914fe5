//! Tokens: they rotate, move between devices, and devices move between people.

use serde_json::{Value, json};

use crate::daemon::{Client, Dev, apns_token, until};

async fn mute(dev: &Client, user: &str, seconds: i64) {
    let until = chrono::DateTime::<chrono::Utc>::from(std::time::UNIX_EPOCH + std::time::Duration::from_secs(now_seconds()))
        + chrono::TimeDelta::seconds(seconds);
    dev.put(&format!("/v1/users/{user}/preferences"), &json!({"muted_until": until.to_rfc3339()})).await.expect(200);
}

#[expect(clippy::disallowed_methods, reason = "a test has no other clock than the system's")]
fn now_seconds() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// Who is addressed by a device's name is whoever has it then.
#[tokio::test]
async fn a_push_to_a_device_is_for_whoever_has_it_when_it_is_accepted() {
    let dev = Dev::start();
    let token = apns_token("a1", 1);
    dev.ios("phone", "ann", &token).await;
    let at = chrono::DateTime::<chrono::Utc>::from(std::time::UNIX_EPOCH + std::time::Duration::from_secs(now_seconds() + 3)).to_rfc3339();
    let body = json!({"to": {"device_ids": ["phone"]}, "content": {"title": "for Ann"}, "send_at": at});
    let id = dev.notify(&body).await;
    dev.ios("phone", "ben", &token).await;
    let done = dev.done(&id).await;
    assert_eq!(done["reasons"]["suppressed"], json!({"user_changed": 1}), "{done}");
    assert!(dev.pushes(&token).await.is_empty());
}

async fn held(dev: &Client, id: &str) {
    until("the push is held", async || {
        let body = dev.get(&format!("/v1/notifications/{id}")).await.expect(200);
        body["reasons"]["waiting"]["quiet_hours"].is_u64().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_new_token_takes_the_place_of_the_old() {
    let dev = Dev::start();
    let (old, new) = (apns_token("a1", 1), apns_token("a1", 2));
    let before = dev.ios("phone", "ann", &old).await;
    let after = dev.ios("phone", "ann", &new).await;
    assert_ne!(before["token_hint"], after["token_hint"]);
    assert!(after.get("token").is_none());
    dev.send_and_wait(&json!({"to": {"user_id": "ann"}, "content": {"title": "t"}})).await;
    assert!(dev.pushes(&old).await.is_empty());
    assert_eq!(dev.pushes(&new).await.len(), 1);
}

#[tokio::test]
async fn a_token_belongs_to_one_device() {
    let dev = Dev::start();
    let token = apns_token("a1", 1);
    dev.ios("first", "ann", &token).await;
    dev.ios("second", "ann", &token).await;
    let first = dev.get("/v1/devices/first").await.expect(200);
    assert_eq!((&first["status"], &first["inactive_reason"]), (&json!("inactive"), &json!("token_moved")));
    let done = dev.send_and_wait(&json!({"to": {"user_id": "ann"}, "content": {"title": "t"}})).await;
    assert_eq!(done["counts"]["targeted"], 1);
    assert_eq!(dev.pushes(&token).await.len(), 1);
    // the first one comes back with a token of its own
    dev.ios("first", "ann", &apns_token("a1", 2)).await;
    assert_eq!(dev.get("/v1/devices/first").await.expect(200)["status"], "active");
}

/// A push held for one person is never shown to the next who signs in on that device.
#[tokio::test]
async fn a_held_push_is_not_shown_to_the_next_person() {
    let dev = Dev::start();
    let token = apns_token("a1", 1);
    dev.ios("phone", "ann", &token).await;
    mute(&dev, "ann", 3).await;
    let id = dev.notify(&json!({"to": {"user_id": "ann"}, "content": {"title": "for Ann only"}})).await;
    held(&dev, &id).await;
    dev.ios("phone", "ben", &token).await;
    let done = dev.done(&id).await;
    assert_eq!(done["reasons"]["suppressed"], json!({"user_changed": 1}));
    assert!(dev.pushes(&token).await.is_empty());
    // what is for the new person arrives
    dev.send_and_wait(&json!({"to": {"user_id": "ben"}, "content": {"title": "for Ben"}})).await;
    assert_eq!(dev.pushes(&token).await.len(), 1);
}

#[tokio::test]
async fn a_held_push_is_not_shown_when_nobody_is_signed_in_any_more() {
    let dev = Dev::start();
    let token = apns_token("a1", 1);
    dev.ios("phone", "ann", &token).await;
    mute(&dev, "ann", 3).await;
    let id = dev.notify(&json!({"to": {"user_id": "ann"}, "content": {"title": "t"}})).await;
    held(&dev, &id).await;
    let body = dev.patch("/v1/devices/phone", &json!({"user_id": null})).await.expect(200);
    assert_eq!(body["user_id"], Value::Null);
    assert_eq!(dev.done(&id).await["reasons"]["suppressed"], json!({"user_changed": 1}));
    assert!(dev.pushes(&token).await.is_empty());
}

#[tokio::test]
async fn a_device_that_changes_hands_starts_clean() {
    let dev = Dev::start();
    let body = json!({"user_id": "ann", "platform": "ios", "token": apns_token("a1", 1), "tags": {"plan": "pro"}});
    dev.put("/v1/devices/phone", &body).await.expect(201);
    let body = json!({"user_id": "ben", "platform": "ios"});
    let device = dev.put("/v1/devices/phone", &body).await.expect(200);
    assert_eq!(device["user_id"], "ben");
    assert_eq!(device["tags"], json!({}));
}

/// A 410 tells of the past: a registration after its instant keeps its token.
#[tokio::test]
async fn a_late_410_does_not_hit_a_newer_registration() {
    let dev = Dev::start();
    let token = apns_token("a1", 1);
    dev.ios("phone", "ann", &token).await;
    let hour_ago = (now_seconds() - 3600) * 1000;
    dev.behave(json!([{"provider": "apns", "respond": {"status": 410, "reason": "Unregistered", "timestamp": hour_ago}, "times": 1}]))
        .await;
    let done = dev.send_and_wait(&json!({"to": {"user_id": "ann"}, "content": {"title": "t"}})).await;
    assert_eq!(done["reasons"]["failed"], json!({"token_dead": 1}));
    assert_eq!(dev.get("/v1/devices/phone").await.expect(200)["status"], "active");
}

/// The verdict comes while the phone registers anew: the old token's death is no outcome for the new one.
#[tokio::test]
async fn a_death_that_races_with_a_rotation_is_tried_on_the_new_token() {
    let dev = Dev::start();
    let (old, new) = (apns_token("a1", 1), apns_token("a2", 2));
    dev.ios("phone", "ann", &old).await;
    dev.behave(json!([{"provider": "apns", "token_prefix": "a1", "respond": {"status": 410, "reason": "Unregistered"}, "delay_ms": 1500}]))
        .await;
    let id = dev.notify(&json!({"to": {"user_id": "ann"}, "content": {"title": "t"}})).await;
    until("the send is under way", async || {
        let stats = dev.get("/simulator/stats").await.expect(200);
        (stats["received"].as_u64().unwrap() >= 1).then_some(())
    })
    .await;
    dev.ios("phone", "ann", &new).await;
    let done = dev.done(&id).await;
    assert_eq!(done["counts"]["sent"], 1, "{done}");
    assert_eq!(dev.pushes(&new).await.len(), 1);
    assert_eq!(dev.get("/v1/devices/phone").await.expect(200)["status"], "active");
}

/// The same token, registered again while its death is under way: the registration is newer than the verdict.
#[tokio::test]
async fn a_registration_during_the_send_outlives_the_verdict() {
    let dev = Dev::start();
    let token = "dead-9-race".to_owned();
    dev.android("phone", "ann", &token).await;
    dev.behave(json!([{"provider": "fcm", "respond": {"status": 404, "reason": "UNREGISTERED"}, "delay_ms": 1500, "times": 1}])).await;
    let id = dev.notify(&json!({"to": {"user_id": "ann"}, "content": {"title": "t"}})).await;
    until("the send is under way", async || {
        let stats = dev.get("/simulator/stats").await.expect(200);
        (stats["received"].as_u64().unwrap() >= 1).then_some(())
    })
    .await;
    dev.android("phone", "ann", &token).await;
    dev.done(&id).await;
    assert_eq!(dev.get("/v1/devices/phone").await.expect(200)["status"], "active");
}

#[tokio::test]
async fn a_dead_device_comes_back_when_it_registers() {
    let dev = Dev::start();
    let token = apns_token("dead1", 1);
    dev.ios("phone", "ann", &token).await;
    dev.send_and_wait(&json!({"to": {"user_id": "ann"}, "content": {"title": "t"}})).await;
    assert_eq!(dev.get("/v1/devices/phone").await.expect(200)["status"], "inactive");
    let done = dev.send_and_wait(&json!({"to": {"user_id": "ann"}, "content": {"title": "t"}})).await;
    assert_eq!(done["reasons"]["suppressed"], json!({"no_active_device": 1}));
    assert_eq!(dev.pushes(&token).await.len(), 1, "a dead token is not used");
    let device = dev.ios("phone", "ann", &token).await;
    assert_eq!((&device["status"], &device["inactive_reason"]), (&json!("active"), &Value::Null));
    let done = dev.send_and_wait(&json!({"to": {"user_id": "ann"}, "content": {"title": "t"}})).await;
    assert_eq!(done["counts"]["sent"], 1);
}

/// A user has at most 50 active devices; the longest unseen goes first.
#[tokio::test]
async fn the_fifty_first_device_displaces_the_longest_unseen() {
    let dev = Dev::start();
    for number in 0..51 {
        dev.ios(&format!("phone-{number}"), "ann", &apns_token("a1", number)).await;
    }
    let first = dev.get("/v1/devices/phone-0").await.expect(200);
    assert_eq!((&first["status"], &first["inactive_reason"]), (&json!("inactive"), &json!("too_many_devices")));
    let active = dev.get("/v1/devices?user_id=ann&status=active&limit=500").await.expect(200);
    assert_eq!(active["items"].as_array().unwrap().len(), 50);
}

/// Of the same collapse key the newest accepted wins, also while an older one is being retried.
#[tokio::test]
async fn an_older_retry_never_overwrites_a_newer_push() {
    let dev = Dev::start();
    let token = apns_token("a1", 1);
    dev.ios("phone", "ann", &token).await;
    dev.behave(json!([{"provider": "apns", "respond": {"status": 503, "reason": "ServiceUnavailable", "retry_after": 2}, "times": 1}]))
        .await;
    let body = |title: &str| json!({"to": {"user_id": "ann"}, "content": {"title": title}, "collapse_key": "score"});
    let older = dev.notify(&body("1:0")).await;
    until("the older one waits for its retry", async || (dev.delivery(&older, "phone").await["reason"] == "unavailable").then_some(()))
        .await;
    let newer = dev.send_and_wait(&body("1:1")).await;
    assert_eq!(newer["counts"]["sent"], 1);
    let older = dev.done(&older).await;
    assert_eq!(older["reasons"]["suppressed"], json!({"superseded": 1}));
    let accepted: Vec<_> = dev.pushes(&token).await.into_iter().filter(|push| push["status"] == 200).collect();
    assert_eq!(accepted.len(), 1);
    assert_eq!(accepted[0]["body"]["aps"]["alert"]["title"], "1:1");
    assert_eq!(accepted[0]["headers"]["apns-collapse-id"], "score");
}
