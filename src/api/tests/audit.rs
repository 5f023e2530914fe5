//! The audit log: every act is in it, whichever route it takes.

use std::time::Duration;

use axum::body::Body;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use super::kit::{KEY, Reply, World};
use crate::dispatch::tests::store::Fault;
use crate::store::audit::{Act, Actor, AuditFilter};
use crate::store::{AuditLog, PageRequest};

/// What is not management, though it needs the scope: sign-ins, registrations, preferences, a user's tags.
const TRAFFIC: [&str; 9] = [
    "create_client_token",
    "delete_device",
    "delete_device_token",
    "patch_device",
    "patch_preferences",
    "patch_user",
    "put_device",
    "put_device_token",
    "put_preferences",
];

/// So that one act is later than another.
const MOMENT: Duration = Duration::from_millis(1);
/// So that a key's refusals are few for the time.
const PAUSE: Duration = Duration::from_mins(1);

const ID: &str = "019aa0c4-0000-7000-8000-000000000000";

async fn with(world: &World, key: &str, method: &Method, path: &str, body: &str) -> Reply {
    let request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {key}"));
    world.send(request.header("content-type", "application/json").body(Body::from(body.to_owned())).unwrap()).await
}

/// All acts, the latest first.
async fn acts(world: &World) -> Vec<Act> {
    let page = PageRequest { limit: 500, after: None };
    world.store.acts(world.app, &AuditFilter::default(), &page).await.unwrap().items
}

/// Every operation that is no GET, with something in each place of its path: method, path, id.
fn operations() -> Vec<(Method, String, String)> {
    let document = serde_json::to_value(crate::api::document()).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let filled = path.replace("{id}", ID).replace("{provider}", "apns").replace("{kind}", "voip");
        let filled: Vec<_> = filled.split('/').map(|part| if part.starts_with('{') { "x1" } else { part }).collect();
        for (method, operation) in item.as_object().unwrap() {
            if let method @ ("put" | "post" | "delete" | "patch") = method.as_str() {
                let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
                found.push((method, filled.join("/"), operation["operationId"].as_str().unwrap().to_owned()));
            }
        }
    }
    found
}

/// Whoever adds a route adds no line here: what asks for the scope `manage` is in the log, or named above as traffic.
#[tokio::test]
async fn every_route_that_manages_leaves_an_entry() {
    let world = World::new().await;
    let weak = world.post("/v1/keys", json!({"name": "weak", "scopes": ["send", "read", "critical"]})).await.json();
    let weak = weak["key"].as_str().unwrap();
    let mut audited = 0;
    for (method, path, name) in operations() {
        let at = format!("{name}: {method} {path}");
        let before = acts(&world).await.len();
        world.clock.pass(PAUSE);
        let refused = with(&world, weak, &method, &path, "{}").await;
        let manages = refused.status == StatusCode::FORBIDDEN && refused.json()["detail"].as_str().unwrap().contains("manage");
        if !manages || TRAFFIC.contains(&name.as_str()) {
            with(&world, KEY, &method, &path, "{}").await;
            assert_eq!(acts(&world).await.len(), before, "{at}");
            continue;
        }
        audited += 1;
        world.clock.pass(MOMENT);
        let reply = with(&world, KEY, &method, &path, "{}").await;
        let found = acts(&world).await;
        assert_eq!(found.len(), before + 2, "{at}");
        let (done, tried) = (&found[0], &found[1]);
        assert_eq!((&done.begun.act, &done.begun.actor, done.status), (&name, &Actor::BuiltIn, Some(reply.status.as_u16())), "{at}");
        assert_eq!(done.begun.request_id.as_deref(), Some(reply.header("x-request-id")), "{at}");
        assert_eq!((&tried.begun.act, tried.status), (&name, Some(403)), "{at}");
        assert!(matches!(&tried.begun.actor, Actor::Key { name, .. } if name == "weak"), "{at}");
        assert_eq!(done.begun.object.is_some(), path.contains(ID) || path.contains("x1") || path.contains("apns"), "{at}");
    }
    assert!(audited >= 15, "{audited}");
}

