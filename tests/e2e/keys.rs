//! API keys: made, shown once, taken back, and what each scope may.

use reqwest::Method;
use serde_json::{Value, json};

use crate::clock::{in_seconds, instant, text};
use crate::daemon::{Client, Dev, Simulator};

/// Every route that needs a key, with the scope it needs.
const ROUTES: [(&str, &str, &str); 38] = [
    ("PUT", "/v1/devices/phone", "manage"),
    ("PATCH", "/v1/devices/phone", "manage"),
    ("GET", "/v1/devices/phone", "read"),
    ("DELETE", "/v1/devices/phone", "manage"),
    ("GET", "/v1/devices", "read"),
    ("GET", "/v1/users/ann/devices", "read"),
    ("POST", "/v1/devices/import", "manage"),
    ("GET", "/v1/users/ann/preferences", "read"),
    ("PUT", "/v1/users/ann/preferences", "manage"),
    ("PATCH", "/v1/users/ann/preferences", "manage"),
    ("GET", "/v1/users/ann/contacts", "manage"),
    ("PUT", "/v1/users/ann/contacts", "manage"),
    ("DELETE", "/v1/users/ann/contacts", "manage"),
    ("GET", "/v1/keys?limit=1", "manage"),
    ("PUT", "/v1/categories/news", "manage"),
    ("GET", "/v1/categories/news", "read"),
    ("GET", "/v1/categories", "read"),
    ("DELETE", "/v1/categories/news", "manage"),
    ("POST", "/v1/notifications", "send"),
    ("POST", "/v1/notifications/batch", "send"),
    ("POST", "/v1/notifications/preview", "send"),
    ("POST", "/v1/explain", "send"),
    ("POST", "/v1/receipts", "send"),
    ("GET", "/v1/notifications", "read"),
    ("GET", "/v1/notifications/019aa0c4-0000-7000-8000-000000000000", "read"),
    ("GET", "/v1/notifications/019aa0c4-0000-7000-8000-000000000000/deliveries", "read"),
    ("DELETE", "/v1/notifications/019aa0c4-0000-7000-8000-000000000000", "send"),
    ("GET", "/v1/lanes", "read"),
    ("POST", "/v1/lanes/apns/resume", "manage"),
    ("POST", "/v1/keys", "manage"),
    ("GET", "/v1/keys", "manage"),
    ("DELETE", "/v1/keys/019aa0c4-0000-7000-8000-000000000000", "manage"),
    ("POST", "/v1/keys/019aa0c4-0000-7000-8000-000000000000/rotate", "manage"),
    ("GET", "/v1/audit", "manage"),
    ("GET", "/v1/devices?platform=ios", "read"),
    ("GET", "/v1/notifications?status=done", "read"),
    ("POST", "/v1/devices/import?dry_run=true", "manage"),
    ("POST", "/v1/lanes/fcm/resume", "manage"),
];

async fn call(client: &Client, method: &str, path: &str) -> crate::client::Answer {
    let mut request = client.request(Method::from_bytes(method.as_bytes()).unwrap(), path);
    if ["PUT", "PATCH", "POST"].contains(&method) && !path.contains("/resume") {
        let kind = if path.contains("import") { "application/x-ndjson" } else { "application/json" };
        request = request.header("content-type", kind).body("{}");
    }
    client.send(request).await
}

#[tokio::test]
async fn each_route_needs_its_scope() {
    let dev = Dev::start();
    for scope in ["send", "manage", "read", "critical"] {
        let key = dev.post("/v1/keys", &json!({"name": scope, "scopes": [scope]})).await.expect(201);
        let client = dev.with_key(key["key"].as_str().unwrap());
        for (method, path, needed) in ROUTES {
            let answer = call(&client, method, path).await;
            if scope == needed {
                assert!(![401, 403, 405, 500].contains(&answer.status.as_u16()), "{method} {path} with {scope}: {}", answer.body);
            } else {
                let problem = answer.problem(403, "scope_missing");
                assert!(problem["detail"].as_str().unwrap().contains(needed), "{method} {path} with {scope}: {problem}");
            }
        }
    }
}

#[tokio::test]
async fn without_a_good_key_nothing_is_told() {
    let dev = Dev::unlimited();
    for (method, path, _) in ROUTES {
        for key in ["", "wrong", "herald_dev_kez", "herald_dev_key_"] {
            let answer = call(&dev.with_key(key), method, path).await;
            assert!(answer.header("www-authenticate").starts_with("Bearer"), "{method} {path}");
            answer.problem(401, "key_invalid");
        }
    }
    let http = reqwest::Client::new();
    for authorization in [None, Some("Basic aGVyYWxkX2Rldl9rZXk="), Some("herald_dev_key"), Some("Bearer")] {
        let mut request = http.get(format!("{}/v1/devices", dev.url));
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        assert_eq!(request.send().await.unwrap().status(), 401, "{authorization:?}");
    }
    for name in ["bearer", "BEARER"] {
        let request = http.get(format!("{}/v1/devices", dev.url)).header("authorization", format!("{name} herald_dev_key"));
        assert_eq!(request.send().await.unwrap().status(), 200, "the scheme's case does not matter");
    }
}

