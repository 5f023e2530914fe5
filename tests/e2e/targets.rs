//! Who is meant, and who is counted.

use serde_json::{Value, json};

use crate::daemon::{Client, Dev, apns_token};

fn counts(notification: &Value) -> [u64; 3] {
    ["targeted", "sent", "suppressed"].map(|name| notification["counts"][name].as_u64().unwrap())
}

async fn send(dev: &Client, to: Value) -> Value {
    dev.send_and_wait(&json!({"to": to, "content": {"title": "t"}})).await
}

#[tokio::test]
async fn whoever_cannot_be_reached_is_counted_and_named() {
    let dev = Dev::start();
    let token = apns_token("dead0", 1);
    dev.ios("gone", "gina", &token).await;
    send(&dev, json!({"user_id": "gina"})).await;
    assert_eq!(dev.get("/v1/devices/gone").await.expect(200)["status"], "inactive");

    for (to, user) in [
        (json!({"user_id": "nobody"}), json!("nobody")),
        (json!({"user_id": "gina"}), json!("gina")),
        (json!({"device_ids": ["never-seen"]}), Value::Null),
        (json!({"device_ids": ["gone"]}), Value::Null),
    ] {
        let done = send(&dev, to.clone()).await;
        assert_eq!(counts(&done), [1, 0, 1], "{to}");
        assert_eq!(done["reasons"]["suppressed"], json!({"no_active_device": 1}), "{to}");
        let deliveries = dev.deliveries(done["id"].as_str().unwrap()).await;
        assert_eq!(deliveries.len(), 1, "{to}");
        let delivery = &deliveries[0];
        assert_eq!(
            (&delivery["device_id"], &delivery["platform"], &delivery["provider"]),
            (&Value::Null, &Value::Null, &Value::Null),
            "{to}"
        );
        assert_eq!((&delivery["status"], &delivery["reason"]), (&json!("suppressed"), &json!("no_active_device")), "{to}");
        if user.is_string() {
            assert_eq!(delivery["user_id"], user, "{to}");
        }
    }
    assert_eq!(dev.pushes(&token).await.len(), 1, "a dead token is not used again");
    dev.get("/v1/devices/never-seen").await.problem(404, "not_found");
}

#[tokio::test]
async fn an_audience_is_the_devices_it_names_each_once() {
    let dev = Dev::start();
    let tokens: Vec<String> = (0..4).map(|number| apns_token("a1", number)).collect();
    for (number, (device, user)) in [("a-1", "ann"), ("a-2", "ann"), ("b-1", "ben"), ("c-1", "cem")].into_iter().enumerate() {
        dev.ios(device, user, &tokens[number]).await;
    }
    let got = async || {
        let mut got = Vec::new();
        for token in &tokens {
            got.push(dev.pushes(token).await.len());
        }
        dev.delete("/simulator/pushes").await;
        got
    };
    for (to, expected, reached) in [
        (json!({"user_id": "ann"}), [2, 2, 0], [1, 1, 0, 0]),
        (json!({"user_ids": ["ann", "ben", "ann"]}), [3, 3, 0], [1, 1, 1, 0]),
        (json!({"user_ids": ["ann", "nobody"]}), [3, 2, 1], [1, 1, 0, 0]),
        (json!({"device_ids": ["a-2", "c-1", "a-2", "never-seen"]}), [3, 2, 1], [0, 1, 0, 1]),
        (json!({"user_ids": ["ann", "ben"], "except_device_ids": ["a-1", "c-1"]}), [2, 2, 0], [0, 1, 1, 0]),
        (json!({"user_ids": ["ann", "ben"], "devices": "latest"}), [2, 2, 0], [0, 1, 1, 0]),
        (json!({"user_ids": ["ann", "ben"], "devices": "all"}), [3, 3, 0], [1, 1, 1, 0]),
    ] {
        let done = send(&dev, to.clone()).await;
        assert_eq!(counts(&done), expected, "{to}");
        assert_eq!(got().await, reached, "{to}");
    }
}

#[tokio::test]
async fn all_are_all_active_devices() {
    let dev = Dev::start();
    for device in dev.items("/v1/devices?limit=500").await {
        dev.delete(&format!("/v1/devices/{}", device["device_id"].as_str().unwrap())).await.expect(204);
    }
    dev.ios("dead", "ann", &apns_token("dead0", 1)).await;
    dev.ios("phone", "ann", &apns_token("a1", 1)).await;
    dev.android("tablet", "ben", "well-1").await;
    dev.ios("signed-out", "ben", &apns_token("a1", 2)).await;
    dev.patch("/v1/devices/signed-out", &json!({"user_id": null})).await.expect(200);
    send(&dev, json!({"device_ids": ["dead"]})).await;
    let done = send(&dev, json!({"all": true})).await;
    assert_eq!(counts(&done), [3, 3, 0], "{done}");
    let deliveries = dev.deliveries(done["id"].as_str().unwrap()).await;
    let mut devices: Vec<_> = deliveries.iter().map(|delivery| delivery["device_id"].as_str().unwrap()).collect();
    devices.sort_unstable();
    assert_eq!(devices, ["phone", "signed-out", "tablet"]);
    let narrowed = send(&dev, json!({"all": true, "except_device_ids": ["phone", "tablet"]})).await;
    assert_eq!(counts(&narrowed), [1, 1, 0], "{narrowed}");
}

#[tokio::test]
async fn an_iphone_may_be_reached_through_google() {
    let dev = Dev::start();
    let body = json!({"user_id": "ann", "platform": "ios", "provider": "fcm", "token": "well-ios-1"});
    assert_eq!(dev.put("/v1/devices/phone", &body).await.expect(201)["provider"], "fcm");
    let body = json!({"user_id": "ann", "platform": "android", "token": {"fid": "cAfe1234567890abcdefgh"}});
    dev.put("/v1/devices/tablet", &body).await.expect(201);
    let done = send(&dev, json!({"user_id": "ann"})).await;
    assert_eq!(done["counts"]["sent"], 2, "{done}");
    let message = &dev.push("well-ios-1").await["body"]["message"];
    assert_eq!(message["apns"]["payload"]["aps"]["alert"]["title"], "t");
    assert_eq!(message["apns"]["headers"]["apns-push-type"], "alert");
    assert!(message.get("android").is_none(), "{message}");
    let message = &dev.push("cAfe1234567890abcdefgh").await["body"]["message"];
    assert_eq!((&message["fid"], &message["token"]), (&json!("cAfe1234567890abcdefgh"), &Value::Null));
}

#[tokio::test]
async fn a_sandbox_device_is_reached_through_the_sandbox() {
    let dev = Dev::start();
    let token = apns_token("a1", 1);
    let body = json!({"user_id": "ann", "platform": "ios", "token": token, "environment": "sandbox"});
    assert_eq!(dev.put("/v1/devices/phone", &body).await.expect(201)["environment"], "sandbox");
    assert_eq!(send(&dev, json!({"user_id": "ann"})).await["counts"]["sent"], 1);
    assert_eq!(dev.push(&token).await["environment"], "sandbox");
}