/// A key that leaked and may do little cannot fill the log, nor keep others out of it.
#[tokio::test]
async fn refusals_are_in_it_up_to_a_number() {
    let world = World::new().await;
    let mut keys = Vec::new();
    for name in ["leaked", "other"] {
        let made = world.post("/v1/keys", json!({"name": name, "scopes": ["read"]})).await.json();
        keys.push(made["key"].as_str().unwrap().to_owned());
    }
    let refused = async |key: &str, times: usize| {
        let before = acts(&world).await.len();
        for _ in 0..times {
            let reply = with(&world, key, &Method::PUT, "/v1/categories/c", "{}").await;
            assert_eq!(reply.problem(), (403, "scope_missing".to_owned()));
        }
        acts(&world).await.len() - before
    };
    assert_eq!(refused(&keys[0], 100).await, 20);
    assert_eq!(refused(&keys[1], 1).await, 1, "another key");
    assert_eq!(world.put("/v1/categories/c", "{}").await.status, StatusCode::CREATED);
    assert_eq!(acts(&world).await.iter().filter(|act| act.status == Some(201)).count(), 3, "what is done is always in it");
    world.clock.pass(Duration::from_mins(1));
    assert_eq!(refused(&keys[0], 100).await, 10);
}

#[tokio::test]
async fn who_has_no_key_leaves_nothing() {
    let world = World::new().await;
    for (method, path, _) in operations() {
        with(&world, "wrong", &method, &path, "{}").await;
        let request = Request::builder().method(&method).uri(path.as_str());
        world.send(request.header("content-type", "application/json").body(Body::from("{}")).unwrap()).await;
    }
    assert_eq!(acts(&world).await, []);
}

#[tokio::test]
async fn reading_leaves_nothing() {
    let world = World::new().await;
    for path in ["/v1/keys", "/v1/audit", "/v1/users/u1/contacts", "/v1/categories", "/v1/campaigns"] {
        assert_eq!(world.get(path).await.status, StatusCode::OK, "{path}");
    }
    assert_eq!(acts(&world).await, []);
}

#[tokio::test]
async fn without_an_entry_nothing_is_done() {
    let world = World::new().await;
    world.store.fail("begin_act", [Fault::Before]);
    assert_eq!(world.put("/v1/categories/c", "{}").await.problem(), (503, "store_unavailable".to_owned()));
    assert_eq!(world.get("/v1/categories/c").await.status, StatusCode::NOT_FOUND);
    assert_eq!(acts(&world).await, []);
    // what is done is answered, and in the log, though that cannot say how it ended
    world.store.fail("end_act", [Fault::Before]);
    assert_eq!(world.put("/v1/categories/c", "{}").await.status, StatusCode::CREATED);
    let acts = acts(&world).await;
    assert_eq!((acts.len(), acts[0].begun.act.as_str(), acts[0].status), (1, "put_category", None));
}

#[tokio::test]
async fn what_was_made_is_named() {
    let world = World::new().await;
    let key = world.post("/v1/keys", json!({"name": "k", "scopes": ["read"]})).await.json();
    world.clock.pass(MOMENT);
    world.put("/v1/categories/news", "{}").await;
    world.clock.pass(MOMENT);
    let campaign = json!({"name": "c", "segment": {"everyone": true}, "notification": {"category": "news", "content": {"title": "t"}}});
    let campaign = world.post("/v1/campaigns", campaign).await.json();
    let objects: Vec<_> = acts(&world).await.into_iter().map(|act| (act.begun.act, act.begun.object.unwrap())).collect();
    let text = |id: &Value| id.as_str().unwrap().to_owned();
    let expected = [("create_campaign", text(&campaign["id"])), ("put_category", "news".to_owned()), ("create_key", text(&key["id"]))];
    assert_eq!(objects, expected.map(|(act, object)| (act.to_owned(), object)));
}

