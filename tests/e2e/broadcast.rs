//! Broadcasts: the provider fans out, and Herald counts one.

use serde_json::{Value, json};

use crate::clock::{in_seconds, text};
use crate::daemon::{Client, Dev, Simulator, until};

const PATH: &str = "/v1/notifications";

fn to_topic(topic: &str) -> Value {
    json!({
        "to": {"broadcast": {"fcm_topic": topic}}, "in_quiet_hours": "ignore",
        "content": {"title": "News", "body": "Read all about it", "data": {"issue": "7"}},
        "platforms": {"web": {"title": "News for browsers"}},
    })
}

/// What the simulator got, oldest first.
async fn received(client: &Client) -> Vec<Value> {
    client.items("/simulator/pushes").await
}

async fn only_delivery(client: &Client, id: &str) -> Value {
    let deliveries = client.deliveries(id).await;
    let [delivery] = &*deliveries else { panic!("{deliveries:?}") };
    assert_eq!((&delivery["device_id"], &delivery["user_id"], &delivery["platform"]), (&Value::Null, &Value::Null, &Value::Null));
    assert_eq!(delivery["provider"], "fcm", "{delivery}");
    delivery.clone()
}

#[tokio::test]
async fn a_topic_gets_one_message_for_every_platform() {
    let dev = Dev::start();
    dev.android("tablet", "ann", "well-1").await;
    // what people want is not asked
    dev.prefer("ann", &json!({"channels": {"push": false}})).await;
    let done = dev.send_and_wait(&to_topic("news")).await;
    assert_eq!((&done["counts"]["targeted"], &done["counts"]["sent"]), (&json!(1), &json!(1)), "{done}");
    let pushes = received(&dev).await;
    let [push] = &*pushes else { panic!("{pushes:?}") };
    assert_eq!((&push["device_token"], &push["topic"], &push["status"]), (&Value::Null, &json!("news"), &json!(200)), "{push}");
    let message = &push["body"]["message"];
    assert_eq!(message["data"], json!({"issue": "7", "herald_id": done["id"]}));
    assert_eq!(message["android"]["notification"]["title"], "News");
    assert_eq!(message["apns"]["payload"]["aps"]["alert"]["body"], "Read all about it");
    assert_eq!(message["webpush"]["notification"]["title"], "News for browsers");
    let delivery = only_delivery(&dev, done["id"].as_str().unwrap()).await;
    assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("sent"), &json!(1)), "{delivery}");
    assert!(delivery["provider_message_id"].as_str().unwrap().starts_with("projects/"), "{delivery}");
}

#[tokio::test]
async fn a_condition_is_sent_as_it_was_given() {
    let dev = Dev::start();
    let condition = "'a' in topics && ('b' in topics || !('c' in topics))";
    let mut body = to_topic("news");
    body["to"] = json!({"broadcast": {"fcm_condition": condition}});
    assert_eq!(dev.send_and_wait(&body).await["counts"]["sent"], 1);
    assert_eq!(received(&dev).await[0]["condition"], condition);
}

/// It passes by everybody's quiet hours, so the key must be one that may.
#[tokio::test]
async fn a_broadcast_needs_the_scope_critical() {
    let simulator = Simulator::start();
    let (plain, critical) = (simulator.key("send"), simulator.key("send,read,critical"));
    let daemon = simulator.serve(&[]);
    let client = Client::new(&daemon.url, &plain);
    client.post(PATH, &to_topic("news")).await.problem(403, "scope_missing");
    let client = client.with_key(&critical);
    for word in [Value::Null, json!("defer"), json!("drop")] {
        let mut body = to_topic("news");
        body["in_quiet_hours"] = word;
        client.post(PATH, &body).await.invalid("in_quiet_hours", "invalid");
    }
    client.post(PATH, &to_topic("/topics/news")).await.invalid("to.broadcast.fcm_topic", "invalid");
    let mut body = to_topic("news");
    body["fcm"] = json!({"topic": "other"});
    client.post(PATH, &body).await.invalid("fcm.topic", "override_forbidden");
    assert_eq!(client.send_and_wait(&to_topic("news")).await["counts"]["sent"], 1);
    assert_eq!(received(&simulator.client).await.len(), 1);
}

