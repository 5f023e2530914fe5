//! Who changed what: by HTTP, by the command line through a daemon, and on the store itself.

use serde_json::{Value, json};

use crate::cli::{command, json_of, read, run};
use crate::daemon::{Client, Dev, Simulator};

/// Acts as the table of a test has them: what, to what, how it ended.
fn told(items: &[Value]) -> Vec<(String, String, u64)> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    items.iter().map(|item| (text(&item["act"]), text(&item["object"]), item["status"].as_u64().unwrap())).collect()
}

#[tokio::test]
async fn what_is_changed_is_in_the_log() {
    let dev = Dev::start();
    let made = dev.post("/v1/keys", &json!({"name": "ops", "scopes": ["manage", "read"]})).await.expect(201);
    let (id, ops) = (made["id"].as_str().unwrap(), dev.with_key(made["key"].as_str().unwrap()));
    ops.put("/v1/categories/news", &json!({})).await.expect(201);
    ops.put("/v1/categories/news", &json!({"ttl_seconds": -1})).await.problem(422, "invalid");
    ops.delete("/v1/categories/nothing").await.problem(404, "not_found");
    ops.post("/v1/keys", &json!({"name": "more", "scopes": ["critical"]})).await.problem(403, "scope_missing");
    // traffic, and what only reads, is not
    ops.put("/v1/devices/phone", &json!({"user_id": "ann", "platform": "android", "token": "well-1"})).await.expect(201);
    ops.prefer("ann", &json!({"channels": {"push": false}})).await;
    ops.get("/v1/categories").await.expect(200);

    let log = ops.items(&format!("/v1/audit?key_id={id}")).await;
    assert_eq!(
        told(&log),
        [
            ("create_key".to_owned(), "-".to_owned(), 403),
            ("delete_category".to_owned(), "nothing".to_owned(), 404),
            ("put_category".to_owned(), "news".to_owned(), 422),
            ("put_category".to_owned(), "news".to_owned(), 201),
        ]
    );
    assert!(log.iter().all(|item| item["actor"] == "key" && item["key_name"] == "ops" && item["request_id"].is_string()), "{log:?}");
    let by_dev = ops.items("/v1/audit?act=create_key&limit=500").await;
    assert!(by_dev.iter().any(|item| item["actor"] == "built_in" && item["object"] == id && item["key_id"].is_null()), "{by_dev:?}");

    let listed = json_of(&dev, &["audit", "list", "--act", "put_category", "--key-id", id], 0).await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 2, "{listed}");
    assert_eq!(json_of(&dev, &["audit", "list", "--to", "2020-01-01T00:00:00Z"], 0).await["items"], json!([]));
    assert_eq!(run(command(&dev, &["audit", "list", "--from", "yesterday"])).await.status.code(), Some(1));
    dev.with_key("wrong").get("/v1/audit").await.problem(401, "key_invalid");
}

/// Nobody gets round it on the machine itself, and what was written outlives a kill.
#[tokio::test]
async fn what_is_done_on_the_store_itself_is_in_the_log() {
    let simulator = Simulator::start();
    let key = simulator.key("manage,send");
    let listed = read(&run(simulator.on_the_store(&["key", "list", "--app", "demo", "--output", "json"])).await, 0);
    let id = listed["items"][0]["id"].as_str().unwrap().to_owned();
    let rotated = run(simulator.on_the_store(&["key", "rotate", &id, "--app", "demo", "--output", "json"])).await;
    let new = read(&rotated, 0)["id"].as_str().unwrap().to_owned();
    assert_eq!(run(simulator.on_the_store(&["key", "rotate", &id, "--app", "demo"])).await.status.code(), Some(1));
    assert_eq!(run(simulator.on_the_store(&["key", "revoke", &new, "--app", "demo"])).await.status.code(), Some(0));
    assert_eq!(run(simulator.on_the_store(&["key", "revoke", &new, "--app", "demo"])).await.status.code(), Some(1));

    let daemon = simulator.serve(&[]);
    let client = Client::new(&daemon.url, &key);
    client.put("/v1/categories/news", &json!({})).await.expect(201);
    daemon.kill();
    let daemon = simulator.serve(&[]);
    let client = Client::new(&daemon.url, &key);
    let log = client.items("/v1/audit").await;
    assert_eq!(
        told(&log),
        [
            ("put_category".to_owned(), "news".to_owned(), 201),
            ("delete_key".to_owned(), new.clone(), 404),
            ("delete_key".to_owned(), new, 204),
            ("rotate_key".to_owned(), id.clone(), 409),
            ("rotate_key".to_owned(), id.clone(), 201),
            ("create_key".to_owned(), id, 201),
        ]
    );
    let actors: Vec<_> = log.iter().map(|item| item["actor"].as_str().unwrap()).collect();
    assert_eq!(actors, ["key", "local", "local", "local", "local", "local"]);
}
