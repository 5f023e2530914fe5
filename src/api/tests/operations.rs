//! Dead letters, readiness, and a store that is away.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::kit::{KEY, World};
use crate::api::admission::Admitted;
use crate::api::{dress, openapi};
use crate::domain::id::NotificationId;
use crate::store::Engine;
use crate::store::engine::Sweep;

const LEASE: Duration = Duration::from_secs(30);

/// A notification to a user whose work was taken in vain until it was left alone; its id.
async fn dead(world: &World, user: &str) -> String {
    let body = json!({"to": {"user_id": user}, "content": {"title": "x"}});
    let id = world.post("/v1/notifications", body).await.json()["id"].as_str().unwrap().to_owned();
    let sweep = Sweep { room: [(crate::domain::work::Stream::High, 10)].into(), guard: LEASE, lapsed: true };
    for _ in 0..6 {
        let ready = world.store.schedule(&sweep).await.unwrap();
        let of_it = ready.entries.iter().map(|entry| entry.key).filter(|key| key.notification == NotificationId(id.parse().unwrap()));
        world.store.claim(&of_it.collect::<Vec<_>>(), LEASE).await.unwrap();
        world.clock.pass(LEASE + Duration::from_secs(1));
    }
    id
}

#[tokio::test]
async fn dead_letters_are_listed_read_and_retried() {
    let world = World::new().await;
    world.put("/v1/devices/d1", json!({"user_id": "u1", "platform": "android", "token": "t"})).await;
    let (first, second) = (dead(&world, "u1").await, dead(&world, "u2").await);
    let page = world.get("/v1/dead-letters?limit=1").await.json();
    assert_eq!((&page["items"][0]["notification_id"], &page["has_more"]), (&json!(second), &json!(true)), "{page}");
    let next = world.get(&format!("/v1/dead-letters?cursor={}", page["next_cursor"].as_str().unwrap())).await.json();
    let letter = &next["items"][0];
    assert_eq!((&letter["notification_id"], &letter["user_id"], &letter["takes"]), (&json!(first), &json!("u1"), &json!(5)), "{letter}");
    assert!(letter["died_at"].as_str().unwrap() < letter["expires_at"].as_str().unwrap(), "{letter}");

    let path = format!("/v1/dead-letters/{}", letter["id"].as_str().unwrap());
    assert_eq!(world.get(&path).await.json(), *letter);
    let foreign = Request::get(&path).header("authorization", "Bearer other-key").body(Body::empty()).unwrap();
    assert_eq!(world.send(foreign).await.problem().0, 404, "of another app");
    let retry = format!("{path}/retry");
    assert_eq!(world.ask(Method::POST, &retry, &[], "").await.json(), *letter);
    for gone in [world.get(&path).await, world.ask(Method::POST, &retry, &[], "").await, world.get("/v1/dead-letters/nonsense").await] {
        assert_eq!(gone.problem(), (404, "not_found".to_owned()));
    }
    assert_eq!(world.get("/v1/dead-letters").await.json()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_away_is_named() {
    let world = World::new().await;
    assert_eq!(world.get("/ready").await.json(), json!({"status": "ready"}));
    world.store.goes(true);
    let reply = world.get("/ready").await;
    assert_eq!(
        (reply.problem(), &reply.json()["away"], reply.header("retry-after")),
        ((503, "not_ready".to_owned()), &json!(["store"]), "1")
    );
    world.store.goes(false);
    assert_eq!(world.get("/ready").await.status, 200);
    world.stopping.cancel();
    let reply = world.get("/ready").await;
    assert_eq!((reply.problem(), &reply.json()["detail"]), ((503, "not_ready".to_owned()), &json!("the daemon is stopping")));
    assert_eq!(world.get("/health").await.status, 200);
}

#[tokio::test]
async fn a_node_without_the_api_can_be_watched_over() {
    let world = World::new().await;
    let api = Arc::clone(&world.shared);
    let router = dress(openapi::probes(), &api, Admitted::default()).with_state(api);
    for (path, status) in [("/health", 200), ("/ready", 200), ("/metrics", 200), ("/v1/lanes", 404), ("/docs", 404), ("/openapi.json", 404)]
    {
        let request = Request::get(path).header("authorization", format!("Bearer {KEY}")).body(Body::empty()).unwrap();
        assert_eq!(router.clone().oneshot(request).await.unwrap().status(), status, "{path}");
    }
}

/// What an operation is asked with, where it needs more than its path.
fn body_of(operation: &str) -> Value {
    match operation {
        "put /v1/devices/{device_id}" => json!({"user_id": "ann", "platform": "android", "token": "t"}),
        "put /v1/devices/{device_id}/tokens/{kind}" => json!({"token": "0".repeat(64)}),
        "patch /v1/devices/{device_id}" => json!({"locale": "fr"}),
        "post /v1/devices/import" => json!({"device_id": "d1", "user_id": "ann", "platform": "android", "token": "t"}),
        "put /v1/users/{user_id}/preferences" | "patch /v1/users/{user_id}/preferences" => json!({"timezone": "UTC"}),
        "put /v1/users/{user_id}/contacts" => json!({"email": "ann@example.com"}),
        "post /v1/notifications" => json!({"to": {"user_id": "ann"}, "content": {"title": "x"}}),
        "post /v1/notifications/batch" => json!({"notifications": [{"to": {"user_id": "ann"}, "content": {"title": "x"}}]}),
        "post /v1/receipts" => {
            json!({"receipts": [{"notification_id": "01890a5d-ac96-774b-bcce-b302099a8057", "device_id": "d1", "type": "opened"}]})
        }
        "post /v1/campaigns" => {
            json!({"name": "n", "notification": {"category": "news", "content": {"title": "x"}}, "segment": {"everyone": true}})
        }
        "post /v1/client-tokens" => json!({"user_id": "ann"}),
        "post /v1/campaigns/preview" => json!({"id": "01890a5d-ac96-774b-bcce-b302099a8057"}),
        "post /v1/segments/preview" => json!({"segment": {"everyone": true}}),
        "put /v1/templates/{id}" => json!({"content": {"title": "x"}}),
        "post /v1/keys" => json!({"name": "k", "scopes": ["read"]}),
        _ => json!({}),
    }
}

/// What this node knows without the store; the path behind a preview and an explanation is a stand-in here.
const WITHOUT_THE_STORE: [&str; 5] =
    ["get /v1/app", "get /v1/lanes", "post /v1/lanes/{provider}/resume", "post /v1/notifications/preview", "post /v1/explain"];

/// Whatever is asked while the store is away: to be tried again, and no fault of ours.
#[tokio::test]
async fn without_the_store_every_operation_asks_for_patience() {
    let world = World::new().await;
    let tokens = world.post("/v1/client-tokens", json!({"user_id": "ann"})).await.json();
    world.store.goes(true);
    let document = serde_json::to_value(crate::api::document()).unwrap();
    let mut asked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let operation = format!("{method} {path}");
            if !path.starts_with("/v1/") || WITHOUT_THE_STORE.contains(&operation.as_str()) {
                continue;
            }
            let id =
                if path.contains("dead-letters") { "AZqgxAAAcACAAAAAAAAAAAAAAAAAAAAB" } else { "01890a5d-ac96-774b-bcce-b302099a8057" };
            let path = path
                .replace("{id}", id)
                .replace("{device_id}", "d1")
                .replace("{user_id}", "ann")
                .replace("{kind}", "voip")
                .replace("{topic}", "news");
            let kind = if path.ends_with("import") { "application/x-ndjson" } else { "application/json" };
            let has_body = matches!(method.as_str(), "put" | "patch") || (method == "post" && !path.ends_with("/retry"));
            let body = if operation.contains("/client-tokens/") { tokens.clone() } else { body_of(&operation) };
            let credential = if path.starts_with("/v1/me/") { tokens["access_token"].as_str().unwrap() } else { KEY };
            let request = Request::builder().method(method.to_uppercase().as_str()).uri(&path);
            let request = request.header("authorization", format!("Bearer {credential}"));
            let request = if has_body { request.header("content-type", kind) } else { request };
            let body = if has_body { body.to_string() } else { String::new() };
            let reply = world.send(request.body(Body::from(body)).unwrap()).await;
            assert_eq!(reply.problem(), (503, "store_unavailable".to_owned()), "{operation}");
            assert_eq!(reply.header("retry-after"), "1", "{operation}");
            asked += 1;
        }
    }
    assert!(asked > 25, "{asked}");
}

/// It is the lane as the list shows it, with its parts.
#[tokio::test]
async fn a_resumed_lane_is_a_lane() {
    let world = World::new().await;
    let listed = world.get("/v1/lanes").await.json()["items"][0].clone();
    let mut resumed = world.post("/v1/lanes/apns/resume", "").await.json();
    assert_eq!(resumed["items"].as_array().unwrap().len(), 1);
    resumed.as_object_mut().unwrap().remove("items");
    let names = |lane: &Value| lane.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&resumed), names(&listed));
    for (name, expected) in [("state", json!("running")), ("breaker", json!("half_open")), ("per_second", json!(500))] {
        assert_eq!(resumed[name], expected, "{name}");
    }
    assert_eq!(resumed["held_until"], listed["held_until"]);
}
