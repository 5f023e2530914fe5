//! An installation's other addresses: calls, location queries, and the life of a Live Activity.

use serde_json::{Value, json};

use crate::clock::{in_seconds, text};
use crate::daemon::{Client, Dev, apns_token, until};

const PHONE: &str = "/v1/devices/phone";

/// A phone of Ann's; its ordinary token.
async fn phone(dev: &Client) -> String {
    let token = apns_token("a1", 1);
    dev.ios("phone", "ann", &token).await;
    token
}

/// One more address of the phone.
async fn address(dev: &Client, kind: &str, token: &str) -> Value {
    let answer = dev.put(&format!("{PHONE}/tokens/{kind}"), &json!({ "token": token })).await;
    assert!(answer.status.is_success(), "{}", answer.body);
    answer.body
}

async fn kinds(dev: &Client) -> Vec<String> {
    let device = dev.get(PHONE).await.expect(200);
    device["tokens"].as_array().into_iter().flatten().map(|token| token["kind"].as_str().unwrap().to_owned()).collect()
}

fn to_ann(body: &Value) -> Value {
    let mut body = body.clone();
    body["to"] = json!({"user_id": "ann"});
    body
}

fn update(minutes: u32) -> Value {
    json!({"event": "update", "activity_id": "ride-7", "content_state": {"minutes": minutes}})
}

async fn mute(dev: &Client, seconds: i64) {
    dev.prefer("ann", &json!({"muted_until": text(in_seconds(seconds))})).await;
}

#[tokio::test]
async fn a_call_goes_to_the_address_for_calls() {
    let dev = Dev::start();
    let (ordinary, calls, place) = (phone(&dev).await, apns_token("b1", 1), apns_token("b2", 1));
    address(&dev, "voip", &calls).await;
    address(&dev, "location", &place).await;
    // a call is not held: nothing of it is shown by Herald's doing
    mute(&dev, 3600).await;
    let done =
        dev.send_and_wait(&to_ann(&json!({"push_type": "voip", "content": {"data": {"caller": "Ben"}}, "priority": "normal"}))).await;
    assert_eq!(done["counts"]["sent"], 1, "{done}");
    let push = dev.push(&calls).await;
    assert_eq!(push["body"], json!({"aps": {}, "caller": "Ben", "herald_id": done["id"]}));
    let headers = &push["headers"];
    assert_eq!((&headers["apns-push-type"], &headers["apns-topic"]), (&json!("voip"), &json!("com.example.demo.voip")));
    assert_eq!(headers["apns-priority"], "10");
    let ends_at: i64 = headers["apns-expiration"].as_str().unwrap().parse().unwrap();
    assert!((ends_at - in_seconds(30).timestamp()).abs() <= 20, "a call does not ring the next day: {ends_at}");

    let done = dev.send_and_wait(&to_ann(&json!({"push_type": "location", "ttl_seconds": 0}))).await;
    assert_eq!(done["counts"]["sent"], 1, "{done}");
    let headers = &dev.push(&place).await["headers"];
    assert_eq!((&headers["apns-push-type"], &headers["apns-topic"]), (&json!("location"), &json!("com.example.demo.location-query")));
    assert_eq!((&headers["apns-priority"], &headers["apns-expiration"]), (&json!("10"), &json!("0")));
    assert!(dev.pushes(&ordinary).await.is_empty());
}

#[tokio::test]
async fn what_a_device_lacks_is_not_sent_to_another_address() {
    let dev = Dev::start();
    let ordinary = phone(&dev).await;
    dev.android("tablet", "ann", "well-1").await;
    address(&dev, "live_activity.ride-8", &apns_token("b1", 1)).await;
    for body in [json!({"push_type": "voip"}), json!({"push_type": "location"}), json!({"live_activity": update(3)})] {
        let preview = dev.post("/v1/notifications/preview", &to_ann(&body)).await.expect(200);
        assert_eq!(preview["decisions"], json!({"unsupported": 2}), "{preview}");
        let done = dev.send_and_wait(&to_ann(&body)).await;
        assert_eq!(done["reasons"]["suppressed"], json!({"unsupported": 2}), "{done}");
    }
    assert!(dev.pushes(&ordinary).await.is_empty() && dev.pushes("well-1").await.is_empty());
    // and a browser or an Android phone has no such addresses
    dev.put("/v1/devices/tablet/tokens/voip", &json!({"token": apns_token("b2", 1)})).await.invalid("kind", "unsupported");
}

