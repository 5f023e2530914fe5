//! Devices: registered, changed, read, deleted.

use reqwest::Method;
use serde_json::{Value, json};

use crate::clock::{in_seconds, instant};
use crate::daemon::{Dev, apns_token};

#[tokio::test]
async fn a_device_is_answered_without_its_token() {
    let dev = Dev::start();
    let token = apns_token("a1", 1);
    let before = in_seconds(-1);
    let body = json!({
        "user_id": "u1", "platform": "ios", "token": token, "environment": "sandbox", "permission": "provisional",
        "timezone": "Europe/Paris", "locale": "fr-FR", "app_version": "3.2.1", "os_version": "18.1", "model": "iPhone16,1",
        "tags": {"plan": "pro"},
    });
    let answer = dev.put("/v1/devices/d-1.x:Y_z", &body).await;
    let etag = answer.header("etag").to_owned();
    assert!(etag.starts_with('"') && etag.ends_with('"'), "{etag}");
    let mut device = answer.expect(201);
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
    let hint: String = hash.as_ref()[..4].iter().map(|byte| format!("{byte:02x}")).collect();
    for (name, expected) in [
        ("device_id", json!("d-1.x:Y_z")),
        ("user_id", json!("u1")),
        ("platform", json!("ios")),
        ("provider", json!("apns")),
        ("environment", json!("sandbox")),
        ("permission", json!("provisional")),
        ("timezone", json!("Europe/Paris")),
        ("locale", json!("fr-FR")),
        ("app_version", json!("3.2.1")),
        ("os_version", json!("18.1")),
        ("model", json!("iPhone16,1")),
        ("tags", json!({"plan": "pro"})),
        ("status", json!("active")),
        ("inactive_reason", Value::Null),
        ("token_hint", json!(hint)),
    ] {
        assert_eq!(device[name], expected, "{name}");
    }
    for name in ["created_at", "updated_at", "last_seen_at"] {
        assert!(instant(&device[name]) >= before, "{name}");
    }
    assert!(!device.to_string().contains(&token), "{device}");
    let read = dev.get("/v1/devices/d-1.x:Y_z").await;
    assert_eq!(read.header("etag"), etag);
    assert!(device.as_object_mut().unwrap().remove("receipt_token").is_some(), "answered to a registration alone");
    assert_eq!(read.expect(200), device);
}

#[tokio::test]
async fn a_new_device_has_defaults() {
    let dev = Dev::start();
    let device = dev.ios("phone", "ann", &apns_token("a1", 1)).await;
    assert_eq!((&device["environment"], &device["permission"], &device["tags"]), (&json!("production"), &json!("unknown"), &json!({})));
    for name in ["timezone", "locale", "app_version", "os_version", "model"] {
        assert_eq!(device[name], Value::Null, "{name}");
    }
    // nobody is signed in
    let body = json!({"user_id": null, "platform": "android", "token": "well-1"});
    let device = dev.put("/v1/devices/tablet", &body).await.expect(201);
    assert_eq!((&device["user_id"], &device["provider"]), (&Value::Null, &json!("fcm")));
}

/// An absent field keeps its value, null clears it; PUT replaces all tags, PATCH merges them.
#[tokio::test]
async fn a_registration_that_is_repeated_changes_what_it_names() {
    let dev = Dev::start();
    let path = "/v1/devices/phone";
    let body = json!({
        "user_id": "ann", "platform": "ios", "token": apns_token("a1", 1), "timezone": "Europe/Paris", "locale": "fr-FR",
        "permission": "granted", "environment": "sandbox", "tags": {"plan": "pro", "beta": "yes"},
    });
    let created = dev.put(path, &body).await.expect(201);
    let same = dev.put(path, &json!({"platform": "ios"})).await.expect(200);
    for name in ["user_id", "timezone", "locale", "permission", "environment", "tags", "token_hint", "created_at"] {
        assert_eq!(same[name], created[name], "{name}");
    }
    let cleared = json!({"platform": "ios", "timezone": null, "permission": null, "environment": null, "tags": {"plan": "free"}});
    let device = dev.put(path, &cleared).await.expect(200);
    assert_eq!((&device["timezone"], &device["locale"]), (&Value::Null, &json!("fr-FR")));
    assert_eq!((&device["permission"], &device["environment"]), (&json!("unknown"), &json!("production")));
    assert_eq!(device["tags"], json!({"plan": "free"}));
    let device = dev.patch(path, &json!({"tags": {"beta": "no", "plan": null}, "locale": null})).await.expect(200);
    assert_eq!((&device["tags"], &device["locale"]), (&json!({"beta": "no"}), &Value::Null));
    let device = dev.patch(path, &json!({"tags": null})).await.expect(200);
    assert_eq!(device["tags"], json!({}));
    assert_eq!(device["user_id"], "ann");
}

