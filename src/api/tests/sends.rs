//! Notifications in: one, many, previewed, explained, cancelled.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::kit::{Reply, World};
use crate::dispatch::draft::To;

fn hello() -> Value {
    json!({"to": {"user_id": "u1"}, "content": {"title": "Hello"}})
}

async fn keyed(world: &World, path: &str, key: &str, body: &str) -> Reply {
    world.ask(Method::POST, path, &[("content-type", "application/json"), ("idempotency-key", key)], body.to_owned()).await
}

#[tokio::test]
async fn a_notification_is_accepted_and_read() {
    let world = World::new().await;
    let accepted = world.post("/v1/notifications", hello()).await;
    assert_eq!(accepted.status, StatusCode::ACCEPTED);
    assert_eq!(accepted.header("content-type"), "application/json");
    let body = accepted.json();
    assert_eq!((&body["status"], &body["accepted_at"]), (&json!("accepted"), &json!("2026-11-02T09:00:00Z")));
    assert_eq!(world.path.last().to, To::Users(vec!["u1".into()]));
    let read = world.get(&format!("/v1/notifications/{}", body["id"].as_str().unwrap())).await.json();
    assert_eq!((&read["id"], &read["counts"]["targeted"]), (&body["id"], &json!(1)));
    for state in ["waiting", "suppressed", "failed", "expired"] {
        assert!(read["reasons"][state].is_object(), "{read}");
    }
    let mut later = hello();
    later["send_at"] = json!("2026-12-01T09:00:00Z");
    assert_eq!(world.post("/v1/notifications", later).await.json()["status"], "scheduled");
}

#[tokio::test]
async fn what_the_path_rejects_is_told() {
    let world = World::new().await;
    let mut unknown = hello();
    unknown["category"] = json!("nope");
    let refused = world.post("/v1/notifications", unknown).await;
    assert_eq!((refused.problem().0, refused.field()), (422, ("category".to_owned(), "unknown_category".to_owned())));
    let large = json!({"to": {"user_id": "u1"}, "content": {"body": "x".repeat(5000)}});
    let refused = world.post("/v1/notifications", large).await;
    assert_eq!(refused.problem(), (413, "payload_too_large".to_owned()));
    assert_eq!((&refused.json()["provider"], &refused.json()["size"]), (&json!("apns"), &json!(5000)));
}