#[tokio::test]
async fn nothing_secret_or_personal_is_in_it() {
    let world = World::new().await;
    let key = world.post("/v1/keys", json!({"name": "k", "scopes": ["read"]})).await.json();
    world.post(&format!("/v1/keys/{}/rotate", key["id"].as_str().unwrap()), "{}").await;
    world.put("/v1/users/ann%40example.com/contacts", json!({"email": "ann@example.com", "phone": "+4915112345678"})).await;
    world.delete("/v1/users/ann%40example.com/contacts").await;
    // what a path names may be anything at all
    for path in ["/v1/categories/a%00b".to_owned(), "/v1/categories/%ff".to_owned(), format!("/v1/categories/{}", "é".repeat(3_000))] {
        let reply = world.put(&path, "{}").await;
        assert!(reply.status.is_client_error(), "{path}: {reply:?}");
    }
    let log = world.get("/v1/audit").await;
    let items = log.json()["items"].as_array().unwrap().clone();
    assert_eq!(items.len(), 7, "{items:?}");
    let text = String::from_utf8(log.bytes.to_vec()).unwrap();
    for secret in [key["key"].as_str().unwrap(), KEY, "ann", "example", "49151"] {
        assert!(!text.contains(secret), "{secret}");
    }
    let user = items.iter().find(|item| item["act"] == "put_contacts").unwrap()["object"].as_str().unwrap();
    assert!(user.starts_with("user:") && user.len() == 21, "{user}");
    assert!(items.iter().all(|item| item["object"].as_str().is_none_or(|object| object.chars().count() <= 256)));
}

#[tokio::test]
async fn the_log_is_read_by_act_key_and_time() {
    let world = World::new().await;
    let manager = world.post("/v1/keys", json!({"name": "manager", "scopes": ["manage"]})).await.json();
    let (id, manager) = (manager["id"].as_str().unwrap(), manager["key"].as_str().unwrap());
    for name in ["a", "b", "c"] {
        world.clock.pass(Duration::from_mins(1));
        with(&world, manager, &Method::PUT, &format!("/v1/categories/{name}"), "{}").await;
    }
    let objects = async |query: &str| {
        let reply = world.get(&format!("/v1/audit?{query}")).await;
        assert_eq!(reply.status, StatusCode::OK, "{query}: {reply:?}");
        let items = reply.json()["items"].as_array().unwrap().clone();
        items.iter().map(|item| item["object"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(objects("").await, ["c", "b", "a", id]);
    assert_eq!(objects("act=create_key").await, [id]);
    assert_eq!(objects(&format!("key_id={id}")).await, ["c", "b", "a"]);
    assert_eq!(objects("from=2026-11-02T09:02:00Z").await, ["c", "b"]);
    assert_eq!(objects("to=2026-11-02T09:02:00Z").await, ["a", id]);
    assert_eq!(objects("act=put_category&from=2026-11-02T09:01:00Z&to=2026-11-02T09:03:00Z").await, ["b", "a"]);
    assert_eq!(objects("act=delete_key").await, [""; 0]);
    let first = world.get("/v1/audit?limit=3&act=put_category").await.json();
    assert_eq!((&first["has_more"], &first["next_cursor"]), (&json!(false), &json!(null)));
    let first = world.get("/v1/audit?limit=2&act=put_category").await.json();
    let rest = world.get(&format!("/v1/audit?cursor={}", first["next_cursor"].as_str().unwrap())).await.json();
    let expected = json!({"actor": "key", "key_id": id, "key_name": "manager", "act": "put_category", "object": "a", "status": 201});
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(rest["items"][0][name], *value, "{name}");
    }
    for (query, field) in [("act=Create%20Key", "act"), ("act=", "act"), ("key_id=me", "key_id"), ("from=now", "from"), ("by=me", "by")] {
        assert_eq!(world.get(&format!("/v1/audit?{query}")).await.field().0, field, "{query}");
    }
    // another app has a log of its own, and without the scope there is none
    assert_eq!(with(&world, "other-key", &Method::GET, "/v1/audit", "").await.json()["items"], json!([]));
    let reader = world.post("/v1/keys", json!({"name": "reader", "scopes": ["read", "send", "critical"]})).await.json();
    let refused = with(&world, reader["key"].as_str().unwrap(), &Method::GET, "/v1/audit", "").await;
    assert_eq!(refused.problem(), (403, "scope_missing".to_owned()));
}