/// Whatever a key may, it may ask whose it is.
#[tokio::test]
async fn a_key_names_its_app() {
    let dev = Dev::start();
    let key = dev.post("/v1/keys", &json!({"name": "x", "scopes": ["critical"]})).await.expect(201);
    for client in [dev.client.clone(), dev.with_key(key["key"].as_str().unwrap())] {
        assert_eq!(client.get("/v1/app").await.expect(200), json!({"name": "demo"}));
    }
    dev.with_key("wrong").get("/v1/app").await.problem(401, "key_invalid");
}

#[tokio::test]
async fn a_key_is_shown_once_and_can_be_taken_back() {
    let dev = Dev::start();
    let expires_at = text(in_seconds(3600));
    let made = dev.post("/v1/keys", &json!({"name": "backend", "scopes": ["send", "read"], "expires_at": expires_at})).await.expect(201);
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    let client = dev.with_key(key);
    client.get("/v1/devices").await.expect(200);
    let listed = dev.get("/v1/keys").await.expect(200);
    let own = listed["items"].as_array().unwrap().iter().find(|item| item["id"] == id).unwrap();
    assert_eq!((&own["name"], &own["scopes"]), (&json!("backend"), &json!(["send", "read"])));
    assert_eq!(text(instant(&own["expires_at"])), expires_at);
    assert!(instant(&own["created_at"]) <= in_seconds(1));
    assert!(!listed.to_string().contains(key), "{listed}");
    dev.delete(&format!("/v1/keys/{id}")).await.expect(204);
    client.get("/v1/devices").await.problem(401, "key_invalid");
    dev.delete(&format!("/v1/keys/{id}")).await.problem(404, "not_found");
    dev.delete("/v1/keys/nonsense").await.problem(404, "not_found");
}

#[tokio::test]
async fn a_key_ends_at_its_instant() {
    let dev = Dev::start();
    let made = dev.post("/v1/keys", &json!({"name": "short", "scopes": ["read"], "expires_at": text(in_seconds(2))})).await.expect(201);
    let client = dev.with_key(made["key"].as_str().unwrap());
    client.get("/v1/devices").await.expect(200);
    crate::daemon::until("the key has ended", async || (client.get("/v1/devices").await.status == 401).then_some(())).await;
}

/// The old key and the new one both work while callers are given the new one.
#[tokio::test]
async fn a_key_is_rotated_without_a_gap() {
    let dev = Dev::start();
    let made = dev.post("/v1/keys", &json!({"name": "backend", "scopes": ["read", "send"]})).await.expect(201);
    let (id, old) = (made["id"].as_str().unwrap(), dev.with_key(made["key"].as_str().unwrap()));
    let before = in_seconds(0);
    let rotated = dev.post(&format!("/v1/keys/{id}/rotate"), &json!({})).await.expect(201);
    let new = dev.with_key(rotated["key"].as_str().unwrap());
    for client in [&old, &new] {
        client.get("/v1/devices").await.expect(200);
    }
    let keys = dev.items("/v1/keys").await;
    let find = |id: &Value| keys.iter().find(|key| key["id"] == *id).unwrap();
    let overlap = instant(&find(&made["id"])["expires_at"]) - before;
    assert!((86_395..86_460).contains(&overlap.num_seconds()), "a day: {overlap}");
    assert_eq!(find(&made["id"])["rotated_to"], rotated["id"]);
    let successor = find(&rotated["id"]);
    assert_eq!(
        (&successor["name"], &successor["scopes"], &successor["expires_at"]),
        (&json!("backend"), &json!(["send", "read"]), &json!(null))
    );
    dev.post(&format!("/v1/keys/{id}/rotate"), &json!({})).await.problem(409, "key_rotated");
    // by the command line, and at once
    let line = ["key", "rotate", rotated["id"].as_str().unwrap(), "--overlap-seconds", "0"];
    let newest = crate::cli::json_of(&dev, &line, 0).await;
    new.get("/v1/devices").await.problem(401, "key_invalid");
    dev.with_key(newest["key"].as_str().unwrap()).get("/v1/devices").await.expect(200);
    let too_long = ["key", "rotate", newest["id"].as_str().unwrap(), "--overlap-seconds", "2592001"];
    crate::cli::json_of(&dev, &too_long, 2).await;
}

#[tokio::test]
async fn it_is_told_when_a_key_was_used() {
    let dev = Dev::start();
    let made = dev.post("/v1/keys", &json!({"name": "backend", "scopes": ["read"]})).await.expect(201);
    let before = in_seconds(-1);
    let used = async || dev.items("/v1/keys").await.iter().find(|key| key["id"] == made["id"]).unwrap()["last_used_at"].clone();
    assert_eq!(used().await, Value::Null);
    dev.with_key(made["key"].as_str().unwrap()).get("/v1/devices").await.expect(200);
    let at = crate::daemon::until("the use is written", async || Some(used().await).filter(Value::is_string)).await;
    assert!(instant(&at) > before && instant(&at) < in_seconds(1), "{at}");
}

