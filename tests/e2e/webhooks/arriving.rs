//! What arrives.

use serde_json::{Value, json};

use super::receiver::{Receiver, Reply};
use super::{Hook, dev_for, serve_for};
use crate::clock::now;
use crate::daemon::{Client, Simulator, apns_token, until};

const ALL: [&str; 14] = [
    "delivery.sent",
    "delivery.suppressed",
    "delivery.failed",
    "delivery.expired",
    "receipt.delivered",
    "receipt.opened",
    "receipt.dismissed",
    "device.registered",
    "device.deactivated",
    "preferences.changed",
    "campaign.started",
    "campaign.paused",
    "campaign.done",
    "lane.paused",
];

#[tokio::test]
async fn what_happens_arrives_signed() {
    let receiver = Receiver::start(&[]).await;
    let dev = dev_for(&receiver);
    let hook = Hook::make(&dev, &receiver.url("/all"), &ALL).await;
    let token = apns_token("c0", 1);
    dev.ios("phone", "ann", &token).await;
    let item = receiver.item("/all", "device.registered", |item| item["device_id"] == "phone").await;
    assert_eq!((&item["user_id"], &item["platform"]), (&json!("ann"), &json!("ios")), "{item}");

    let sent = dev.send_and_wait(&json!({"to": {"user_id": "ann"}, "category": "messages", "content": {"title": "CONTENT"}})).await;
    let item = receiver.item("/all", "delivery.sent", |item| item["notification_id"] == sent["id"]).await;
    for (name, value) in [("device_id", "phone"), ("user_id", "ann"), ("platform", "ios"), ("provider", "apns"), ("category", "messages")] {
        assert_eq!(item[name], value, "{item}");
    }

    let receipt = json!({"notification_id": sent["id"], "device_id": "phone", "type": "opened"});
    dev.post("/v1/receipts", &json!({"receipts": [receipt]})).await;
    let item = receiver.item("/all", "receipt.opened", |item| item["notification_id"] == sent["id"]).await;
    assert_eq!((&item["device_id"], &item["user_id"]), (&json!("phone"), &json!("ann")), "{item}");

    dev.prefer("ann", &json!({"channels": {"push": false}})).await;
    receiver.item("/all", "preferences.changed", |item| item["user_id"] == "ann").await;
    let held = dev.send_and_wait(&json!({"to": {"user_id": "ann"}, "content": {"title": "CONTENT"}})).await;
    receiver.item("/all", "delivery.suppressed", |item| item["notification_id"] == held["id"]).await;

    let draft =
        json!({"name": "c", "notification": {"category": "marketing", "content": {"body": "CONTENT"}}, "segment": {"everyone": true}});
    let campaign = dev.post("/v1/campaigns", &draft).await.expect(201);
    let start = format!("/v1/campaigns/{}/start", campaign["id"].as_str().unwrap());
    let started = dev.post(&start, &json!({})).await;
    assert!(started.status.is_success(), "{}", started.body);
    for kind in ["campaign.started", "campaign.done"] {
        receiver.item("/all", kind, |item| item["campaign_id"] == campaign["id"]).await;
    }

    dev.ios("other", "bob", &apns_token("c0", 2)).await;
    dev.behave(json!([{"provider": "apns", "respond": {"status": 403, "reason": "Forbidden"}}])).await;
    dev.notify(&json!({"to": {"user_id": "bob"}, "content": {"title": "CONTENT"}})).await;
    let item = receiver.item("/all", "lane.paused", |item| item["provider"] == "apns").await;
    assert_eq!(item["environment"], "production", "{item}");

    dev.delete("/v1/devices/other").await.expect(204);
    receiver.item("/all", "device.deactivated", |item| item["device_id"] == "other").await;

    for got in receiver.got("/all") {
        assert!(got.is_signed_by(&hook.secret), "{got:?}");
        assert_eq!(got.headers["content-type"], "application/json");
        chrono::DateTime::parse_from_rfc3339(got.body["timestamp"].as_str().unwrap()).unwrap();
        assert_eq!(got.body.as_object().unwrap().len(), 3, "{}", got.body);
        let text = got.body.to_string();
        assert!(!text.contains("CONTENT") && !text.contains(&token), "{text}");
    }
}

#[tokio::test]
async fn a_test_has_no_items_and_the_attempts_tell_of_it() {
    let receiver = Receiver::start(&[]).await;
    let dev = dev_for(&receiver);
    let hook = Hook::make(&dev, &receiver.url("/test"), &["lane.paused"]).await;
    let message = hook.test(&dev).await;
    let got = receiver.wait("/test", 1).await;
    assert_eq!((got[0].id(), got[0].kind(), got[0].items()), (message.as_str(), "webhook.test", &[][..]));
    assert!(got[0].is_signed_by(&hook.secret));
    let attempt = hook.attempt(&dev, &message, |_| true).await;
    assert_eq!((&attempt["status"], &attempt["error"]), (&json!(200), &Value::Null), "{attempt}");
    assert_eq!((&attempt["type"], &attempt["message_status"]), (&json!("webhook.test"), &json!("delivered")), "{attempt}");
}