#[tokio::test]
async fn an_app_without_fcm_is_told_so() {
    let simulator = Simulator::start();
    simulator.remove("[apps.demo.fcm]");
    let key = simulator.key("send,critical");
    let daemon = simulator.serve(&[]);
    Client::new(&daemon.url, &key).post(PATH, &to_topic("news")).await.invalid("to.broadcast.fcm_topic", "invalid");
}

#[tokio::test]
async fn the_same_key_broadcasts_once() {
    let dev = Dev::start();
    let body = to_topic("news").to_string();
    let first = dev.post_once(PATH, "key-1", &body).await.expect(202);
    let again = dev.post_once(PATH, "key-1", &body).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.expect(202), first);
    dev.done(first["id"].as_str().unwrap()).await;
    assert_eq!(received(&dev).await.len(), 1);
}

/// A full quota is waited for, and the same message goes out again.
#[tokio::test]
async fn what_is_throttled_is_sent_later() {
    let dev = Dev::start();
    dev.behave(json!([{"provider": "fcm", "respond": {"status": 429, "reason": "QUOTA_EXCEEDED", "retry_after": 1}, "times": 1}])).await;
    let id = dev.notify(&to_topic("news")).await;
    until("it waits as throttled", async || {
        let delivery = only_delivery(&dev, &id).await;
        (delivery["status"] == "waiting" && delivery["reason"] == "throttled").then_some(())
    })
    .await;
    let done = dev.done(&id).await;
    assert_eq!((&done["counts"]["sent"], &done["counts"]["targeted"]), (&json!(1), &json!(1)), "{done}");
    assert_eq!(only_delivery(&dev, &id).await["attempts"], 2);
    let statuses: Vec<_> = received(&dev).await.iter().map(|push| push["status"].clone()).collect();
    assert_eq!(statuses, [429, 200]);
}

/// There is no token that could be at fault.
#[tokio::test]
async fn what_google_says_of_a_token_is_said_of_the_message() {
    let dev = Dev::start();
    dev.android("tablet", "ann", "well-1").await;
    for (status, reason) in [(400, "INVALID_ARGUMENT"), (403, "SENDER_ID_MISMATCH"), (404, "UNREGISTERED")] {
        dev.behave(json!([{"provider": "fcm", "respond": {"status": status, "reason": reason}, "times": 1}])).await;
        let done = dev.send_and_wait(&to_topic("news")).await;
        assert_eq!(done["reasons"]["failed"], json!({"message_rejected": 1}), "{reason}: {done}");
        assert_eq!(only_delivery(&dev, done["id"].as_str().unwrap()).await["detail"], reason);
    }
    assert_eq!(dev.get("/v1/devices/tablet").await.expect(200)["status"], "active");
}

#[tokio::test]
async fn a_refused_credential_holds_a_broadcast_until_the_lane_goes_on() {
    let dev = Dev::start();
    let refusal = json!({"status": 401, "reason": "THIRD_PARTY_AUTH_ERROR"});
    dev.behave(json!([{"provider": "fcm", "respond": refusal, "times": 1}])).await;
    let id = dev.notify(&to_topic("news")).await;
    let paused = async || {
        let delivery = only_delivery(&dev, &id).await;
        (delivery["reason"] == "lane_paused").then_some(())
    };
    until("it waits for its lane", paused).await;
    // Android alone goes on, a broadcast does not: it would not reach the others
    dev.android("tablet", "ann", "well-1").await;
    assert_eq!(dev.send_and_wait(&json!({"to": {"user_id": "ann"}, "content": {"title": "t"}})).await["counts"]["sent"], 1);
    let second = dev.notify(&to_topic("sport")).await;
    until("the next one waits too", async || (only_delivery(&dev, &second).await["reason"] == "lane_paused").then_some(())).await;
    dev.delete(&format!("{PATH}/{second}")).await.expect(200);
    assert_eq!(dev.done(&second).await["counts"]["cancelled"], 1);
    assert!(received(&dev).await.iter().all(|push| push["topic"] != "sport"));
}

