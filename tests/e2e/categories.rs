//! Categories: Herald's kinds of notification.

use reqwest::Method;
use serde_json::{Value, json};

use crate::daemon::{Dev, apns_token};

#[tokio::test]
async fn a_category_is_declared_read_and_deleted() {
    let dev = Dev::start();
    let path = "/v1/categories/news.daily:1";
    let body = json!({
        "default_on": false, "required": false, "bypass_quiet_hours": true, "priority": "normal", "ttl_seconds": 600, "android_channel": "news",
        "frequency_cap": {"count": 2, "per_seconds": 86_400},
    });
    let created = dev.put(path, &body).await.expect(201);
    assert_eq!(created["id"], "news.daily:1");
    for (name, value) in body.as_object().unwrap() {
        assert_eq!(&created[name], value, "{name}");
    }
    assert_eq!(dev.get(path).await.expect(200), created);
    let replaced = dev.put(path, &json!({})).await.expect(200);
    for (name, value) in [
        ("default_on", json!(true)),
        ("required", json!(false)),
        ("bypass_quiet_hours", json!(false)),
        ("priority", Value::Null),
        ("ttl_seconds", Value::Null),
        ("android_channel", Value::Null),
        ("frequency_cap", Value::Null),
    ] {
        assert_eq!(replaced[name], value, "{name}");
    }
    let ids: Vec<_> = dev.items("/v1/categories").await.iter().map(|category| category["id"].as_str().unwrap().to_owned()).collect();
    assert!(["news.daily:1", "messages", "marketing"].iter().all(|id| ids.iter().any(|known| known == id)), "{ids:?}");
    dev.delete(path).await.expect(204);
    dev.get(path).await.problem(404, "not_found");
    dev.delete(path).await.problem(404, "not_found");
}

#[tokio::test]
async fn dev_declares_messages_and_marketing() {
    let dev = Dev::start();
    assert_eq!(dev.get("/v1/categories/messages").await.expect(200)["priority"], "high");
    assert_eq!(dev.get("/v1/categories/marketing").await.expect(200)["default_on"], true);
}

#[tokio::test]
async fn a_version_guards_a_category() {
    let dev = Dev::start();
    let path = "/v1/categories/news";
    let first = dev.put(path, &json!({})).await.header("etag").to_owned();
    assert_eq!(dev.send(dev.request(Method::GET, path).header("if-none-match", &first)).await.status, 304);
    dev.put(path, &json!({"required": true})).await.expect(200);
    let stale = dev.send(dev.request(Method::PUT, path).header("if-match", &first).json(&json!({}))).await;
    stale.problem(412, "stale");
    assert_eq!(dev.get(path).await.expect(200)["required"], true);
}

/// Of those who saw the same version one may change it, whatever the words: also the same words again are another version.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_changes_of_one_version_one_is_stale() {
    let dev = Dev::start();
    let path = "/v1/categories/news";
    let first = dev.put(path, &json!({})).await.header("etag").to_owned();
    let change = |seconds: u32| dev.send(dev.request(Method::PUT, path).header("if-match", &first).json(&json!({"ttl_seconds": seconds})));
    let answers = futures_util::future::join_all((1..=8).map(change)).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412, 412, 412, 412, 412, 412]);
    dev.put(path, &json!({})).await.expect(200);
    dev.send(dev.request(Method::PUT, path).header("if-match", &first).json(&json!({}))).await.problem(412, "stale");
    dev.send(dev.request(Method::PUT, "/v1/categories/none").header("if-match", "*").json(&json!({}))).await.problem(412, "stale");
}

#[tokio::test]
async fn categories_are_listed_newest_first() {
    let dev = Dev::start();
    for name in ["b-second", "c-third", "a-fourth"] {
        dev.put(&format!("/v1/categories/{name}"), &json!({})).await.expect(201);
    }
    let listed = dev.get("/v1/categories?limit=2").await.expect(200);
    assert_eq!((&listed["items"][0]["id"], &listed["items"][1]["id"]), (&json!("a-fourth"), &json!("c-third")), "{listed}");
    let rest = dev.items(&format!("/v1/categories?cursor={}", listed["next_cursor"].as_str().unwrap())).await;
    assert_eq!(rest.iter().map(|one| one["id"].as_str().unwrap()).collect::<Vec<_>>(), ["b-second", "marketing", "messages"]);
}

/// What is not declared cannot be sent in, from the moment it is deleted; and can from the moment it is declared.
#[tokio::test]
async fn only_a_declared_category_can_be_sent_in() {
    let dev = Dev::start();
    dev.ios("phone", "ann", &apns_token("a1", 1)).await;
    let body = json!({"to": {"user_id": "ann"}, "category": "news", "content": {"title": "t"}});
    dev.post("/v1/notifications", &body).await.invalid("category", "unknown_category");
    dev.put("/v1/categories/news", &json!({})).await.expect(201);
    assert_eq!(dev.send_and_wait(&body).await["category"], "news");
    dev.delete("/v1/categories/news").await.expect(204);
    dev.post("/v1/notifications", &body).await.invalid("category", "unknown_category");
}

#[tokio::test]
async fn what_a_category_cannot_be_is_named() {
    let dev = Dev::start();
    for (body, field, code) in [
        (json!({"default_on": "yes"}), "default_on", "invalid"),
        (json!({"priority": "urgent"}), "priority", "invalid"),
        (json!({"ttl_seconds": 2_419_201}), "ttl_seconds", "invalid"),
        (json!({"ttl_seconds": -1}), "ttl_seconds", "invalid"),
        (json!({"android_channel": ""}), "android_channel", "invalid"),
        (json!({"frequency_cap": {"count": 0, "per_seconds": 60}}), "frequency_cap.count", "invalid"),
        (json!({"frequency_cap": {"count": 101, "per_seconds": 60}}), "frequency_cap.count", "invalid"),
        (json!({"frequency_cap": {"count": 1, "per_seconds": 2_678_401}}), "frequency_cap.per_seconds", "invalid"),
        (json!({"frequency_cap": {"count": 1}}), "frequency_cap.per_seconds", "required"),
        (json!({"frequency_cap": {"count": 1, "per_seconds": 60, "per": "day"}}), "frequency_cap.per", "unknown_field"),
        (json!({"frequency_cap": 5}), "frequency_cap", "invalid"),
        (json!({"fallback": {"channels": ["email"]}}), "fallback", "unknown_field"),
        (json!({"colour": "red"}), "colour", "unknown_field"),
    ] {
        dev.put("/v1/categories/news", &body).await.invalid(field, code);
    }
    for name in ["a%20b", &"c".repeat(65)] {
        let problem = dev.put(&format!("/v1/categories/{name}"), &json!({})).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["code"], "invalid", "{problem}");
    }
    dev.get("/v1/categories/news").await.problem(404, "not_found");
}
