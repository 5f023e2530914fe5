//! What Apple's reasons come to, one by one: for the delivery, the device and the lane.

use serde_json::{Value, json};

use crate::daemon::{Dev, apns_token, until};

const PHONE: &str = "phone";

/// A phone of Ann's, and its token.
async fn phone(dev: &Dev) -> String {
    let token = apns_token("a1", 1);
    dev.ios(PHONE, "ann", &token).await;
    token
}

fn answer(status: u16, reason: &str) -> Value {
    json!({"provider": "apns", "respond": {"status": status, "reason": reason}})
}

fn once(mut rule: Value) -> Value {
    rule["times"] = json!(1);
    rule
}

fn to_ann() -> Value {
    json!({"to": {"user_id": "ann"}, "content": {"title": "t"}})
}

/// Apple's lane for production: `running` or `paused`, and why.
async fn lane(dev: &Dev) -> (String, String) {
    let lanes = dev.items("/v1/lanes").await;
    let lane = lanes.iter().find(|lane| lane["provider"] == "apns" && lane["environment"] == "production").unwrap();
    (lane["state"].as_str().unwrap().to_owned(), lane["reason"].as_str().unwrap_or("").to_owned())
}

async fn assert_active(dev: &Dev) {
    let device = dev.get(&format!("/v1/devices/{PHONE}")).await.expect(200);
    assert_eq!((&device["status"], &device["inactive_reason"]), (&json!("active"), &Value::Null));
}

/// What heals itself is repeated at once: the second request is accepted, and nobody waits.
#[tokio::test]
async fn a_refusal_that_heals_itself_is_repeated_once_at_once() {
    for (status, reason) in [
        (403, "ExpiredProviderToken"),
        (403, "InvalidProviderToken"),
        (403, "UnrelatedKeyIdInToken"),
        (400, "TopicDisallowed"),
        (429, "TooManyProviderTokenUpdates"),
        (503, "Shutdown"),
        (400, "IdleTimeout"),
    ] {
        let dev = Dev::start();
        let token = phone(&dev).await;
        dev.behave(json!([once(answer(status, reason))])).await;
        let done = dev.send_and_wait(&to_ann()).await;
        assert_eq!(done["counts"]["sent"], 1, "{reason}: {done}");
        assert_eq!(dev.delivery(done["id"].as_str().unwrap(), PHONE).await["attempts"], 2, "{reason}");
        let statuses: Vec<_> = dev.pushes(&token).await.iter().map(|push| push["status"].as_u64().unwrap()).collect();
        assert_eq!(statuses, [u64::from(status), 200], "{reason}");
        assert_eq!(lane(&dev).await.0, "running", "{reason}");
    }
}

/// A token of a development build that was registered as one of the store's: the push arrives, and the next goes the right way at once.
#[tokio::test]
async fn a_device_is_moved_to_the_environment_that_knows_its_token() {
    let dev = Dev::start();
    let token = phone(&dev).await;
    dev.behave(json!([once(answer(400, "BadDeviceToken"))])).await;
    let done = dev.send_and_wait(&to_ann()).await;
    assert_eq!(done["counts"]["sent"], 1, "{done}");
    assert_eq!(dev.delivery(done["id"].as_str().unwrap(), PHONE).await["attempts"], 2);
    let environment = async || dev.get(&format!("/v1/devices/{PHONE}")).await.expect(200)["environment"].clone();
    until("the device is moved", async || (environment().await == "sandbox").then_some(())).await;
    assert_active(&dev).await;
    let next = dev.send_and_wait(&to_ann()).await;
    assert_eq!(dev.delivery(next["id"].as_str().unwrap(), PHONE).await["attempts"], 1);
    let went: Vec<_> = dev.pushes(&token).await.iter().map(|push| push["environment"].as_str().unwrap().to_owned()).collect();
    assert_eq!(went, ["production", "sandbox", "sandbox"]);
}