#[tokio::test]
async fn a_scheduled_one_waits_and_can_be_cancelled() {
    let dev = Dev::start();
    let mut body = to_topic("news");
    body["send_at"] = json!(text(in_seconds(3600)));
    let id = dev.notify(&body).await;
    let delivery = only_delivery(&dev, &id).await;
    assert_eq!((&delivery["status"], &delivery["reason"]), (&json!("waiting"), &json!("scheduled")));
    dev.delete(&format!("{PATH}/{id}")).await.expect(200);
    let done = dev.done(&id).await;
    assert_eq!((&done["status"], &done["counts"]["cancelled"]), (&json!("cancelled"), &json!(1)), "{done}");
    assert!(received(&dev).await.is_empty());
}

/// Half of what a device may get: the text stands in the part of each platform.
#[tokio::test]
async fn a_topic_takes_two_kibibytes() {
    let dev = Dev::start();
    let with = |letters: usize| {
        let mut body = to_topic("news");
        body["content"]["body"] = json!("x".repeat(letters));
        body
    };
    let problem = dev.post(PATH, &with(700)).await.problem(413, "payload_too_large");
    assert!(problem["detail"].as_str().unwrap().contains("fcm"), "{problem}");
    let preview = dev.post("/v1/notifications/preview", &with(500)).await.expect(200);
    assert_eq!((&preview["targeted"], &preview["decisions"]), (&json!(1), &json!({"send": 1})), "{preview}");
    let [rendered] = preview["rendered"].as_array().unwrap().as_slice() else { panic!("{preview}") };
    assert_eq!((&rendered["provider"], &rendered["platform"], &rendered["locale"]), (&json!("fcm"), &Value::Null, &Value::Null));
    assert_eq!(rendered["payload"]["message"]["topic"], "news");
    assert!(rendered["bytes"].as_u64().unwrap() <= 2048, "{rendered}");
    assert_eq!(dev.send_and_wait(&with(500)).await["counts"]["sent"], 1);
}

fn to_channel(event: &Value) -> Value {
    let mut body = json!({
        "to": {"broadcast": {"apns_channel": "dHN0LXNyY2gtY2hubA==", "environment": "sandbox"}},
        "in_quiet_hours": "ignore", "ttl_seconds": 0, "live_activity": {"content_state": {"score": "2:1"}},
    });
    body["live_activity"].as_object_mut().unwrap().extend(event.as_object().unwrap().clone());
    body
}

#[tokio::test]
async fn a_channel_gets_one_update_of_a_live_activity() {
    let dev = Dev::start();
    let done = dev.send_and_wait(&to_channel(&json!({"event": "update"}))).await;
    assert_eq!((&done["counts"]["targeted"], &done["counts"]["sent"]), (&json!(1), &json!(1)), "{done}");
    let pushes = received(&dev).await;
    let [push] = &*pushes else { panic!("{pushes:?}") };
    assert_eq!(
        (&push["provider"], &push["environment"], &push["device_token"]),
        (&json!("apns"), &json!("sandbox"), &Value::Null),
        "{push}"
    );
    let headers = &push["headers"];
    assert_eq!(
        (&headers["apns-channel-id"], &headers["apns-push-type"]),
        (&json!("dHN0LXNyY2gtY2hubA=="), &json!("liveactivity")),
        "{push}"
    );
    assert_eq!(
        (&push["body"]["aps"]["event"], &push["body"]["aps"]["content-state"]),
        (&json!("update"), &json!({"score": "2:1"})),
        "{push}"
    );
}

#[tokio::test]
async fn a_channel_carries_what_runs_and_nothing_else() {
    let dev = Dev::start();
    let mut plain = to_channel(&json!({"event": "update"}));
    plain.as_object_mut().unwrap().remove("live_activity");
    plain["content"] = json!({"title": "t"});
    dev.post(PATH, &plain).await.invalid("live_activity", "required");
    for (event, field) in [
        (json!({"event": "start", "attributes_type": "Match", "attributes": {}}), "live_activity.event"),
        (json!({"event": "end", "activity_id": "a1"}), "live_activity.activity_id"),
    ] {
        dev.post(PATH, &to_channel(&event)).await.invalid(field, "invalid");
    }
    let mut to_fcm = to_channel(&json!({"event": "update", "activity_id": "a1"}));
    to_fcm["to"] = json!({"broadcast": {"fcm_topic": "news"}});
    dev.post(PATH, &to_fcm).await.invalid("to", "invalid");
}
