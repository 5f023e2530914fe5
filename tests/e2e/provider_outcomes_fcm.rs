//! What Google's errors come to, one by one: for the delivery, the device and the parts of the lane.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::daemon::{Dev, until};

const ANDROID: &str = "tablet";

/// A device of a user of the same name, whose token is `<name>-token`.
async fn device(dev: &Dev, name: &str, platform: &str) {
    let body = json!({"user_id": name, "platform": platform, "provider": "fcm", "token": token(name)});
    dev.put(&format!("/v1/devices/{name}"), &body).await.expect(201);
}

fn token(name: &str) -> String {
    format!("{name}-token")
}

fn to(user: &str) -> Value {
    json!({"to": {"user_id": user}, "content": {"title": "t"}})
}

fn respond(respond: &Value) -> Value {
    json!([{"provider": "fcm", "respond": respond}])
}

/// The state of each part of FCM's lane.
async fn parts(dev: &Dev) -> BTreeMap<String, String> {
    let lanes = dev.items("/v1/lanes").await;
    let text = |lane: &Value, name: &str| lane[name].as_str().unwrap().to_owned();
    lanes.iter().filter(|lane| lane["provider"] == "fcm").map(|lane| (text(lane, "platform"), text(lane, "state"))).collect()
}

fn states(android: &str, ios: &str, web: &str) -> BTreeMap<String, String> {
    [("android", android), ("ios", ios), ("web", web)].map(|(part, state)| (part.to_owned(), state.to_owned())).into()
}

async fn resume(dev: &Dev) -> Value {
    dev.post("/v1/lanes/fcm/resume", &Value::Null).await.expect(200)
}

async fn assert_active(dev: &Dev, name: &str) {
    assert_eq!(dev.get(&format!("/v1/devices/{name}")).await.expect(200)["status"], "active");
}

async fn tokens_fetched(dev: &Dev) -> u64 {
    dev.get("/simulator/stats").await.expect(200)["oauth_tokens"].as_u64().unwrap()
}

/// The key that is wrong is Firebase's for Apple and for browsers.
#[tokio::test]
async fn a_refused_third_party_stops_ios_and_web_only() {
    let dev = Dev::start();
    for (name, platform) in [("phone", "ios"), (ANDROID, "android"), ("browser", "web")] {
        device(&dev, name, platform).await;
    }
    dev.behave(json!([{"provider": "fcm", "token_prefix": "phone", "respond": {"status": 401, "reason": "THIRD_PARTY_AUTH_ERROR"}}])).await;
    let first = dev.notify(&to("phone")).await;
    assert_eq!(dev.waits(&first, "phone", "lane_paused").await["attempts"], 1, "an access token would not help");
    assert_eq!(parts(&dev).await, states("running", "paused", "paused"));
    let lanes = dev.items("/v1/lanes").await;
    let ios = lanes.iter().find(|lane| lane["provider"] == "fcm" && lane["platform"] == "ios").unwrap();
    assert_eq!(ios["reason"], "credential_refused: THIRD_PARTY_AUTH_ERROR");

    let all = dev.notify(&json!({"to": {"user_ids": ["phone", ANDROID, "browser"]}, "content": {"title": "t"}})).await;
    dev.waits(&all, "phone", "lane_paused").await;
    dev.waits(&all, "browser", "lane_paused").await;
    until("Android goes on", async || (dev.delivery(&all, ANDROID).await["status"] == "sent").then_some(())).await;
    assert!(dev.pushes(&token("browser")).await.is_empty());

    dev.behave(json!([])).await;
    assert_eq!(resume(&dev).await["state"], "running");
    assert_eq!(parts(&dev).await, states("running", "running", "running"));
    assert_eq!(dev.done(&first).await["counts"]["sent"], 1);
    assert_eq!(dev.done(&all).await["counts"]["sent"], 3);
    assert_active(&dev, "phone").await;
}

#[tokio::test]
async fn a_refused_access_token_is_renewed_once() {
    let dev = Dev::start();
    device(&dev, ANDROID, "android").await;
    dev.send_and_wait(&to(ANDROID)).await;
    let before = tokens_fetched(&dev).await;
    dev.behave(json!([{"provider": "fcm", "respond": {"status": 401}, "times": 1}])).await;
    let done = dev.send_and_wait(&to(ANDROID)).await;
    assert_eq!(done["counts"]["sent"], 1);
    assert_eq!(dev.delivery(done["id"].as_str().unwrap(), ANDROID).await["attempts"], 2);
    assert_eq!(tokens_fetched(&dev).await, before + 1);

    dev.behave(respond(&json!({"status": 401}))).await;
    let id = dev.notify(&to(ANDROID)).await;
    assert_eq!(dev.waits(&id, ANDROID, "lane_paused").await["attempts"], 2, "once, and not again");
    assert_eq!(parts(&dev).await, states("paused", "paused", "paused"));
}