/// The second refusal is the credential's: everything waits, nobody is deactivated, and a resumption sends it all.
async fn pauses_the_lane(reason: &str) {
    let dev = Dev::start();
    let token = phone(&dev).await;
    dev.behave(json!([answer(403, reason)])).await;
    let id = dev.notify(&to_ann()).await;
    assert_eq!(dev.waits(&id, PHONE, "lane_paused").await["attempts"], 2);
    let (state, why) = lane(&dev).await;
    assert_eq!((&*state, &*why), ("paused", &*format!("credential_refused: {reason}")));

    // what follows does not even try
    dev.ios("tablet", "ben", &apns_token("a1", 2)).await;
    let next = dev.notify(&json!({"to": {"user_id": "ben"}, "content": {"title": "t"}})).await;
    assert_eq!(dev.waits(&next, "tablet", "lane_paused").await["attempts"], 0);
    assert_eq!(dev.pushes(&token).await.len(), 2);
    assert_active(&dev).await;

    dev.behave(json!([])).await;
    dev.post("/v1/lanes/apns/resume", &Value::Null).await.expect(200);
    assert_eq!(dev.done(&id).await["counts"]["sent"], 1);
    assert_eq!(dev.done(&next).await["counts"]["sent"], 1);
}

#[tokio::test]
async fn an_expired_provider_token_pauses_the_lane_at_its_second_refusal() {
    pauses_the_lane("ExpiredProviderToken").await;
}

#[tokio::test]
async fn an_invalid_provider_token_pauses_the_lane_at_its_second_refusal() {
    pauses_the_lane("InvalidProviderToken").await;
}

/// Tokens that change too often are the lane's trouble, not the device's and not the credential's.
#[tokio::test]
async fn too_many_token_updates_hold_the_lane() {
    let dev = Dev::start();
    phone(&dev).await;
    let busy = json!({"status": 429, "reason": "TooManyProviderTokenUpdates", "retry_after": 4});
    dev.behave(json!([{"provider": "apns", "token_prefix": "a1", "respond": busy}])).await;
    let id = dev.notify(&to_ann()).await;
    dev.waits(&id, PHONE, "throttled").await;
    assert_eq!(lane(&dev).await.0, "running");

    let other = apns_token("b1", 2);
    dev.ios("tablet", "ben", &other).await;
    let next = dev.notify(&json!({"to": {"user_id": "ben"}, "content": {"title": "t"}})).await;
    assert_eq!(dev.waits(&next, "tablet", "throttled").await["attempts"], 0);
    assert!(dev.pushes(&other).await.is_empty());

    dev.behave(json!([])).await;
    assert_eq!(dev.done(&id).await["counts"]["sent"], 1);
    assert_eq!(dev.done(&next).await["counts"]["sent"], 1);
    assert_active(&dev).await;
}

#[tokio::test]
async fn a_service_that_keeps_shutting_down_is_waited_for() {
    let dev = Dev::start();
    phone(&dev).await;
    dev.behave(json!([answer(503, "Shutdown")])).await;
    let id = dev.notify(&to_ann()).await;
    dev.waits(&id, PHONE, "unavailable").await;
    assert_eq!(lane(&dev).await.0, "running");
    dev.behave(json!([])).await;
    assert_eq!(dev.done(&id).await["counts"]["sent"], 1);
}

/// Apple may invent reasons: whatever status they come with, they cost nobody a device.
#[tokio::test]
async fn an_unknown_reason_deactivates_nobody() {
    let dev = Dev::start();
    phone(&dev).await;
    for (status, reason) in [(410, Some("BrandNew")), (410, None), (400, Some("BrandNew")), (400, None), (404, Some("BrandNew"))] {
        dev.behave(json!([{"provider": "apns", "respond": {"status": status, "reason": reason}}])).await;
        let done = dev.send_and_wait(&to_ann()).await;
        assert_eq!(done["reasons"]["failed"], json!({"message_rejected": 1}), "{status} {reason:?}");
        let delivery = dev.delivery(done["id"].as_str().unwrap(), PHONE).await;
        assert_eq!((&delivery["attempts"], delivery["detail"] == "BrandNew"), (&json!(1), reason.is_some()), "{delivery}");
        assert_active(&dev).await;
    }
    dev.behave(json!([answer(403, "BrandNew")])).await;
    let id = dev.notify(&to_ann()).await;
    dev.waits(&id, PHONE, "lane_paused").await;
    assert_eq!(lane(&dev).await, ("paused".to_owned(), "credential_refused: BrandNew".to_owned()));
    assert_active(&dev).await;
}