#[tokio::test]
async fn one_answer_names_all_that_is_wrong() {
    let world = World::new().await;
    let body = json!({
        "to": {"user_ids": ["a", 5], "users": []}, "priority": "urgent", "content": {"title": 1, "data": {"a": 1, "aps": "x"}},
        "ttl_seconds": 9_999_999, "colour": "red",
    });
    let refused = world.post("/v1/notifications", body).await;
    assert_eq!(refused.problem(), (422, "invalid".to_owned()));
    let mut fields: Vec<_> =
        refused.json()["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap().to_owned()).collect();
    fields.sort();
    let expected =
        ["colour", "content.data.a", "content.data.aps", "content.title", "priority", "to.user_ids[1]", "to.users", "ttl_seconds"];
    assert_eq!(fields, expected, "{}", refused.json());
}

#[tokio::test]
async fn a_key_makes_a_repeat_harmless() {
    let world = World::new().await;
    let body = hello().to_string();
    let first = keyed(&world, "/v1/notifications", "k1", &body).await;
    assert_eq!((first.status, first.header("idempotency-replayed")), (StatusCode::ACCEPTED, ""));
    world.clock.pass(Duration::from_secs(5));
    for key in ["k1", "\"k1\""] {
        let again = keyed(&world, "/v1/notifications", key, &body).await;
        assert_eq!((again.status, again.header("idempotency-replayed")), (StatusCode::ACCEPTED, "true"));
        assert_eq!(again.bytes, first.bytes);
    }
    let other = keyed(&world, "/v1/notifications", "k1", &format!("{body} ")).await;
    assert_eq!(other.problem(), (422, "idempotency_key_reused".to_owned()));
    for key in ["", "a b", &"k".repeat(256)] {
        let refused = keyed(&world, "/v1/notifications", key, &body).await;
        assert_eq!((refused.problem().0, refused.field().0), (422, "Idempotency-Key".to_owned()), "{key}");
    }
    // an error is not remembered
    assert_eq!(keyed(&world, "/v1/notifications", "k2", "{}").await.problem().0, 422);
    assert_eq!(keyed(&world, "/v1/notifications", "k2", &body).await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_batch_answers_item_by_item() {
    let world = World::new().await;
    let body =
        json!({"notifications": [hello(), {"to": {}}, 5, {"to": {"device_ids": ["d1"]}, "content": {"title": "x"}, "extra": 1}, hello()]});
    let reply = world.post("/v1/notifications/batch", body).await;
    assert_eq!(reply.status, StatusCode::ACCEPTED);
    let results = reply.json()["results"].as_array().unwrap().clone();
    assert_eq!(results.len(), 5);
    assert!(results[0]["id"].is_string() && results[4]["id"].is_string());
    assert_ne!(results[0]["id"], results[4]["id"]);
    for index in [1, 2, 3] {
        assert_eq!((&results[index]["error"]["code"], &results[index]["error"]["status"]), (&json!("invalid"), &json!(422)), "{index}");
    }
    assert_eq!(results[3]["error"]["errors"][0]["field"], "extra");
    let repeated = r#"{"notifications": [{"to": {"user_id": "u", "user_id": "v"}}]}"#;
    assert_eq!(world.post("/v1/notifications/batch", repeated).await.json()["results"][0]["error"]["code"], "bad_json");
    for body in [
        json!({}),
        json!({"notifications": []}),
        json!({"notifications": vec![0; 1001]}),
        json!({"notifications": {}}),
        json!({"items": []}),
    ] {
        assert_eq!(world.post("/v1/notifications/batch", &body).await.problem(), (422, "invalid".to_owned()), "{body}");
    }
}

#[tokio::test]
async fn items_of_a_batch_have_keys_of_their_own() {
    let world = World::new().await;
    let mut item = hello();
    item["idempotency_key"] = json!("i1");
    let first = world.post("/v1/notifications/batch", json!({"notifications": [item, hello()]})).await.json();
    let second = world.post("/v1/notifications/batch", json!({"notifications": [hello(), item]})).await.json();
    assert_eq!(first["results"][0], second["results"][1]);
    item["silent"] = json!(false);
    let third = world.post("/v1/notifications/batch", json!({"notifications": [item]})).await.json();
    assert_eq!(third["results"][0]["error"]["code"], "idempotency_key_reused");
    assert_eq!(third["results"][0]["error"]["errors"][0]["field"], "idempotency_key", "its own member, not the header");
    let single = world.post("/v1/notifications", item).await;
    assert_eq!(single.field(), ("idempotency_key".to_owned(), "unknown_field".to_owned()));

    let body = json!({"notifications": [hello(), {"to": {}}]}).to_string();
    let first = keyed(&world, "/v1/notifications/batch", "b1", &body).await;
    let again = keyed(&world, "/v1/notifications/batch", "b1", &body).await;
    assert_eq!((again.bytes == first.bytes, again.header("idempotency-replayed")), (true, "true"));
    let nothing_good = keyed(&world, "/v1/notifications/batch", "b2", r#"{"notifications": [{}]}"#).await;
    let again = keyed(&world, "/v1/notifications/batch", "b2", r#"{"notifications": [{}]}"#).await;
    assert_eq!((again.bytes == nothing_good.bytes, again.header("idempotency-replayed")), (true, "true"));
}

#[tokio::test]
async fn a_preview_and_an_explanation_send_nothing() {
    let world = World::new().await;
    let preview = world.post("/v1/notifications/preview", hello()).await;
    assert_eq!(preview.status, StatusCode::OK);
    assert_eq!(preview.json()["rendered"][0]["provider"], "apns");
    assert!(preview.json()["rendered"][0].get("validated").is_none(), "nobody was asked");
    let validated = world.post("/v1/notifications/preview?validate=true", hello()).await.json()["rendered"][0].clone();
    let words = ["validated", "validated_reason", "validated_field", "validated_message"].map(|name| validated[name].clone());
    assert_eq!(words, ["invalid", "R", "f", "m"]);
    assert_eq!(world.post("/v1/notifications/preview?validate=yes", hello()).await.problem(), (422, "invalid".to_owned()));
    let explained = world.post("/v1/explain", json!({"user_id": "u1"})).await.json();
    assert_eq!(explained["decisions"][0]["local_time"], "2026-11-02T09:00:00");
    assert_eq!(explained["decisions"][0]["until"], "2026-11-02T09:00:00Z");
    assert_eq!(world.post("/v1/explain", json!({"device_id": "unknown"})).await.problem().0, 404);
    assert_eq!(world.get("/v1/notifications").await.json()["items"], json!([]));
}

#[tokio::test]
async fn what_waits_can_be_cancelled() {
    let world = World::new().await;
    let id = world.post("/v1/notifications", hello()).await.json()["id"].as_str().unwrap().to_owned();
    let cancelled = world.delete(&format!("/v1/notifications/{id}")).await;
    assert_eq!((cancelled.status, &cancelled.json()["id"]), (StatusCode::OK, &json!(id)));
    assert_eq!(world.delete("/v1/notifications/01890a5d-ac96-774b-bcce-b302099a8057").await.problem().0, 404);
}

#[tokio::test]
async fn receipts_of_unknown_pushes_are_named() {
    let world = World::new().await;
    let receipt = |id: &str| json!({"notification_id": id, "device_id": "d1", "type": "opened", "at": "2026-11-02T09:00:00Z"});
    let reply = world.post("/v1/receipts", json!({"receipts": [receipt("nonsense")]})).await;
    assert_eq!(reply.status, StatusCode::ACCEPTED);
    assert_eq!(reply.json(), json!({"accepted": 0, "rejected": [{"index": 0, "code": "unknown_delivery"}]}));
    let mut wrong = receipt("x");
    wrong["type"] = json!("seen");
    let refused = world.post("/v1/receipts", json!({"receipts": [receipt("x"), wrong]})).await;
    assert_eq!(refused.field().0, "receipts[1].type");
    assert_eq!(world.post("/v1/receipts", json!({"receipts": vec![receipt("x"); 501]})).await.field().0, "receipts");
    assert_eq!(world.post("/v1/receipts", json!({})).await.field(), ("receipts".to_owned(), "required".to_owned()));
}

#[tokio::test]
async fn a_lane_is_resumed_by_its_provider() {
    let world = World::new().await;
    assert_eq!(world.get("/v1/lanes").await.json()["items"][0]["state"], "paused");
    let resumed = world.ask(Method::POST, "/v1/lanes/apns/resume", &[], "").await.json();
    assert_eq!((&resumed["provider"], &resumed["state"]), (&json!("apns"), &json!("running")));
    for provider in ["fcm", "sms"] {
        assert_eq!(world.post(&format!("/v1/lanes/{provider}/resume"), "").await.problem().0, 404);
    }
}

/// Whatever is wrong with a time to live, its bounds are told.
#[tokio::test]
async fn the_bounds_of_a_time_to_live_are_told() {
    let world = World::new().await;
    for value in [json!(-1), json!(2_419_201), json!(5_000_000_000_u64), json!(1.5), json!("60")] {
        let mut notification = hello();
        notification["ttl_seconds"] = value.clone();
        for refused in [
            world.post("/v1/notifications", notification).await,
            world.post("/v1/explain", json!({"user_id": "ann", "ttl_seconds": value})).await,
            world.put("/v1/categories/news", json!({"ttl_seconds": value})).await,
        ] {
            assert_eq!((refused.problem().0, refused.field()), (422, ("ttl_seconds".to_owned(), "invalid".to_owned())));
            assert_eq!(refused.json()["errors"][0]["message"], "must be a whole number from 0 to 2419200", "{value}");
        }
    }
}
