//! API keys and their scopes.

use std::time::Duration;

use axum::body::Body;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use super::kit::{Reply, World};

async fn with(world: &World, key: &str, method: Method, path: &str, body: Value) -> Reply {
    let request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {key}"));
    world.send(request.header("content-type", "application/json").body(Body::from(body.to_string())).unwrap()).await
}

async fn key_of(world: &World, scopes: &[&str]) -> (String, String) {
    let made = world.post("/v1/keys", json!({"name": "k", "scopes": scopes})).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let body = made.json();
    (body["id"].as_str().unwrap().to_owned(), body["key"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn each_route_needs_its_scope() {
    let world = World::new().await;
    let notification = json!({"to": {"user_id": "u1"}, "content": {"title": "x"}});
    let routes = [
        ("send", Method::POST, "/v1/notifications", notification.clone()),
        ("send", Method::POST, "/v1/notifications/batch", json!({"notifications": [notification]})),
        ("send", Method::POST, "/v1/notifications/preview", notification.clone()),
        ("send", Method::POST, "/v1/explain", json!({"user_id": "u1"})),
        ("send", Method::POST, "/v1/receipts", json!({"receipts": []})),
        ("manage", Method::PUT, "/v1/devices/d1", json!({"user_id": "u1", "platform": "android", "token": "t"})),
        ("manage", Method::PATCH, "/v1/devices/d1", json!({"locale": "fr"})),
        ("manage", Method::PUT, "/v1/users/u1/preferences", json!({})),
        ("manage", Method::PUT, "/v1/users/u1/contacts", json!({})),
        ("manage", Method::GET, "/v1/users/u1/contacts", json!(null)),
        ("manage", Method::PUT, "/v1/categories/c", json!({})),
        ("manage", Method::GET, "/v1/keys", json!(null)),
        ("manage", Method::POST, "/v1/lanes/apns/resume", json!(null)),
        ("read", Method::GET, "/v1/devices/d1", json!(null)),
        ("read", Method::GET, "/v1/devices", json!(null)),
        ("read", Method::GET, "/v1/users/u1/preferences", json!(null)),
        ("read", Method::GET, "/v1/categories", json!(null)),
        ("read", Method::GET, "/v1/notifications", json!(null)),
        ("read", Method::GET, "/v1/lanes", json!(null)),
    ];
    let keys = [
        ("send", key_of(&world, &["send"]).await.1),
        ("manage", key_of(&world, &["manage"]).await.1),
        ("read", key_of(&world, &["read"]).await.1),
    ];
    for (scope, method, path, body) in routes {
        for (has, key) in &keys {
            let reply = with(&world, key, method.clone(), path, body.clone()).await;
            if *has == scope {
                assert!(reply.status.is_success(), "{scope} {method} {path}: {reply:?}");
            } else {
                assert_eq!(reply.problem(), (403, "scope_missing".to_owned()), "{has} {method} {path}");
                assert!(reply.json()["detail"].as_str().unwrap().contains(scope));
            }
        }
    }
}

#[tokio::test]
async fn critical_needs_a_scope_of_its_own() {
    let world = World::new().await;
    let (_, plain) = key_of(&world, &["send", "manage"]).await;
    let (_, critical) = key_of(&world, &["send", "manage", "critical"]).await;
    let content = json!({"title": "x"});
    for body in [
        json!({"to": {"user_id": "u"}, "content": content, "priority": "critical"}),
        json!({"to": {"user_id": "u"}, "content": content, "in_quiet_hours": "ignore"}),
        json!({"to": {"user_id": "u"}, "content": {"title": "x", "interruption": "critical"}}),
        json!({"to": {"user_id": "u"}, "content": content, "platforms": {"ios": {"interruption": "critical"}}}),
        json!({"to": {"user_id": "u"}, "content": content, "localized": {"fr": {"interruption": "critical"}}}),
        json!({"to": {"user_id": "u"}, "content": content, "apns": {"payload": {"aps": {"interruption-level": "critical"}}}}),
    ] {
        let refused = with(&world, &plain, Method::POST, "/v1/notifications", body.clone()).await;
        assert_eq!(refused.problem(), (403, "scope_missing".to_owned()), "{body}");
        let batch = with(&world, &plain, Method::POST, "/v1/notifications/batch", json!({"notifications": [body]})).await;
        assert_eq!(batch.json()["results"][0]["error"]["code"], "scope_missing", "{body}");
        let taken = with(&world, &critical, Method::POST, "/v1/notifications", body.clone()).await;
        assert_eq!(taken.status, StatusCode::ACCEPTED, "{body}");
    }
    let category = json!({"priority": "critical"});
    assert_eq!(with(&world, &plain, Method::PUT, "/v1/categories/c", category.clone()).await.problem().0, 403);
    assert_eq!(with(&world, &critical, Method::PUT, "/v1/categories/c", category).await.status, StatusCode::CREATED);
    let mut body = json!({"to": {"user_id": "u"}, "content": content, "category": "c"});
    for path in ["/v1/notifications", "/v1/notifications/preview"] {
        assert_eq!(with(&world, &plain, Method::POST, path, body.clone()).await.problem(), (403, "scope_missing".to_owned()), "{path}");
        assert!(with(&world, &critical, Method::POST, path, body.clone()).await.status.is_success(), "{path}");
    }
    body["priority"] = json!("high");
    assert_eq!(with(&world, &plain, Method::POST, "/v1/notifications", body).await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_key_is_shown_once_and_ends() {
    let world = World::new().await;
    let (id, key) = key_of(&world, &["read"]).await;
    let list = world.get("/v1/keys").await;
    assert_eq!(list.json()["items"][0]["id"], id.as_str());
    assert!(!String::from_utf8_lossy(&list.bytes).contains(&key));
    assert_eq!(with(&world, &key, Method::GET, "/v1/lanes", json!(null)).await.status, StatusCode::OK);
    assert_eq!(world.delete(&format!("/v1/keys/{id}")).await.status, StatusCode::NO_CONTENT);
    assert_eq!(with(&world, &key, Method::GET, "/v1/lanes", json!(null)).await.problem(), (401, "key_invalid".to_owned()));
    assert_eq!(world.delete(&format!("/v1/keys/{id}")).await.problem().0, 404);

    let short = world.post("/v1/keys", json!({"name": "k", "scopes": ["read"], "expires_at": "2026-11-02T10:00:00Z"})).await.json();
    let short = short["key"].as_str().unwrap();
    assert_eq!(with(&world, short, Method::GET, "/v1/lanes", json!(null)).await.status, StatusCode::OK);
    world.clock.pass(Duration::from_hours(1));
    assert_eq!(with(&world, short, Method::GET, "/v1/lanes", json!(null)).await.problem(), (401, "key_invalid".to_owned()));
}

#[tokio::test]
async fn what_belongs_to_another_app_does_not_exist() {
    let world = World::new().await;
    assert_ne!(world.app, world.other_app);
    world.put("/v1/devices/d1", json!({"user_id": "u1", "platform": "android", "token": "t"})).await;
    let id = world.post("/v1/notifications", json!({"to": {"user_id": "u1"}, "content": {"title": "x"}})).await.json()["id"].clone();
    let (key, _) = key_of(&world, &["read"]).await;
    let id = id.as_str().unwrap();
    for (method, path) in [
        (Method::GET, "/v1/devices/d1".to_owned()),
        (Method::DELETE, "/v1/devices/d1".to_owned()),
        (Method::GET, format!("/v1/notifications/{id}")),
        (Method::GET, format!("/v1/notifications/{id}/deliveries")),
        (Method::DELETE, format!("/v1/notifications/{id}")),
        (Method::DELETE, format!("/v1/keys/{key}")),
    ] {
        assert_eq!(with(&world, "other-key", method.clone(), &path, json!(null)).await.problem().0, 404, "{method} {path}");
    }
    assert_eq!(with(&world, "other-key", Method::GET, "/v1/users/u1/devices", json!(null)).await.json()["items"], json!([]));
    let own = with(&world, "other-key", Method::PUT, "/v1/devices/d1", json!({"user_id": "u1", "platform": "android", "token": "t"})).await;
    assert_eq!(own.status, StatusCode::CREATED);
}
