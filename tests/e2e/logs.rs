//! What a log at its loudest does not say.

use serde_json::{Value, json};

use crate::daemon::{DEV_KEY, Dev, apns_token};

/// Traffic of every kind at `RUST_LOG=trace`: no token, no key, no secret, no words of a push, nobody's address.
#[tokio::test]
async fn no_secret_is_logged() {
    let dev = Dev::logging("trace");
    let (well, dead) = (apns_token("a1c5e7", 0xbeef), apns_token("dead0c5e7", 0xbeef));
    dev.ios("phone", "ann", &well).await;
    dev.ios("dead", "ann", &dead).await;
    dev.android("tablet", "ann", "well-secret-token").await;
    let calls = apns_token("b1c5e7", 0xbeef);
    dev.put("/v1/devices/phone/tokens/voip", &json!({ "token": calls })).await.expect(201);
    dev.put("/v1/devices/phone/tokens/location", &json!({"token": "other-secret-token"})).await.invalid("token", "invalid");
    let called = dev.send_and_wait(&json!({"to": {"device_ids": ["phone"]}, "push_type": "voip"})).await;
    assert_eq!(called["counts"]["sent"], 1, "{called}");
    let subscription = dev.post("/simulator/subscriptions", &json!({"id": "secret-endpoint"})).await.expect(201);
    dev.put("/v1/devices/browser", &json!({"user_id": "ann", "platform": "web", "token": subscription})).await.expect(201);
    dev.put("/v1/devices/bad", &json!({"user_id": "ann", "platform": "ios", "token": "not-hex-but-secret"}))
        .await
        .invalid("token", "invalid");
    let line = json!({"device_id": "imported", "user_id": "ben", "platform": "android", "token": "imported-secret-token"});
    dev.import("", &format!("{line}\n{{\"token\": \"broken-secret-token\"\n")).await.expect(200);
    dev.put("/v1/users/ann/contacts", &json!({"email": "ann-secret@example.com", "phone": "+33699999999"})).await.expect(200);
    let made = dev.post("/v1/keys", &json!({"name": "x", "scopes": ["read"]})).await.expect(201);
    let key = made["key"].as_str().unwrap().to_owned();
    dev.with_key(&key).get("/v1/devices/phone").await.expect(200);
    dev.with_key("wrong-secret-key").get("/v1/devices/phone").await.problem(401, "key_invalid");
    dev.behave(json!([{"provider": "fcm", "respond": {"status": 503, "reason": "UNAVAILABLE"}, "times": 1}])).await;
    let done = dev
        .send_and_wait(&json!({"to": {"user_ids": ["ann", "ben"]}, "content": {"title": "words nobody else reads", "data": {"k": "data nobody else reads"}}}))
        .await;
    assert_eq!(done["counts"]["sent"], 4, "{done}");
    let folder = dev.dir.path().to_owned();
    let account: Value = serde_json::from_slice(&std::fs::read(folder.join("service-account.json")).unwrap()).unwrap();
    let apple =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.extension().is_some_and(|end| end == "p8"));
    let apple = std::fs::read_to_string(apple.unwrap()).unwrap();
    let second_line = |pem: &str| pem.lines().nth(1).unwrap().to_owned();
    let google = second_line(account["private_key"].as_str().unwrap());
    let vapid = std::fs::read_to_string(folder.join("vapid.pem")).unwrap();
    let pushed = dev.push("secret-endpoint").await;
    let signed = pushed["headers"]["authorization"].as_str().unwrap().split_once(", ").unwrap().0.to_owned();
    let arrived = dev.pushes("well-secret-token").await;
    let log = dev.stop_and_read().await;
    assert!(log.contains("herald"), "there is a log at all");
    assert!(log.lines().count() > 50, "a loud one: {log}");
    assert_eq!(arrived.last().unwrap()["status"], 200);
    for secret in [
        well.as_str(),
        &dead,
        &calls,
        "other-secret-token",
        "well-secret-token",
        "not-hex-but-secret",
        "imported-secret-token",
        "secret-endpoint",
        subscription["keys"]["auth"].as_str().unwrap(),
        &second_line(&vapid),
        &signed,
        "broken-secret-token",
        "ann-secret@example.com",
        "+33699999999",
        DEV_KEY,
        &key,
        "wrong-secret-key",
        &google,
        &second_line(&apple),
        "words nobody else reads",
        "data nobody else reads",
    ] {
        let found = log.lines().find(|line| line.contains(secret));
        assert!(found.is_none(), "{secret} in {found:?}");
    }
    // signed tokens: a JSON header in base64url, and Google's bearer tokens
    for line in log.lines() {
        assert!(!line.contains("eyJ") && !line.to_lowercase().contains("bearer "), "{line}");
    }
}

/// A request's line in the log says which request it was and which notification it brought.
#[tokio::test]
async fn a_request_is_logged_with_its_notification() {
    let dev = Dev::logging("info");
    let body = json!({"to": {"user_id": "ann"}, "content": {"title": "t"}});
    let request = dev.request(reqwest::Method::POST, "/v1/notifications").header("x-request-id", "request-of-ann");
    let id = dev.send(request.json(&body)).await.expect(202)["id"].clone();
    let request = dev.request(reqwest::Method::POST, "/v1/notifications/batch").header("x-request-id", "request-of-two");
    dev.send(request.json(&json!({"notifications": [body, body]}))).await.expect(202);
    dev.get(&format!("/v1/notifications/{}", id.as_str().unwrap())).await.expect(200);
    let log = dev.stop_and_read().await;
    let spans: Vec<Value> =
        log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).map(|line| line["span"].clone()).collect();
    let of = |request: &str| spans.iter().find(|span| span["request.id"] == request).unwrap_or_else(|| panic!("{request} in {log}"));
    assert_eq!(of("request-of-ann")["notification.id"], id);
    assert_eq!(of("request-of-ann")["trace.parent"].as_str().map(str::len), Some(55));
    assert_eq!(of("request-of-two")["notification.count"], 2);
    let read = spans.iter().any(|span| span["http.method"] == "GET" && span["notification.id"] == id);
    assert!(read, "{log}");
}
