//! A store that cannot be written to: said so, and taken up again without a restart.

use serde_json::json;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use crate::client::Answer;
use crate::daemon::{Dev, until};

/// Takes the right to write from the daemon, until it is let go of.
async fn take(dev: &Dev) -> SqliteConnection {
    let mut files = std::fs::read_dir(dev.dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let file = files.find(|path| path.extension().is_some_and(|end| end == "db")).unwrap();
    let mut conn = SqliteConnectOptions::new().filename(file).connect().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut conn).await.unwrap();
    conn
}

fn assert_patience(answer: &Answer) {
    assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1, "{:?}", answer.headers);
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_named() {
    let dev = Dev::start();
    dev.get("/ready").await.expect(200);
    let held = take(&dev).await;
    let ready = dev.get("/ready").await;
    assert_patience(&ready);
    assert_eq!(ready.problem(503, "not_ready")["away"], json!(["store"]));
    dev.get("/health").await.expect(200);
    dev.get("/v1/devices/demo-ann-iphone").await.expect(200);
    held.close().await.unwrap();
    until("the store is back", async || (dev.get("/ready").await.status == 200).then_some(())).await;
    dev.put("/v1/categories/news", &json!({})).await.expect(201);
}

/// Many who wait for a store that is away are told together: one after the other, the last would not be told in a minute.
#[tokio::test]
async fn nobody_waits_for_those_before() {
    let dev = Dev::start();
    let held = take(&dev).await;
    let category = json!({});
    let paths: Vec<String> = (0..40).map(|n| format!("/v1/categories/c{n}")).collect();
    for answer in futures_util::future::join_all(paths.iter().map(|path| dev.put(path, &category))).await {
        answer.problem(503, "store_unavailable");
    }
    held.close().await.unwrap();
}

/// Where nothing can be written, nothing is promised, and what can be read is.
#[tokio::test]
async fn what_cannot_be_written_is_refused_for_the_time_being() {
    let dev = Dev::start_limitable();
    let notification = json!({"to": {"user_id": "nobody"}, "content": {"title": "t"}});
    let device = json!({"user_id": "ann", "platform": "android", "token": "well-1"});
    let to_ann = json!({"to": {"device_ids": ["demo-ann-iphone"]}, "content": {"title": "t"}});
    let before = dev.send_and_wait(&to_ann).await;
    assert_eq!(before["counts"]["sent"], 1, "{before}");
    let receipts = json!({"receipts": [{"notification_id": before["id"], "device_id": "demo-ann-iphone", "type": "opened"}]});
    dev.process.limit_files(Some(0));
    for answer in [
        dev.post("/v1/notifications", &notification).await,
        dev.post("/v1/notifications/batch", &json!({ "notifications": [notification] })).await,
        dev.put("/v1/devices/phone", &device).await,
        dev.patch("/v1/devices/demo-ann-iphone", &json!({"locale": "fr"})).await,
        dev.delete("/v1/devices/demo-ann-iphone").await,
        dev.import("", &format!("{}\n", json!({"device_id": "phone", "user_id": "ann", "platform": "android", "token": "well-1"}))).await,
        dev.put("/v1/users/ann/preferences", &json!({"timezone": "UTC"})).await,
        dev.put("/v1/users/ann/contacts", &json!({"email": "ann@example.com"})).await,
        dev.put("/v1/categories/news", &json!({})).await,
        dev.post("/v1/receipts", &receipts).await,
        dev.post("/v1/keys", &json!({"name": "k", "scopes": ["read"]})).await,
    ] {
        assert_patience(&answer);
        answer.problem(503, "store_unavailable");
    }
    dev.get("/v1/devices/demo-ann-iphone").await.expect(200);
    assert_eq!(dev.items("/v1/notifications").await.len(), 1);

    dev.process.limit_files(None);
    until("there is room again", async || (dev.put("/v1/devices/phone", &device).await.status == 201).then_some(())).await;
    assert_eq!(dev.send_and_wait(&notification).await["reasons"]["suppressed"], json!({"no_active_device": 1}));
    dev.get("/v1/categories/news").await.problem(404, "not_found");
    assert_eq!(dev.items("/v1/notifications").await.len(), 2, "what was refused was not kept");
}

/// A caller who was told to try again may do so with the same key.
#[tokio::test]
async fn an_answer_of_an_absent_store_is_not_remembered() {
    let dev = Dev::start_limitable();
    let body = json!({"to": {"user_id": "nobody"}, "content": {"title": "t"}}).to_string();
    dev.process.limit_files(Some(0));
    dev.post_once("/v1/notifications", "once", &body).await.problem(503, "store_unavailable");
    dev.process.limit_files(None);
    let taken = until("there is room again", async || {
        let answer = dev.post_once("/v1/notifications", "once", &body).await;
        (answer.status == 202).then_some(answer)
    })
    .await;
    assert_eq!(taken.header("idempotency-replayed"), "");
    let id = &taken.body["id"];
    let again = dev.post_once("/v1/notifications", "once", &body).await;
    assert_eq!((again.header("idempotency-replayed"), &again.body["id"]), ("true", id));
    let listed = dev.items("/v1/notifications").await;
    assert_eq!((listed.len(), &listed[0]["id"]), (1, id));
}

/// While the first of a key is being handled, the second is told so after a second, and may come again.
#[tokio::test]
async fn a_key_that_is_being_handled_is_named() {
    let dev = Dev::start();
    let body = json!({"to": {"user_id": "nobody"}, "content": {"title": "t"}}).to_string();
    let held = take(&dev).await;
    let (one, other) = (dev.post_once("/v1/notifications", "once", &body), dev.post_once("/v1/notifications", "once", &body));
    let (told, first) = futures_util::future::select(Box::pin(one), Box::pin(other)).await.factor_first();
    assert_patience(&told);
    told.problem(409, "idempotency_in_progress");
    held.close().await.unwrap();
    let first = first.await;
    assert_eq!(first.header("idempotency-replayed"), "");
    let id = first.expect(202)["id"].clone();
    let again = dev.post_once("/v1/notifications", "once", &body).await;
    assert_eq!((again.header("idempotency-replayed"), &again.body["id"]), ("true", &id));
}
