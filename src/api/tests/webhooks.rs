//! Webhooks: versions, and what is replayed.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::kit::{Reply, World};

const URL: &str = "https://hooks.example.com/x";

async fn made(world: &World) -> (String, Reply) {
    let reply = world.post("/v1/webhooks", json!({"url": URL, "events": ["lane.paused"]})).await;
    assert_eq!(reply.status, StatusCode::CREATED, "{reply:?}");
    (format!("/v1/webhooks/{}", reply.json()["id"].as_str().unwrap()), reply)
}

async fn guarded(world: &World, path: &str, tag: &str, body: Value) -> Reply {
    world.ask(Method::PATCH, path, &[("content-type", "application/json"), ("if-match", tag)], body.to_string()).await
}

#[tokio::test]
async fn versions_guard_a_webhook() {
    let world = World::new().await;
    let (path, made) = made(&world).await;
    assert_eq!(made.header("cache-control"), "no-store", "its secret is in it");
    let tag = made.header("etag").to_owned();
    let read = world.get(&path).await;
    assert_eq!((read.status, read.header("etag")), (StatusCode::OK, tag.as_str()));
    assert_eq!(world.ask(Method::GET, &path, &[("if-none-match", &tag)], "").await.status, StatusCode::NOT_MODIFIED);
    let changed = guarded(&world, &path, &tag, json!({"enabled": false})).await;
    assert_eq!((changed.status, &changed.json()["status"]), (StatusCode::OK, &json!("disabled")));
    let new = changed.header("etag").to_owned();
    assert_ne!(new, tag);
    assert_eq!(world.get(&path).await.header("etag"), new);
    assert_eq!(world.ask(Method::GET, &path, &[("if-none-match", &tag)], "").await.status, StatusCode::OK);
    assert_eq!(guarded(&world, &path, &tag, json!({"enabled": true})).await.problem(), (412, "stale".to_owned()));
    assert_eq!(world.get(&path).await.json()["status"], "disabled", "nothing was changed");
    assert_eq!(guarded(&world, &path, &format!("\"other\", {new}"), json!({"enabled": true})).await.status, StatusCode::OK);
    assert_eq!(guarded(&world, &path, "*", json!({"enabled": true})).await.status, StatusCode::OK);
    let rotated = world.post(&format!("{path}/rotate_secret"), "").await;
    assert_eq!((rotated.header("cache-control"), rotated.header("etag")), ("no-store", world.get(&path).await.header("etag")));
    world.delete(&path).await;
    assert_eq!(guarded(&world, &path, "*", json!({"enabled": true})).await.problem(), (404, "not_found".to_owned()));
}

/// Of those who know the same version, one changes it.
#[tokio::test]
async fn one_of_many_changes_a_version() {
    let world = World::new().await;
    let (path, made) = made(&world).await;
    let tag = made.header("etag");
    let urls = ["a", "b", "c", "d"].map(|name| json!({"url": format!("{URL}/{name}")}));
    let replies = futures_util::future::join_all(urls.map(|body| guarded(&world, &path, tag, body))).await;
    let mut statuses: Vec<u16> = replies.iter().map(|reply| reply.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412, 412]);
}

#[tokio::test]
async fn a_replay_goes_on_to_the_present() {
    let world = World::new().await;
    let (path, _) = made(&world).await;
    let replay = async |body: Value| world.post(&format!("{path}/replay"), body).await;
    // it is nine o'clock
    let reply = replay(json!({"from": "2026-11-02T08:00:00Z"})).await;
    assert_eq!((reply.status, reply.json()), (StatusCode::ACCEPTED, json!({"messages": 0})));
    for (body, field, code) in [
        (json!({}), "from", "required"),
        (json!({"to": "2026-11-02T08:00:00Z"}), "from", "required"),
        (json!({"from": "2026-11-02T09:00:00Z"}), "from", "invalid"),
        (json!({"from": "2026-11-02T08:00:00Z", "to": "2026-11-02T08:00:00Z"}), "to", "invalid"),
    ] {
        assert_eq!(replay(body.clone()).await.field(), (field.to_owned(), code.to_owned()), "{body}");
    }
}
