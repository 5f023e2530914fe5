//! Segments, topics, and users' own tags.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::json;

use super::kit::World;

#[tokio::test]
async fn a_segment_is_counted_or_refused_node_by_node() {
    let world = World::new().await;
    let preview = async |body| world.post("/v1/segments/preview", body).await;
    assert_eq!(preview(json!({"segment": {"everyone": true}})).await.json(), json!({"devices": 3, "users": 2}));
    for (body, field, code) in [
        (json!({}), "segment", "required"),
        (json!({"segment": null}), "segment", "required"),
        (json!({"segment": []}), "segment", "invalid"),
        (json!({"segment": {"all": []}}), "segment.all", "invalid"),
        (json!({"segment": {"not": {"field": "x", "op": "eq", "value": 1}}}), "segment.not.field", "invalid"),
        (json!({"segment": {"everyone": true}, "limit": 5}), "limit", "unknown_field"),
        (json!({"segment": {"field": "tags.a\0b", "op": "exists", "value": true}}), "segment.field", "invalid"),
    ] {
        let reply = preview(body.clone()).await;
        assert_eq!(reply.problem().0, 422, "{body}");
        assert_eq!(reply.field(), (field.to_owned(), code.to_owned()), "{body}");
    }
    let deep = (0..40).fold(json!({"everyone": true}), |inner, _| json!({"not": inner}));
    assert_eq!(preview(json!({"segment": deep})).await.problem().0, 422);
}

#[tokio::test]
async fn a_user_has_tags_and_a_locale() {
    let world = World::new().await;
    let path = "/v1/users/ann%20b";
    let nothing = world.get(path).await;
    assert_eq!(nothing.json(), json!({"tags": {}, "locale": null}));
    let first = world.patch(path, json!({"tags": {"plan": "pro", "age": 31, "gone": null}, "locale": "fr-CA"})).await;
    assert_eq!((first.status, first.json()), (StatusCode::OK, json!({"tags": {"plan": "pro", "age": 31}, "locale": "fr-CA"})));
    let tag = first.header("etag").to_owned();
    assert_ne!(nothing.header("etag"), tag);
    let second = world.patch(path, json!({"tags": {"plan": null, "beta": true}})).await;
    assert_eq!(second.json(), json!({"tags": {"age": 31, "beta": true}, "locale": "fr-CA"}));
    let stale = world.ask(Method::PATCH, path, &[("content-type", "application/json"), ("if-match", &tag)], "{}").await;
    assert_eq!(stale.problem(), (412, "stale".to_owned()));
    let known = world.ask(Method::GET, path, &[("if-none-match", second.header("etag"))], "").await;
    assert_eq!(known.status, StatusCode::NOT_MODIFIED);
    assert_eq!(world.patch(path, json!({"tags": null, "locale": null})).await.json(), json!({"tags": {}, "locale": null}));
    let many: serde_json::Map<_, _> = (0..100).map(|n| (format!("t{n}"), json!(n))).collect();
    assert_eq!(world.patch(path, json!({"tags": many})).await.status, StatusCode::OK);
    for (body, field) in [
        (json!({"tags": {"one": "more"}}), "tags"),
        (json!({"tags": {"x": []}}), "tags.x"),
        (json!({"tags": {"x": "y".repeat(513)}}), "tags.x"),
        (json!({"tags": "x"}), "tags"),
        (json!({"locale": "in French"}), "locale"),
        (json!({"locale": 5}), "locale"),
    ] {
        let reply = world.patch(path, body.clone()).await;
        assert_eq!((reply.problem().0, reply.field().0), (422, field.to_owned()), "{body}");
    }
}

#[tokio::test]
async fn a_topic_is_followed_by_devices_and_users() {
    let world = World::new().await;
    world.put("/v1/devices/d1", json!({"user_id": "u1", "platform": "android", "token": "t"})).await;
    assert_eq!(world.get("/v1/topics/news").await.problem().0, 404);
    assert_eq!(world.put("/v1/topics/news/devices/nothing", "").await.problem(), (404, "not_found".to_owned()));
    for follower in ["devices/d1", "devices/d1", "users/nobody%20yet"] {
        assert_eq!(world.put(&format!("/v1/topics/news/{follower}"), "").await.status, StatusCode::NO_CONTENT, "{follower}");
    }
    let topic = world.get("/v1/topics/news").await.json();
    assert_eq!((&topic["id"], &topic["devices"], &topic["users"]), (&json!("news"), &json!(1), &json!(1)));
    world.clock.pass(Duration::from_secs(1));
    world.put("/v1/topics/sport/users/u1", "").await;
    let first = world.get("/v1/topics?limit=1&fields=id").await.json();
    assert_eq!((&first["items"], &first["has_more"]), (&json!([{"id": "sport"}]), &json!(true)));
    let rest = world.get(&format!("/v1/topics?fields=id&cursor={}", first["next_cursor"].as_str().unwrap())).await.json();
    assert_eq!(rest["items"], json!([{"id": "news"}]));
    for follower in ["devices/d1", "users/nobody%20yet"] {
        let path = format!("/v1/topics/news/{follower}");
        assert_eq!(world.delete(&path).await.status, StatusCode::NO_CONTENT);
        assert_eq!(world.delete(&path).await.problem().0, 404);
    }
    assert_eq!(world.delete("/v1/topics/news").await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.delete("/v1/topics/news").await.problem().0, 404);
    for path in ["/v1/topics/a%20b/devices/d1", "/v1/topics/a/devices/d%201", "/v1/topics/a/users/x%0A", "/v1/topics/a%2Fb"] {
        assert_eq!(world.delete(path).await.problem().0, 422, "{path}");
    }
}
