//! API keys and their scopes.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::kit::{KEY, Reply, World};
use crate::domain::clock::Clock;
use crate::store::Keys;
use crate::store::key::{ApiKey, Scope};

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

#[tokio::test]
async fn no_key_gives_more_than_it_may() {
    let world = World::new().await;
    let (strong, _) = key_of(&world, &["send", "critical"]).await;
    let (_, manager) = key_of(&world, &["manage", "send"]).await;
    for (scopes, status) in
        [(json!(["send"]), 201), (json!(["manage", "send"]), 201), (json!(["read"]), 403), (json!(["send", "critical"]), 403)]
    {
        let made = with(&world, &manager, Method::POST, "/v1/keys", json!({"name": "k", "scopes": scopes})).await;
        assert_eq!(made.status.as_u16(), status, "{scopes}: {made:?}");
        if status == 403 {
            assert_eq!(made.problem().1, "scope_missing", "{scopes}");
        }
    }
    // nor does it get hold of one that may more, though it may take it back
    let path = format!("/v1/keys/{strong}/rotate");
    assert_eq!(with(&world, &manager, Method::POST, &path, json!({})).await.problem(), (403, "scope_missing".to_owned()));
    assert_eq!(with(&world, &manager, Method::DELETE, &format!("/v1/keys/{strong}"), json!(null)).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_key_that_is_rotated_goes_on_for_the_overlap() {
    let world = World::new().await;
    let (id, old) = key_of(&world, &["read"]).await;
    let path = format!("/v1/keys/{id}/rotate");
    let made = world.post(&path, json!({"overlap_seconds": 3600})).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let made = made.json();
    let new = made["key"].as_str().unwrap().to_owned();
    let read = async |key: &str| with(&world, key, Method::GET, "/v1/lanes", json!(null)).await.status.as_u16();
    assert_eq!((read(&old).await, read(&new).await), (200, 200));
    let list = world.get("/v1/keys").await.json();
    let shown = |id: &Value| list["items"].as_array().unwrap().iter().find(|item| item["id"] == *id).unwrap().clone();
    let (shown_old, shown_new) = (shown(&json!(id)), shown(&made["id"]));
    assert_eq!((&shown_old["rotated_to"], &shown_old["expires_at"]), (&made["id"], &json!("2026-11-02T10:00:00Z")));
    assert_eq!((&shown_new["scopes"], &shown_new["name"], &shown_new["expires_at"]), (&json!(["read"]), &json!("k"), &json!(null)));
    assert_eq!(world.post(&path, "{}").await.problem(), (409, "key_rotated".to_owned()));
    world.clock.pass(Duration::from_hours(1));
    assert_eq!((read(&old).await, read(&new).await), (401, 200));

    let path = format!("/v1/keys/{}/rotate", made["id"].as_str().unwrap());
    assert_eq!(
        world.post(&path, json!({"overlap_seconds": 2_592_001})).await.field(),
        ("overlap_seconds".to_owned(), "invalid".to_owned())
    );
    let newest = world.post(&path, json!({"overlap_seconds": 0})).await.json();
    assert_eq!((read(&new).await, read(newest["key"].as_str().unwrap()).await), (401, 200), "without an overlap it ends at once");
    assert_eq!(world.post("/v1/keys/019aa0c4-0000-7000-8000-000000000000/rotate", "{}").await.problem().0, 404);
    let end = json!({"name": "k", "scopes": ["read"], "expires_at": "2026-11-02T10:30:00Z"});
    let short = world.post("/v1/keys", end).await.json();
    world.clock.pass(Duration::from_mins(30));
    let path = format!("/v1/keys/{}/rotate", short["id"].as_str().unwrap());
    assert_eq!(world.post(&path, "{}").await.problem(), (409, "key_expired".to_owned()));
}

/// A text with the id of a key is no key, nor is one that is nearly right.
#[tokio::test]
async fn a_key_is_the_whole_of_its_text() {
    let world = World::new().await;
    let (id, key) = key_of(&world, &["read"]).await;
    let simple = id.replace('-', "");
    assert!(key.contains(&simple), "the text carries the id");
    let flipped =
        |at: usize| key.char_indices().map(|(n, c)| if n == at { if c == 'A' { 'B' } else { 'A' } } else { c }).collect::<String>();
    let unknown = key.replace(&simple, "019aa0c4000070008000000000000000");
    for wrong in [flipped(40), flipped(key.len() - 2), key[..key.len() - 1].to_owned(), format!("{key}A"), unknown, KEY.to_uppercase()] {
        let reply = with(&world, &wrong, Method::GET, "/v1/lanes", json!(null)).await;
        assert_eq!(reply.problem(), (401, "key_invalid".to_owned()), "{wrong}");
    }
    assert_eq!(with(&world, &key, Method::GET, "/v1/lanes", json!(null)).await.status, StatusCode::OK);
}

/// Keys of before had no id in them.
#[tokio::test]
async fn an_older_key_still_works() {
    let world = World::new().await;
    let text = "herald_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let older = ApiKey {
        id: Uuid::from_u128(1),
        app: world.app,
        name: "older".to_owned(),
        scopes: vec![Scope::Read],
        expires_at: None,
        created_at: world.clock.now(),
        last_used_at: None,
        rotated_to: None,
    };
    world.store.create_key(&older, world.shared.keys.hasher().of(text)).await.unwrap();
    assert_eq!(with(&world, text, Method::GET, "/v1/lanes", json!(null)).await.status, StatusCode::OK);
    let wrong = text.replacen("AA", "AB", 1);
    assert_eq!(with(&world, &wrong, Method::GET, "/v1/lanes", json!(null)).await.problem().0, 401);
}

/// One write a minute, and none of them before an answer.
#[tokio::test]
async fn when_a_key_was_used_is_written_beside_the_requests() {
    let world = World::new().await;
    let (_, key) = key_of(&world, &["read"]).await;
    let used = async || world.get("/v1/keys").await.json()["items"][0]["last_used_at"].clone();
    for _ in 0..3 {
        assert_eq!(with(&world, &key, Method::GET, "/v1/lanes", json!(null)).await.status, StatusCode::OK);
        world.clock.pass(Duration::from_secs(2));
    }
    assert_eq!((world.store.calls("keys_used"), used().await), (0, json!(null)));
    let (store, clock) = (Arc::clone(&world.shared.store), Arc::clone(&world.shared.clock));
    world.stopping.cancel();
    Arc::clone(&world.shared.keys).write_uses(store, clock, world.stopping.clone()).await;
    assert_eq!((world.store.calls("keys_used"), used().await), (1, json!("2026-11-02T09:00:04Z")));
}