/// Without an `FcmError` a 404 is a wrong project, and the token is innocent.
#[tokio::test]
async fn a_bare_404_pauses_the_lane_and_costs_nobody_a_device() {
    let dev = Dev::start();
    device(&dev, ANDROID, "android").await;
    dev.behave(respond(&json!({"status": 404}))).await;
    let id = dev.notify(&to(ANDROID)).await;
    dev.waits(&id, ANDROID, "lane_paused").await;
    assert_eq!(parts(&dev).await, states("paused", "paused", "paused"));
    assert_active(&dev, ANDROID).await;
    dev.behave(json!([])).await;
    resume(&dev).await;
    assert_eq!(dev.done(&id).await["counts"]["sent"], 1);
}

/// A quota is the project's: all wait as long as was asked.
#[tokio::test]
async fn a_full_quota_holds_the_lane() {
    let dev = Dev::start();
    device(&dev, ANDROID, "android").await;
    device(&dev, "other", "android").await;
    let quota = json!({"status": 429, "reason": "QUOTA_EXCEEDED", "retry_after": 4});
    dev.behave(json!([{"provider": "fcm", "token_prefix": ANDROID, "respond": quota, "times": 1}])).await;
    let first = dev.notify(&to(ANDROID)).await;
    dev.waits(&first, ANDROID, "throttled").await;
    let second = dev.notify(&to("other")).await;
    let waiting = dev.waits(&second, "other", "throttled").await;
    assert_eq!(waiting["attempts"], 0);
    assert!(waiting["next_attempt_at"].is_string(), "{waiting}");
    assert_eq!(parts(&dev).await, states("running", "running", "running"), "patience is no pause");
    let held = held_until(&dev).await;
    assert!(held.len() == 3 && held.iter().all(Option::is_some), "{held:?}");

    assert_eq!(dev.done(&first).await["counts"]["sent"], 1);
    assert_eq!(dev.done(&second).await["counts"]["sent"], 1);
    let at = |push: &Value| push["received_at"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
    let refused = at(&dev.pushes(&token(ANDROID)).await[0]);
    for push in [&dev.pushes(&token(ANDROID)).await[1], &dev.push(&token("other")).await] {
        assert!(at(push) - refused >= TimeDelta::seconds(4), "{push}");
    }
    assert!(held_until(&dev).await.iter().all(Option::is_none), "it is over");
}

/// Until when each part of the lane is held.
async fn held_until(dev: &Dev) -> Vec<Option<DateTime<Utc>>> {
    let lanes = dev.items("/v1/lanes").await;
    let until = |lane: &Value| Some(lane["held_until"].as_str()?.parse().unwrap());
    lanes.iter().filter(|lane| lane["provider"] == "fcm").map(until).collect()
}

#[tokio::test]
async fn what_is_throttled_beyond_its_life_expires_as_throttled() {
    let dev = Dev::start();
    device(&dev, ANDROID, "android").await;
    dev.behave(respond(&json!({"status": 429, "reason": "QUOTA_EXCEEDED", "retry_after": 60}))).await;
    let mut body = to(ANDROID);
    body["ttl_seconds"] = json!(5);
    assert_eq!(dev.send_and_wait(&body).await["reasons"]["expired"], json!({"throttled": 1}));
}

/// Only what names the address is about the address.
#[tokio::test]
async fn an_invalid_argument_elsewhere_is_the_message_s() {
    let dev = Dev::start();
    device(&dev, ANDROID, "android").await;
    let fcm_error = json!({"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": "INVALID_ARGUMENT"});
    let violation = json!({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"field": "message.android.ttl"}]});
    for details in [json!([fcm_error, violation]), json!([violation]), json!([fcm_error])] {
        dev.behave(respond(&json!({"status": 400, "details": details}))).await;
        let done = dev.send_and_wait(&to(ANDROID)).await;
        assert_eq!(done["reasons"]["failed"], json!({"message_rejected": 1}), "{details}");
        assert_active(&dev, ANDROID).await;
    }
    assert_eq!(parts(&dev).await, states("running", "running", "running"));
}