/// A mismatch is Apple's word for our mistake as well: it is held back until much of the lane is known.
#[tokio::test]
async fn a_token_of_another_topic_costs_its_device_only_where_the_lane_is_known_to_work() {
    let dev = Dev::start();
    phone(&dev).await;
    dev.behave(json!([once(
        json!({"provider": "apns", "token_prefix": "a1", "respond": {"status": 400, "reason": "DeviceTokenNotForTopic"}})
    )]))
    .await;
    let done = dev.send_and_wait(&to_ann()).await;
    assert_eq!(done["reasons"]["failed"], json!({"token_mismatched": 1}));
    assert_active(&dev).await;

    for number in 0..100 {
        dev.ios(&format!("well-{number}"), &format!("user-{number}"), &apns_token("b1", number)).await;
    }
    let others: Vec<_> = (0..100).map(|number| format!("well-{number}")).collect();
    let done = dev.send_and_wait(&json!({"to": {"device_ids": others}, "content": {"title": "t"}})).await;
    assert_eq!(done["counts"]["sent"], 100);
    until("the verdict that was held back is carried out", async || {
        let device = dev.get(&format!("/v1/devices/{PHONE}")).await.expect(200);
        (device["inactive_reason"] == "token_mismatched").then_some(())
    })
    .await;
    assert_eq!(lane(&dev).await.0, "running");
}

/// Where hardly a token is of this topic, the topic is what is wrong.
#[tokio::test]
async fn more_mismatches_than_chance_explains_pause_the_lane_and_cost_nobody_a_device() {
    let dev = Dev::start();
    dev.import_many(0..120).await;
    dev.behave(json!([answer(400, "DeviceTokenNotForTopic")])).await;
    let phones: Vec<_> = (0..120).map(|number| format!("phone-{number}")).collect();
    let id = dev.notify(&json!({"to": {"device_ids": phones}, "content": {"title": "t"}})).await;
    // as many as are needed to judge; the last of them pauses it
    let reasons = json!({"waiting": {"lane_paused": 21}, "suppressed": {}, "failed": {"token_mismatched": 99}});
    until("the lane is judged", async || {
        let body = dev.get(&format!("/v1/notifications/{id}")).await.expect(200);
        ["waiting", "suppressed", "failed"].iter().all(|name| body["reasons"][name] == reasons[name]).then_some(())
    })
    .await;
    assert_eq!(lane(&dev).await, ("paused".to_owned(), "token_mismatched: DeviceTokenNotForTopic".to_owned()));

    // what had been held back against them is forgotten
    dev.behave(json!([])).await;
    dev.post("/v1/lanes/apns/resume", &Value::Null).await.expect(200);
    assert_eq!(dev.done(&id).await["counts"]["sent"], 21);
    let done = dev.send_and_wait(&json!({"to": {"device_ids": phones}, "content": {"title": "t"}})).await;
    assert_eq!(done["counts"]["sent"], 120, "{done}");
    assert!(dev.items("/v1/devices?status=inactive").await.is_empty());
}

#[tokio::test]
async fn an_expired_token_is_dead_unless_it_was_registered_since() {
    let dev = Dev::start();
    phone(&dev).await;
    let expired = |timestamp: Option<i64>| json!([{"provider": "apns", "respond": {"status": 410, "reason": "ExpiredToken", "timestamp": timestamp}}]);
    // Apple says when: the phone has registered the token since
    dev.behave(expired(Some(1_600_000_000_000))).await;
    let done = dev.send_and_wait(&to_ann()).await;
    assert_eq!(done["reasons"]["failed"], json!({"token_dead": 1}));
    assert_active(&dev).await;

    dev.behave(expired(None)).await;
    let done = dev.send_and_wait(&to_ann()).await;
    assert_eq!(done["reasons"]["failed"], json!({"token_dead": 1}));
    let device = dev.get(&format!("/v1/devices/{PHONE}")).await.expect(200);
    assert_eq!((&device["status"], &device["inactive_reason"]), (&json!("inactive"), &json!("token_dead")));
}

/// What Herald had thought to fit.
#[tokio::test]
async fn a_payload_that_apple_finds_too_large_is_called_so() {
    let dev = Dev::start();
    phone(&dev).await;
    for reason in [Some("PayloadTooLarge"), None] {
        dev.behave(json!([{"provider": "apns", "respond": {"status": 413, "reason": reason}}])).await;
        let done = dev.send_and_wait(&to_ann()).await;
        assert_eq!(done["reasons"]["failed"], json!({"payload_too_large": 1}), "{reason:?}");
        assert_active(&dev).await;
    }
}