/// What a key may not, it gives to none: neither to a new one, nor by putting one in the place of a stronger one.
#[tokio::test]
async fn no_key_gives_more_than_it_may() {
    let dev = Dev::start();
    let strong = dev.post("/v1/keys", &json!({"name": "strong", "scopes": ["critical"]})).await.expect(201);
    let manager = dev.post("/v1/keys", &json!({"name": "manager", "scopes": ["manage"]})).await.expect(201);
    let manager = dev.with_key(manager["key"].as_str().unwrap());
    let refused = manager.post("/v1/keys", &json!({"name": "x", "scopes": ["manage", "critical"]})).await.problem(403, "scope_missing");
    assert!(refused["detail"].as_str().unwrap().contains("critical"), "{refused}");
    manager.post(&format!("/v1/keys/{}/rotate", strong["id"].as_str().unwrap()), &json!({})).await.problem(403, "scope_missing");
    manager.post("/v1/keys", &json!({"name": "x", "scopes": ["manage"]})).await.expect(201);
}

#[tokio::test]
async fn what_a_key_cannot_be_is_named() {
    let dev = Dev::start();
    for (body, field, code) in [
        (json!({"scopes": ["send"]}), "name", "required"),
        (json!({"name": "", "scopes": ["send"]}), "name", "invalid"),
        (json!({"name": "x"}), "scopes", "required"),
        (json!({"name": "x", "scopes": []}), "scopes", "invalid"),
        (json!({"name": "x", "scopes": ["send", "root"]}), "scopes[1]", "invalid"),
        (json!({"name": "x", "scopes": ["send"], "expires_at": "2020-01-01T00:00:00Z"}), "expires_at", "invalid"),
        (json!({"name": "x", "scopes": ["send"], "app": "other"}), "app", "unknown_field"),
    ] {
        dev.post("/v1/keys", &body).await.invalid(field, code);
    }
}

/// What belongs to another app is 404, as if it did not exist; a name that another app uses makes the caller's own.
#[tokio::test]
async fn apps_share_nothing() {
    let simulator = Simulator::start();
    simulator.add_app("other");
    let scopes = "send,manage,read,critical";
    let (demo, other) = (simulator.key(scopes), simulator.key_of("other", scopes));
    let daemon = simulator.serve(&[]);
    let demo = Client::new(&daemon.url, &demo);
    let other = demo.with_key(&other);
    demo.put("/v1/categories/news", &json!({"required": true})).await.expect(201);
    demo.put("/v1/devices/phone", &json!({"user_id": "ann", "platform": "android", "token": "well-1"})).await.expect(201);
    demo.prefer("ann", &json!({"channels": {"push": false}})).await;
    demo.put("/v1/users/ann/contacts", &json!({"email": "ann@example.com"})).await.expect(200);
    let id = demo.notify(&json!({"to": {"user_id": "ann"}, "content": {"title": "t"}})).await;
    let key = demo.post("/v1/keys", &json!({"name": "x", "scopes": ["read"]})).await.expect(201);

    for path in ["/v1/devices/phone".to_owned(), "/v1/categories/news".to_owned(), format!("/v1/notifications/{id}")] {
        other.get(&path).await.problem(404, "not_found");
        other.delete(&path).await.problem(404, "not_found");
    }
    other.get(&format!("/v1/notifications/{id}/deliveries")).await.problem(404, "not_found");
    other.patch("/v1/devices/phone", &json!({"locale": "fr"})).await.problem(404, "not_found");
    other.delete(&format!("/v1/keys/{}", key["id"].as_str().unwrap())).await.problem(404, "not_found");
    other.post("/v1/explain", &json!({"device_id": "phone"})).await.problem(404, "not_found");
    for path in ["/v1/devices", "/v1/users/ann/devices", "/v1/notifications", "/v1/categories"] {
        assert!(other.items(path).await.is_empty(), "{path}");
    }
    assert_eq!(other.items("/v1/keys").await.len(), 1);
    assert_eq!(other.get("/v1/users/ann/preferences").await.expect(200)["channels"]["push"], true);
    assert_eq!(other.get("/v1/users/ann/contacts").await.expect(200)["email"], Value::Null);
    // the same names are the other app's own
    let body = json!({"user_id": "ann", "platform": "android", "token": "well-1"});
    other.put("/v1/devices/phone", &body).await.expect(201);
    other.put("/v1/categories/news", &json!({})).await.expect(201);
    assert_eq!(demo.get("/v1/devices/phone").await.expect(200)["status"], "active", "a token moves within its app only");
    assert_eq!(demo.get("/v1/categories/news").await.expect(200)["required"], true);
    other.delete("/v1/devices/phone").await.expect(204);
    demo.get("/v1/devices/phone").await.expect(200);
}
