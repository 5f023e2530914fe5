//! Making, changing and reading them.

use serde_json::{Value, json};

use super::Hook;
use crate::daemon::{Client, Dev, Simulator};

const URL: &str = "https://hooks.example.com/x";

fn body() -> Value {
    json!({"url": URL, "events": ["lane.paused", "delivery.sent"]})
}

#[tokio::test]
async fn a_webhook_is_made_changed_and_deleted() {
    let dev = Dev::start();
    let made = dev.post("/v1/webhooks", &body()).await.expect(201);
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_") && secret.len() == 50, "{secret}");
    let path = format!("/v1/webhooks/{}", made["id"].as_str().unwrap());
    let read = dev.get(&path).await.expect(200);
    let mut expected = made.clone();
    expected.as_object_mut().unwrap().remove("secret");
    assert_eq!(read, expected);
    assert_eq!((&read["url"], &read["events"]), (&json!(URL), &json!(["delivery.sent", "lane.paused"])));
    let state = (&read["status"], &read["disabled_reason"], &read["failing_since"]);
    assert_eq!(state, (&json!("enabled"), &Value::Null, &Value::Null));

    let off = dev.patch(&path, &json!({"enabled": false})).await.expect(200);
    assert_eq!((&off["status"], &off["disabled_reason"]), (&json!("disabled"), &json!("switched")));
    let other = dev.patch(&path, &json!({"url": "https://other.example.com/", "events": ["receipt.opened"]})).await.expect(200);
    assert_eq!(
        (&other["url"], &other["events"], &other["status"]),
        (&json!("https://other.example.com/"), &json!(["receipt.opened"]), &json!("disabled"))
    );
    dev.patch(&path, &json!({"events": []})).await.invalid("events", "invalid");
    dev.patch(&path, &json!({"secret": "x"})).await.invalid("secret", "unknown_field");
    dev.post(&format!("{path}/replay"), &json!({"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}))
        .await
        .invalid("to", "invalid");

    dev.delete(&path).await.expect(204);
    dev.delete(&path).await.problem(404, "not_found");
    dev.get(&path).await.problem(404, "not_found");
    dev.get(&format!("{path}/attempts")).await.problem(404, "not_found");
    dev.patch(&path, &json!({"enabled": true})).await.problem(404, "not_found");
    let acts = dev.items("/v1/audit").await;
    let of = |act: &str| acts.iter().filter(|one| one["act"] == act && one["object"] == made["id"]).count();
    assert_eq!((of("create_webhook"), of("patch_webhook"), of("replay_webhook"), of("delete_webhook")), (1, 5, 1, 2), "{acts:?}");
}

#[tokio::test]
async fn an_app_has_twenty() {
    let dev = Dev::start();
    for _ in 0..20 {
        dev.post("/v1/webhooks", &body()).await.expect(201);
    }
    dev.post("/v1/webhooks", &body()).await.problem(409, "too_many_webhooks");
    let mut ids = Vec::new();
    let mut page = dev.get("/v1/webhooks?limit=7").await.expect(200);
    loop {
        ids.extend(page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        assert!(page["items"].as_array().unwrap().iter().all(|item| item.get("secret").is_none()), "{page}");
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        page = dev.get(&format!("/v1/webhooks?limit=7&cursor={cursor}")).await.expect(200);
    }
    let mut sorted = ids.clone();
    sorted.sort_by(|one, other| other.cmp(one));
    sorted.dedup();
    assert_eq!((ids.len(), &ids), (20, &sorted), "newest first, each once");
}

#[tokio::test]
async fn it_takes_a_key_that_manages() {
    let simulator = Simulator::start();
    let (manage, weak) = (simulator.key("manage"), simulator.key("send,read,critical"));
    let daemon = simulator.serve(&[]);
    let (manager, other) = (Client::new(&daemon.url, &manage), Client::new(&daemon.url, &weak));
    let hook = Hook::make(&manager, URL, &["lane.paused"]).await;
    for path in ["/v1/webhooks".to_owned(), hook.path(""), hook.path("/attempts")] {
        other.get(&path).await.problem(403, "scope_missing");
        manager.get(&path).await.expect(200);
    }
    other.post("/v1/webhooks", &body()).await.problem(403, "scope_missing");
    for deed in ["/rotate_secret", "/test"] {
        other.send(other.request(reqwest::Method::POST, &hook.path(deed))).await.problem(403, "scope_missing");
    }
    other.delete(&hook.path("")).await.problem(403, "scope_missing");
    manager.get(&hook.path("")).await.expect(200);
}