#[tokio::test]
async fn both_secrets_sign_while_one_takes_the_place_of_the_other() {
    let receiver = Receiver::start(&[]).await;
    let dev = dev_for(&receiver);
    let hook = Hook::make(&dev, &receiver.url("/x"), &["lane.paused"]).await;
    let rotated = dev.send(dev.request(reqwest::Method::POST, &hook.path("/rotate_secret"))).await.expect(201);
    let new = rotated["secret"].as_str().unwrap();
    assert_ne!(new, hook.secret);
    assert_eq!(rotated["id"], hook.id);
    hook.test(&dev).await;
    let got = receiver.wait("/x", 1).await;
    assert!(got[0].is_signed_by(new) && got[0].is_signed_by(&hook.secret));
    let stranger = Hook::make(&dev, &receiver.url("/y"), &["lane.paused"]).await;
    assert!(!got[0].is_signed_by(&stranger.secret));
}

#[tokio::test]
async fn a_replay_sends_the_same_again() {
    let receiver = Receiver::start(&[]).await;
    let dev = dev_for(&receiver);
    let from = now() - chrono::TimeDelta::minutes(1);
    let hook = Hook::make(&dev, &receiver.url("/x"), &["preferences.changed"]).await;
    dev.prefer("ann", &json!({"channels": {"push": false}})).await;
    let first = receiver.wait("/x", 1).await.remove(0);
    let message = first.id().to_owned();
    hook.attempt(&dev, &message, |attempt| attempt["message_status"] == "delivered").await;
    let to = now() + chrono::TimeDelta::minutes(1);
    let replay = dev.post(&hook.path("/replay"), &json!({"from": from, "to": to})).await.expect(202);
    assert_eq!(replay["messages"], 1, "{replay}");
    let again = receiver.wait("/x", 2).await.remove(1);
    assert_eq!((again.id(), &again.bytes), (first.id(), &first.bytes));
    assert!(again.is_signed_by(&hook.secret));
    let none = json!({"from": from - chrono::TimeDelta::days(2), "to": from});
    assert_eq!(dev.post(&hook.path("/replay"), &none).await.expect(202)["messages"], 0);
}

/// What was answered has happened, and is told of, whatever becomes of the daemon then: what was not posted yet, and what was not answered.
#[tokio::test]
async fn a_kill_between_fact_and_message_loses_nothing() {
    let receiver = Receiver::start(&[]).await;
    let simulator = Simulator::start();
    let key = simulator.key("manage");
    let daemon = serve_for(&simulator, &receiver);
    let app = Client::new(&daemon.url, &key);
    let hook = Hook::make(&app, &receiver.url("/x"), &["preferences.changed"]).await;
    receiver.always("/x", Reply::Never);
    app.prefer("first", &json!({"channels": {"push": false}})).await;
    let unanswered = receiver.wait("/x", 1).await.remove(0);
    let users: Vec<String> = (0..20).map(|n| format!("user-{n}")).collect();
    for user in &users {
        app.prefer(user, &json!({"channels": {"push": false}})).await;
    }
    daemon.kill();
    receiver.always("/x", Reply::Status(200));
    receiver.forget();
    let daemon = serve_for(&simulator, &receiver);
    for user in users.iter().map(String::as_str).chain(["first"]) {
        receiver.item("/x", "preferences.changed", |item| item["user_id"] == user).await;
    }
    let got = receiver.got("/x");
    assert!(got.iter().all(|got| got.is_signed_by(&hook.secret)));
    let again = got.iter().find(|got| got.items().iter().any(|item| item["user_id"] == "first")).unwrap();
    assert_eq!((again.id(), &again.bytes), (unanswered.id(), &unanswered.bytes));
    assert!(daemon.terminate().await.success());
}

/// Four attempts at most are under way at the one that never answers.
#[tokio::test]
async fn a_slow_receiver_holds_up_nobody_else() {
    let receiver = Receiver::start(&[]).await;
    let dev = dev_for(&receiver);
    receiver.always("/slow", Reply::Never);
    let slow = Hook::make(&dev, &receiver.url("/slow"), &["lane.paused"]).await;
    for _ in 0..100 {
        slow.test(&dev).await;
    }
    receiver.wait("/slow", 4).await;
    let fast = Hook::make(&dev, &receiver.url("/fast"), &["lane.paused"]).await;
    for count in 1..=5 {
        fast.test(&dev).await;
        receiver.wait("/fast", count).await;
    }
    let running = receiver.got("/slow").len();
    assert!(running <= 8, "{running}");
    let ended = until("an attempt ends", async || dev.items(&slow.path("/attempts")).await.pop()).await;
    assert_eq!(
        (&ended["status"], &ended["error"], &ended["message_status"]),
        (&Value::Null, &json!("timeout"), &json!("waiting")),
        "{ended}"
    );
}
