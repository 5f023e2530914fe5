//! `Idempotency-Key`: what is sent twice happens once.

use serde_json::{Value, json};

use crate::clock::{in_seconds, text};
use crate::daemon::{Client, Dev, Simulator, apns_token};

const PATH: &str = "/v1/notifications";

fn body(user: &str) -> String {
    json!({"to": {"user_id": user}, "content": {"title": "t"}}).to_string()
}

#[tokio::test]
async fn the_same_key_and_body_answer_what_the_first_answered() {
    let dev = Dev::start();
    let token = apns_token("a1", 1);
    dev.ios("phone", "ann", &token).await;
    let first = dev.post_once(PATH, "key-1", &body("ann")).await;
    assert_eq!(first.header("idempotency-replayed"), "");
    let first = first.expect(202);
    for key in ["key-1", "\"key-1\""] {
        let again = dev.post_once(PATH, key, &body("ann")).await;
        assert_eq!(again.header("idempotency-replayed"), "true");
        assert_eq!(again.expect(202), first);
    }
    let other = dev.post_once(PATH, "key-2", &body("ann")).await.expect(202);
    assert_ne!(other["id"], first["id"]);
    dev.done(first["id"].as_str().unwrap()).await;
    dev.done(other["id"].as_str().unwrap()).await;
    assert_eq!(dev.pushes(&token).await.len(), 2);
}

#[tokio::test]
async fn the_same_key_with_another_body_is_refused() {
    let dev = Dev::start();
    dev.post_once(PATH, "key-1", &body("ann")).await.expect(202);
    dev.post_once(PATH, "key-1", &body("ben")).await.problem(422, "idempotency_key_reused");
    // byte for byte
    dev.post_once(PATH, "key-1", &format!(" {}", body("ann"))).await.problem(422, "idempotency_key_reused");
    assert_eq!(dev.items(PATH).await.len(), 1);
    // another route has keys of its own
    let batch = json!({"notifications": [{"to": {"user_id": "ann"}, "content": {"title": "t"}}]}).to_string();
    let first = dev.post_once("/v1/notifications/batch", "key-1", &batch).await.expect(202);
    let again = dev.post_once("/v1/notifications/batch", "key-1", &batch).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.expect(202), first);
    assert_eq!(dev.items(PATH).await.len(), 2);
}

#[tokio::test]
async fn only_what_succeeded_is_remembered() {
    let dev = Dev::start();
    let bad = json!({"to": {"user_id": "ann"}, "category": "news", "content": {"title": "t"}}).to_string();
    for _ in 0..2 {
        dev.post_once(PATH, "key-1", &bad).await.invalid("category", "unknown_category");
    }
    dev.put("/v1/categories/news", &json!({})).await.expect(201);
    let answer = dev.post_once(PATH, "key-1", &bad).await;
    assert_eq!(answer.header("idempotency-replayed"), "");
    answer.expect(202);
}

/// What was good when it was first sent is answered as it was, though it would be refused by now.
#[tokio::test]
async fn a_replay_is_not_judged_anew() {
    let dev = Dev::start();
    dev.put("/v1/categories/news", &json!({})).await.expect(201);
    let notification = json!({
        "to": {"user_id": "ann"}, "category": "news", "content": {"title": "t"}, "expires_at": text(in_seconds(3600)),
    });
    let mut item = notification.clone();
    item["idempotency_key"] = json!("item-1");
    let batch = json!({"notifications": [item]});
    let first = dev.post_once(PATH, "key-1", &notification.to_string()).await.expect(202);
    let of_batch = dev.post("/v1/notifications/batch", &batch).await.expect(202);
    let keyed = dev.post_once("/v1/notifications/batch", "key-1", &batch.to_string()).await.expect(202);
    dev.delete("/v1/categories/news").await.expect(204);
    dev.post_once(PATH, "key-2", &notification.to_string()).await.invalid("category", "unknown_category");
    let again = dev.post_once(PATH, "key-1", &notification.to_string()).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.expect(202), first);
    assert_eq!(dev.post("/v1/notifications/batch", &batch).await.expect(202), of_batch);
    assert_eq!(dev.post_once("/v1/notifications/batch", "key-1", &batch.to_string()).await.expect(202), keyed);
    dev.post_once(PATH, "key-1", "{}").await.problem(422, "idempotency_key_reused");
    assert_eq!(dev.items(PATH).await.len(), 2);
}

#[tokio::test]
async fn a_key_is_1_to_255_visible_characters() {
    let dev = Dev::start();
    for key in ["", "\"\"", "a b", &"k".repeat(256)] {
        dev.post_once(PATH, key, &body("ann")).await.invalid("Idempotency-Key", "invalid");
    }
    dev.post_once(PATH, &"k".repeat(255), &body("ann")).await.expect(202);
}

/// No answer that shows a secret is remembered: the key is made anew, or not at all, but never shown a second time.
#[tokio::test]
async fn a_secret_is_never_replayed() {
    let dev = Dev::start();
    let text = json!({"name": "backend", "scopes": ["send"]}).to_string();
    let first = dev.post_once("/v1/keys", "key-1", &text).await.expect(201);
    let again = dev.post_once("/v1/keys", "key-1", &text).await;
    assert_eq!(again.header("idempotency-replayed"), "");
    assert_ne!(again.body["key"], first["key"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_at_once_are_one() {
    let dev = Dev::start();
    let text = body("nobody");
    let answers = futures_util::future::join_all((0..8).map(|_| dev.post_once(PATH, "key-1", &text))).await;
    let ids: Vec<Value> = answers.into_iter().filter(|answer| answer.status == 202).map(|answer| answer.body["id"].clone()).collect();
    assert!(!ids.is_empty());
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(dev.items(PATH).await.len(), 1);
}

/// Keys are remembered through a restart, per app.
#[tokio::test]
async fn a_restart_forgets_no_key_and_apps_share_none() {
    let simulator = Simulator::start();
    simulator.add_app("other");
    let (demo, other) = (simulator.key("send,read"), simulator.key_of("other", "send,read"));
    let daemon = simulator.serve(&[]);
    let first = Client::new(&daemon.url, &demo).post_once(PATH, "key-1", &body("ann")).await.expect(202);
    assert!(daemon.terminate().await.success());
    let daemon = simulator.serve(&[]);
    let client = Client::new(&daemon.url, &demo);
    let again = client.post_once(PATH, "key-1", &body("ann")).await;
    assert_eq!((again.header("idempotency-replayed"), &again.body["id"]), ("true", &first["id"]));
    let foreign = client.with_key(&other).post_once(PATH, "key-1", &body("ben")).await.expect(202);
    assert_ne!(foreign["id"], first["id"]);
}