#[tokio::test]
async fn a_live_activity_starts_changes_and_ends() {
    let dev = Dev::start();
    let ordinary = phone(&dev).await;
    let (starts, runs) = (apns_token("b1", 1), apns_token("b2", 1));
    address(&dev, "live_activity_start.RideAttributes", &starts).await;
    let body = json!({
        "live_activity": {
            "event": "start", "attributes_type": "RideAttributes", "attributes": {"driver": "Ben"}, "content_state": {"minutes": 9},
            "stale_at": "2030-01-01T00:00:00Z",
        },
        "content": {"title": "Your ride", "body": "9 min", "sound": "default"}, "localized": {"fr": {"title": "Votre course"}},
    });
    let done = dev.send_and_wait(&to_ann(&body)).await;
    assert_eq!(done["counts"]["sent"], 1, "{done}");
    let push = dev.push(&starts).await;
    let aps = &push["body"]["aps"];
    let accepted_at = crate::clock::instant(&done["accepted_at"]).timestamp();
    assert_eq!(
        *aps,
        json!({
            "timestamp": accepted_at, "event": "start", "attributes-type": "RideAttributes", "attributes": {"driver": "Ben"},
            "content-state": {"minutes": 9}, "stale-date": 1_893_456_000, "input-push-token": 1,
            "alert": {"title": "Your ride", "body": "9 min", "sound": "default"},
        })
    );
    let headers = &push["headers"];
    assert_eq!((&headers["apns-push-type"], &headers["apns-priority"]), (&json!("liveactivity"), &json!("10")));
    assert_eq!(headers["apns-topic"], "com.example.demo.push-type.liveactivity");

    // the app tells the address of what was started
    address(&dev, "live_activity.ride-7", &runs).await;
    let done = dev.send_and_wait(&to_ann(&json!({"live_activity": update(3), "priority": "normal"}))).await;
    assert_eq!(done["counts"]["sent"], 1, "{done}");
    let end = json!({"event": "end", "activity_id": "ride-7", "dismiss_at": "2030-01-01T00:00:00Z"});
    let done = dev.send_and_wait(&to_ann(&json!({"live_activity": end, "content": {"title": "Arrived"}}))).await;
    assert_eq!(done["counts"]["sent"], 1, "{done}");
    let pushes = dev.pushes(&runs).await;
    let told: Vec<(&Value, &Value, &Value)> = pushes
        .iter()
        .map(|push| (&push["body"]["aps"]["event"], &push["body"]["aps"]["content-state"], &push["headers"]["apns-priority"]))
        .collect();
    assert_eq!(told, [(&json!("update"), &json!({"minutes": 3}), &json!("5")), (&json!("end"), &Value::Null, &json!("10"))]);
    assert_eq!(pushes[1]["body"]["aps"]["dismissal-date"], 1_893_456_000);
    assert_eq!(pushes[1]["body"]["aps"]["alert"], json!({"title": "Arrived"}));
    assert!(dev.pushes(&ordinary).await.is_empty());
}

/// Only what is shown as an alert waits for the end of quiet hours, and then goes to the address that there is by then.
#[tokio::test]
async fn a_live_activity_without_words_is_not_held() {
    let dev = Dev::start();
    phone(&dev).await;
    let (old, new) = (apns_token("b1", 1), apns_token("b1", 2));
    address(&dev, "live_activity.ride-7", &old).await;
    mute(&dev, 3).await;
    let loud = dev.notify(&to_ann(&json!({"live_activity": update(2), "content": {"title": "Two minutes"}}))).await;
    dev.waits(&loud, "phone", "quiet_hours").await;
    let done = dev.send_and_wait(&to_ann(&json!({"live_activity": update(3)}))).await;
    assert_eq!(done["counts"]["sent"], 1, "{done}");
    assert_eq!(dev.push(&old).await["body"]["aps"]["content-state"], json!({"minutes": 3}));
    address(&dev, "live_activity.ride-7", &new).await;
    assert_eq!(dev.done(&loud).await["counts"]["sent"], 1);
    assert_eq!((dev.pushes(&old).await.len(), dev.push(&new).await["body"]["aps"]["alert"].clone()), (1, json!({"title": "Two minutes"})));
}

#[tokio::test]
async fn a_dead_address_goes_and_the_device_stays() {
    let dev = Dev::start();
    let ordinary = phone(&dev).await;
    address(&dev, "voip", &apns_token("b1", 1)).await;
    address(&dev, "live_activity.ride-7", &apns_token("dead", 1)).await;
    let done = dev.send_and_wait(&to_ann(&json!({"live_activity": update(3)}))).await;
    assert_eq!(done["reasons"]["failed"], json!({"token_dead": 1}), "{done}");
    until("the address is gone", async || (kinds(&dev).await == ["voip"]).then_some(())).await;
    assert_eq!(dev.get(PHONE).await.expect(200)["status"], "active");
    let done = dev.send_and_wait(&to_ann(&json!({"live_activity": update(2)}))).await;
    assert_eq!(done["reasons"]["suppressed"], json!({"unsupported": 1}), "{done}");
    let done = dev.send_and_wait(&to_ann(&json!({"content": {"title": "t"}}))).await;
    assert_eq!(done["counts"]["sent"], 1, "{done}");
    assert_eq!(dev.pushes(&ordinary).await.len(), 1);
}

