//! Lists of notifications and deliveries, and imports.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::kit::{Reply, World};

async fn import(world: &World, query: &str, lines: &str) -> Reply {
    world.ask(Method::POST, &format!("/v1/devices/import{query}"), &[("content-type", "application/x-ndjson")], lines.to_owned()).await
}

#[tokio::test]
async fn notifications_are_found_by_their_labels() {
    let world = World::new().await;
    world.put("/v1/categories/news", json!({})).await;
    let mut ids = Vec::new();
    for (team, category) in [("a", json!(null)), ("b", json!("news")), ("a", json!("news"))] {
        let body = json!({"to": {"user_id": "u1"}, "content": {"title": "x"}, "category": category, "labels": {"team": team, "x.y": "1"}});
        ids.push(world.post("/v1/notifications", body).await.json()["id"].clone());
        world.clock.pass(Duration::from_mins(1));
    }
    let ids_of = |reply: Reply| -> Vec<Value> { reply.json()["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect() };
    assert_eq!(ids_of(world.get("/v1/notifications").await), [ids[2].clone(), ids[1].clone(), ids[0].clone()]);
    assert_eq!(ids_of(world.get("/v1/notifications?label.team=a&label.x.y=1").await), [ids[2].clone(), ids[0].clone()]);
    assert_eq!(ids_of(world.get("/v1/notifications?label.team=a&category=news").await), [ids[2].clone()]);
    assert_eq!(ids_of(world.get("/v1/notifications?from=2026-11-02T09:00:30Z&to=2026-11-02T09:01:30Z").await), [ids[1].clone()]);
    let first = world.get("/v1/notifications?label.team=a&limit=1").await.json();
    let next = world.get(&format!("/v1/notifications?cursor={}", first["next_cursor"].as_str().unwrap())).await;
    assert_eq!(ids_of(next), [ids[0].clone()]);
    for query in ["status=new", "from=yesterday", "category=a%20b", "labels.team=a"] {
        assert_eq!(world.get(&format!("/v1/notifications?{query}")).await.problem(), (422, "invalid".to_owned()), "{query}");
    }
}

#[tokio::test]
async fn deliveries_tell_who_waits() {
    let world = World::new().await;
    world.put("/v1/devices/d1", json!({"user_id": "u1", "platform": "android", "token": "t"})).await;
    let id =
        world.post("/v1/notifications", json!({"to": {"user_ids": ["u1", "u2"]}, "content": {"title": "x"}})).await.json()["id"].clone();
    let path = format!("/v1/notifications/{}/deliveries", id.as_str().unwrap());
    let all = world.get(&path).await.json();
    assert_eq!(all["items"].as_array().unwrap().len(), 2, "{all}");
    assert_eq!((&all["items"][0]["status"], &all["items"][0]["channel"]), (&json!("waiting"), &json!("push")));
    let one = world.get(&format!("{path}?user_id=u1&status=waiting&fields=device_id,user_id")).await.json();
    assert_eq!(one["items"], json!([{"device_id": "d1", "user_id": "u1"}]));
    assert_eq!(world.get(&format!("{path}?status=lost")).await.problem().0, 422);
    assert_eq!(world.get("/v1/notifications/01890a5d-ac96-774b-bcce-b302099a8057/deliveries").await.problem().0, 404);
}

#[tokio::test]
async fn an_import_tells_line_by_line() {
    let world = World::new().await;
    let lines = concat!(
        r#"{"device_id": "d1", "user_id": "u1", "platform": "android", "token": "t1", "created_at": "2024-01-01T00:00:00Z"}"#,
        "\n\n",
        r#"{"device_id": "d2", "user_id": "u1", "platform": "android"}"#,
        "\r\n",
        r#"{"device_id": "d3", "user_id": "u1", "platform": "ios", "token": "s3cret", "colour": 1}"#,
        "\n{\n",
        r#"{"device_id": "d4", "user_id": "u2", "platform": "web", "provider": "fcm", "token": "t4", "status": "inactive"}"#,
    );
    for (query, count) in [("?dry_run=true&format=herald", 0), ("", 2)] {
        let reply = import(&world, query, lines).await;
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
        let body = reply.json();
        assert_eq!(
            (&body["lines"], &body["created"], &body["updated"], &body["failed"]),
            (&json!(5), &json!(2), &json!(0), &json!(3)),
            "{body}"
        );
        let mut errors: Vec<_> = body["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| (e["line"].as_u64().unwrap(), e["field"].as_str().unwrap(), e["code"].as_str().unwrap()))
            .collect();
        errors.sort_unstable();
        let expected = [(3, "token", "required"), (4, "colour", "unknown_field"), (4, "token", "invalid"), (5, "", "bad_json")];
        assert_eq!(errors, expected, "{body}");
        assert!(!String::from_utf8_lossy(&reply.bytes).contains("s3cret"));
        assert_eq!(world.get("/v1/devices").await.json()["items"].as_array().unwrap().len(), count);
    }
    assert_eq!(world.get("/v1/devices/d1").await.json()["created_at"], "2024-01-01T00:00:00Z");
    assert_eq!(world.get("/v1/devices/d4").await.json()["status"], "inactive");
    assert_eq!(import(&world, "", lines).await.json()["updated"], 2);
}

#[tokio::test]
async fn an_import_is_read_in_pieces() {
    let world = World::new().await;
    let mut lines = String::new();
    for number in 0..1203 {
        let line =
            format!("{{\"device_id\": \"d{number}\", \"user_id\": \"u{number}\", \"platform\": \"android\", \"token\": \"t{number}\"}}\n");
        lines.push_str(&line);
    }
    let long = format!("{{\"device_id\": \"{}\"}}\n", "x".repeat(70_000));
    lines.push_str(&long);
    lines.push_str("{\"device_id\": \"last\", \"user_id\": null, \"platform\": \"android\", \"token\": \"last\"}");
    let body = import(&world, "", &lines).await.json();
    assert_eq!((&body["lines"], &body["created"], &body["failed"]), (&json!(1205), &json!(1204), &json!(1)), "{body}");
    assert_eq!((&body["errors"][0]["line"], &body["errors"][0]["code"]), (&json!(1204), &json!("line_too_long")));
    for (query, field) in [("?format=carrier", "format"), ("?dry_run=1", "dry_run"), ("?dryrun=true", "dryrun")] {
        assert_eq!(import(&world, query, "").await.field().0, field);
    }
    assert_eq!(world.post("/v1/devices/import", "{}").await.problem().0, 415);
    assert_eq!(import(&world, "?format=onesignal", "").await.problem().0, 415, "it exports CSV");
    assert_eq!(import(&world, "", "").await.json()["lines"], 0);
}