#[tokio::test]
async fn a_version_guards_a_change() {
    let dev = Dev::start();
    let path = "/v1/devices/phone";
    let with = async |method: Method, name: &str, value: &str, body: Option<Value>| {
        let mut request = dev.request(method, path).header(name, value);
        if let Some(body) = body {
            request = request.json(&body);
        }
        dev.send(request).await
    };
    let body = json!({"user_id": "ann", "platform": "ios", "token": apns_token("a1", 1)});
    with(Method::PUT, "if-match", "\"1\"", Some(body.clone())).await.problem(412, "stale");
    dev.get(path).await.problem(404, "not_found");
    let first = dev.put(path, &body).await.header("etag").to_owned();
    assert_eq!(with(Method::GET, "if-none-match", &first, None).await.status, 304);
    let second = with(Method::PATCH, "if-match", &first, Some(json!({"locale": "fr"}))).await;
    assert_eq!(second.status, 200);
    assert_ne!(second.header("etag"), first);
    assert_eq!(with(Method::GET, "if-none-match", &first, None).await.status, 200);
    for method in [Method::PATCH, Method::PUT] {
        with(method, "if-match", &first, Some(json!({"platform": "ios", "locale": "de"}))).await.problem(412, "stale");
    }
    assert_eq!(dev.get(path).await.expect(200)["locale"], "fr");
    assert_eq!(with(Method::PATCH, "if-match", "*", Some(json!({"locale": "de"}))).await.status, 200);
}

#[tokio::test]
async fn a_deleted_device_is_gone() {
    let dev = Dev::start();
    let token = apns_token("a1", 1);
    dev.ios("phone", "ann", &token).await;
    assert_eq!(dev.delete("/v1/devices/phone").await.expect(204), "");
    dev.get("/v1/devices/phone").await.problem(404, "not_found");
    dev.delete("/v1/devices/phone").await.problem(404, "not_found");
    dev.patch("/v1/devices/phone", &json!({"locale": "fr"})).await.problem(404, "not_found");
    assert!(dev.items("/v1/users/ann/devices").await.is_empty());
    let done = dev.send_and_wait(&json!({"to": {"user_id": "ann"}, "content": {"title": "t"}})).await;
    assert_eq!(done["reasons"]["suppressed"], json!({"no_active_device": 1}));
    // it comes back as a new one
    let body = json!({"user_id": "ann", "platform": "ios", "token": token});
    assert_eq!(dev.put("/v1/devices/phone", &body).await.expect(201)["tags"], json!({}));
}