/// Google has no code for it, only a text; a proxy has the status.
#[tokio::test]
async fn a_payload_that_google_finds_too_large_is_called_so() {
    let dev = Dev::start();
    device(&dev, ANDROID, "android").await;
    for answer in [json!({"status": 400, "reason": "INVALID_ARGUMENT", "message": "Android message is too big"}), json!({"status": 413})] {
        dev.behave(respond(&answer)).await;
        let done = dev.send_and_wait(&to(ANDROID)).await;
        assert_eq!(done["reasons"]["failed"], json!({"payload_too_large": 1}), "{answer}");
        assert_active(&dev, ANDROID).await;
    }
}

/// Without an access token nothing is sent and nothing is lost.
#[tokio::test]
async fn a_failing_token_endpoint_is_waited_for() {
    let dev = Dev::start();
    device(&dev, ANDROID, "android").await;
    dev.behave(json!([{"provider": "oauth", "respond": {"status": 503}}])).await;
    let id = dev.notify(&to(ANDROID)).await;
    dev.waits(&id, ANDROID, "unavailable").await;
    assert!(dev.pushes(&token(ANDROID)).await.is_empty());
    assert_eq!(parts(&dev).await, states("running", "running", "running"));
    dev.behave(json!([])).await;
    assert_eq!(dev.done(&id).await["counts"]["sent"], 1);
}

/// An account that Google refuses is a credential like any other.
#[tokio::test]
async fn a_refused_service_account_pauses_the_lane() {
    let dev = Dev::start();
    device(&dev, ANDROID, "android").await;
    dev.behave(json!([{"provider": "oauth", "respond": {"status": 400, "reason": "invalid_grant"}}])).await;
    let id = dev.notify(&to(ANDROID)).await;
    dev.waits(&id, ANDROID, "lane_paused").await;
    assert_eq!(parts(&dev).await, states("paused", "paused", "paused"));
    assert!(dev.pushes(&token(ANDROID)).await.is_empty());
    dev.behave(json!([])).await;
    resume(&dev).await;
    assert_eq!(dev.done(&id).await["counts"]["sent"], 1);
    assert_active(&dev, ANDROID).await;
}

/// What one device gets too much of is no reason to keep the others waiting.
#[tokio::test]
async fn a_device_s_own_quota_holds_that_device_only() {
    let dev = Dev::start();
    device(&dev, ANDROID, "android").await;
    device(&dev, "other", "android").await;
    let details = json!([
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"subject": "device", "description": "Device message rate exceeded"}]},
        {"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": "QUOTA_EXCEEDED"},
    ]);
    let quota = json!({"status": 429, "details": details, "retry_after": 600});
    dev.behave(json!([{"provider": "fcm", "token_prefix": ANDROID, "respond": quota}])).await;
    let first = dev.notify(&to(ANDROID)).await;
    assert_eq!(dev.waits(&first, ANDROID, "throttled").await["attempts"], 1);
    assert_eq!(dev.send_and_wait(&to("other")).await["counts"]["sent"], 1);
    assert_active(&dev, ANDROID).await;
}

/// A lane that is resumed too early pauses again, and works once the key does: no refusal is remembered.
#[tokio::test]
async fn a_revoked_key_pauses_the_lane_until_it_works() {
    let dev = Dev::start();
    device(&dev, ANDROID, "android").await;
    dev.behave(json!([{"provider": "oauth", "respond": {"status": 401, "reason": "unauthorized_client"}}])).await;
    let first = dev.notify(&to(ANDROID)).await;
    dev.waits(&first, ANDROID, "lane_paused").await;
    let second = dev.notify(&to(ANDROID)).await;
    dev.waits(&second, ANDROID, "lane_paused").await;
    resume(&dev).await;
    let lane = until("the second refusal pauses it again", async || {
        dev.items("/v1/lanes").await.into_iter().find(|lane| lane["provider"] == "fcm" && lane["state"] == "paused")
    });
    assert_eq!(lane.await["reason"], "credential_refused: oauth unauthorized_client");
    assert_eq!(tokens_fetched(&dev).await, 0);
    dev.behave(json!([])).await;
    resume(&dev).await;
    assert_eq!(dev.done(&first).await["counts"]["sent"], 1);
    assert_eq!(dev.done(&second).await["counts"]["sent"], 1);
}