#[tokio::test]
async fn an_address_is_moved_to_the_environment_that_knows_it() {
    let dev = Dev::start();
    phone(&dev).await;
    let calls = apns_token("b1", 1);
    address(&dev, "voip", &calls).await;
    dev.behave(json!([{"provider": "apns", "respond": {"status": 400, "reason": "BadDeviceToken"}, "times": 1}])).await;
    for _ in 0..2 {
        let done = dev.send_and_wait(&to_ann(&json!({"push_type": "voip"}))).await;
        assert_eq!(done["counts"]["sent"], 1, "{done}");
        let moved = async || dev.get(PHONE).await.expect(200)["tokens"][0]["environment"] == "sandbox";
        until("the address is moved", async || moved().await.then_some(())).await;
    }
    assert_eq!(dev.get(PHONE).await.expect(200)["environment"], "production", "the ordinary one was not asked about");
    let went: Vec<_> = dev.pushes(&calls).await.iter().map(|push| push["environment"].as_str().unwrap().to_owned()).collect();
    assert_eq!(went, ["production", "sandbox", "sandbox"]);
}

#[tokio::test]
async fn a_bad_hour_is_survived() {
    let dev = Dev::start();
    phone(&dev).await;
    // fails twice, then takes it
    let calls = apns_token("50302", 1);
    address(&dev, "voip", &calls).await;
    let done = dev.send_and_wait(&to_ann(&json!({"push_type": "voip", "ttl_seconds": 600}))).await;
    assert_eq!(done["counts"]["sent"], 1, "{done}");
    assert_eq!(dev.delivery(done["id"].as_str().unwrap(), "phone").await["attempts"], 3);
}

/// What was meant for one person is shown to nobody who signs in after them, and the addresses that they had are gone.
#[tokio::test]
async fn a_device_whose_user_changes_has_no_other_addresses() {
    let dev = Dev::start();
    let ordinary = phone(&dev).await;
    let activity = apns_token("b1", 1);
    address(&dev, "live_activity.ride-7", &activity).await;
    mute(&dev, 3).await;
    let held = dev.notify(&to_ann(&json!({"live_activity": update(2), "content": {"title": "for Ann"}}))).await;
    dev.waits(&held, "phone", "quiet_hours").await;
    dev.ios("phone", "ben", &ordinary).await;
    assert!(kinds(&dev).await.is_empty());
    // also where the app tells the same address again
    address(&dev, "live_activity.ride-7", &activity).await;
    assert_eq!(dev.done(&held).await["reasons"]["suppressed"], json!({"user_changed": 1}));
    assert!(dev.pushes(&activity).await.is_empty());
    dev.patch(PHONE, &json!({"user_id": null})).await.expect(200);
    assert!(kinds(&dev).await.is_empty(), "signed out");
}

#[tokio::test]
async fn what_is_too_large_is_told_before_it_is_taken() {
    let dev = Dev::start();
    phone(&dev).await;
    let data = |bytes: usize| json!({"data": {"x": "y".repeat(bytes)}});
    let calls = apns_token("b1", 1);
    address(&dev, "voip", &calls).await;
    let done = dev.send_and_wait(&to_ann(&json!({"push_type": "voip", "content": data(5000)}))).await;
    assert_eq!(done["counts"]["sent"], 1, "{done}");
    dev.post("/v1/notifications", &to_ann(&json!({"push_type": "voip", "content": data(5100)}))).await.problem(413, "payload_too_large");
    let large = json!({"live_activity": {"event": "update", "activity_id": "a", "content_state": {"x": "y".repeat(4096)}}});
    let problem = dev.post("/v1/notifications", &to_ann(&large)).await.problem(413, "payload_too_large");
    assert_eq!((&problem["provider"], &problem["limit"]), (&json!("apns"), &json!(4096)), "{problem}");
}

#[tokio::test]
async fn an_address_is_told_by_its_hint_only() {
    let dev = Dev::start();
    phone(&dev).await;
    let calls = apns_token("b1", 1);
    let made = address(&dev, "voip", &calls).await;
    let device = dev.get(PHONE).await.expect(200);
    assert_eq!(device["tokens"], json!([made]));
    assert!(!device.to_string().contains(&calls));
    assert_eq!(dev.delete(&format!("{PHONE}/tokens/voip")).await.status, 204);
    dev.delete(&format!("{PHONE}/tokens/voip")).await.problem(404, "not_found");
    dev.put(&format!("{PHONE}/tokens/alert"), &json!({ "token": calls })).await.invalid("kind", "invalid");
    dev.put("/v1/devices/nobody/tokens/voip", &json!({ "token": calls })).await.problem(404, "not_found");
    let reader = dev.post("/v1/keys", &json!({"name": "r", "scopes": ["read", "send"]})).await.expect(201)["key"].clone();
    let reader = dev.with_key(reader.as_str().unwrap());
    reader.put(&format!("{PHONE}/tokens/voip"), &json!({ "token": calls })).await.problem(403, "scope_missing");
}