#[tokio::test]
async fn what_a_device_cannot_be_is_named() {
    let dev = Dev::start();
    let ios = apns_token("a1", 1);
    let web = |endpoint: &str| {
        let keys = json!({
            "p256dh": "BNcRdreALRFXTkOOUHK1EtK2wtaz5Ry4YfYCA_0QTpQtUbVlUls0VJXg7A8u-Ts1XbjhazAkj7I99e8QcYP7DkM", "auth": "tBHItJI5svbpez7KI4CCXg",
        });
        json!({"user_id": "u", "platform": "web", "token": {"endpoint": endpoint, "keys": keys}})
    };
    for (body, field, code) in [
        (json!({"user_id": "u", "token": ios}), "platform", "required"),
        (json!({"user_id": "u", "platform": "ios"}), "token", "required"),
        (json!({"platform": "ios", "token": ios}), "user_id", "required"),
        (json!({"user_id": "u", "platform": "windows", "token": ios}), "platform", "invalid"),
        (json!({"user_id": "u", "platform": "ios", "token": "nothex"}), "token", "invalid"),
        (json!({"user_id": "u", "platform": "ios", "token": 7}), "token", "invalid"),
        (json!({"user_id": "u", "platform": "ios", "token": {"fid": "x"}}), "token", "invalid"),
        (json!({"user_id": "u", "platform": "android", "token": ""}), "token", "invalid"),
        (json!({"user_id": "u", "platform": "android", "token": "t", "provider": "apns"}), "provider", "invalid"),
        (json!({"user_id": "u", "platform": "android", "token": "t", "environment": "sandbox"}), "environment", "invalid"),
        (json!({"user_id": "u", "platform": "ios", "token": ios, "timezone": "Mars/Olympus"}), "timezone", "unknown_timezone"),
        (json!({"user_id": "u", "platform": "ios", "token": ios, "locale": "not a locale"}), "locale", "invalid"),
        (json!({"user_id": "u", "platform": "ios", "token": ios, "permission": "maybe"}), "permission", "invalid"),
        (json!({"user_id": "u", "platform": "ios", "token": ios, "tagz": {}}), "tagz", "unknown_field"),
        (json!({"user_id": "u", "platform": "ios", "token": ios, "status": "active"}), "status", "unknown_field"),
        (json!({"user_id": "", "platform": "ios", "token": ios}), "user_id", "invalid"),
        (json!({"user_id": "u".repeat(257), "platform": "ios", "token": ios}), "user_id", "invalid"),
        (json!({"user_id": "a\nb", "platform": "ios", "token": ios}), "user_id", "invalid"),
        (json!({"user_id": "u", "platform": "ios", "token": ios, "model": "a\u{0}b"}), "model", "invalid"),
        (web("http://fcm.googleapis.com/x"), "token.endpoint", "invalid"),
        (web("https://127.0.0.1/x"), "token.endpoint", "address_forbidden"),
        (web("https://localhost/x"), "token.endpoint", "address_forbidden"),
        (web("https://fcm.googleapis.com:8443/x"), "token.endpoint", "address_forbidden"),
        (web("https://u:p@fcm.googleapis.com/x"), "token.endpoint", "address_forbidden"),
    ] {
        dev.put("/v1/devices/phone", &body).await.invalid(field, code);
    }
    dev.get("/v1/devices/phone").await.problem(404, "not_found");
    for name in ["a%20b", "%C3%A9", &"d".repeat(129)] {
        let answer = dev.put(&format!("/v1/devices/{name}"), &json!({"user_id": "u", "platform": "ios", "token": ios})).await;
        answer.invalid("device_id", "invalid");
    }
    dev.put(&format!("/v1/devices/{}", "d".repeat(128)), &json!({"user_id": "u".repeat(256), "platform": "ios", "token": ios}))
        .await
        .expect(201);
}

#[tokio::test]
async fn devices_are_listed_by_what_they_are() {
    let dev = Dev::start();
    dev.ios("phone", "ann/é", &apns_token("a1", 1)).await;
    dev.android("tablet", "ann/é", "well-1").await;
    dev.android("dead", "ben", "dead-1").await;
    dev.send_and_wait(&json!({"to": {"user_id": "ben"}, "content": {"title": "t"}})).await;
    let ids = async |path: &str| {
        let items = dev.items(path).await;
        let ids = items.iter().map(|device| device["device_id"].as_str().unwrap().to_owned()).filter(|id| !id.starts_with("demo-"));
        ids.collect::<Vec<_>>()
    };
    assert_eq!(ids("/v1/devices").await, ["dead", "tablet", "phone"], "newest first");
    assert_eq!(ids("/v1/devices?platform=android").await, ["dead", "tablet"]);
    assert_eq!(ids("/v1/devices?status=inactive").await, ["dead"]);
    assert_eq!(ids("/v1/devices?status=active&platform=ios").await, ["phone"]);
    assert_eq!(ids("/v1/devices?user_id=ann%2F%C3%A9").await, ["tablet", "phone"]);
    assert_eq!(ids("/v1/users/ann%2F%C3%A9/devices").await, ["tablet", "phone"]);
    assert_eq!(ids("/v1/users/nobody/devices").await, [""; 0]);
    dev.get("/v1/devices?platform=windows").await.invalid("platform", "invalid");
    dev.get("/v1/devices?status=dead").await.invalid("status", "invalid");
    dev.get("/v1/devices?colour=red").await.invalid("colour", "unknown_field");
}
