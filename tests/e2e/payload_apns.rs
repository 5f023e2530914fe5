//! What arrives at Apple's phones.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::clock::{in_seconds, instant, text};
use crate::daemon::{Client, Dev, apns_token};

/// Sends one notification to a fresh phone; the push as it arrived, and the notification's id.
async fn arrives(dev: &Client, number: usize, body: &Value) -> (Value, String) {
    let token = apns_token("a1", number);
    dev.ios(&format!("phone-{number}"), &format!("user-{number}"), &token).await;
    let mut body = body.clone();
    body["to"] = json!({"user_id": format!("user-{number}")});
    let done = dev.send_and_wait(&body).await;
    assert_eq!(done["counts"]["sent"], 1, "{done}");
    (dev.push(&token).await, done["id"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn every_word_has_its_place() {
    let dev = Dev::start();
    let (push, id) = arrives(
        &dev,
        1,
        &json!({
            "content": {
                "title": "Ann", "subtitle": "Chat", "body": "Lunch?", "image_url": "https://example.com/a.png", "sound": "default",
                "badge": 3, "thread_id": "chat-9", "link": "myapp://chat/9", "interruption": "time_sensitive", "relevance": 0.75,
                "android_channel": "messages", "action_set": "chat", "actions": [{"id": "reply", "title": "Reply"}],
                "data": {"chat": "9", "n": "1"},
            },
            "labels": {"team": "chat"},
        }),
    )
    .await;
    assert_eq!(
        push["body"],
        json!({
            "aps": {
                "alert": {"title": "Ann", "subtitle": "Chat", "body": "Lunch?"}, "badge": 3, "sound": "default", "thread-id": "chat-9",
                "category": "chat", "interruption-level": "time-sensitive", "relevance-score": 0.75, "mutable-content": 1,
            },
            "chat": "9", "n": "1", "herald_id": id, "herald_link": "myapp://chat/9", "herald_image": "https://example.com/a.png",
        })
    );
    let headers = &push["headers"];
    assert_eq!((&headers["apns-push-type"], &headers["apns-priority"]), (&json!("alert"), &json!("10")));
    assert_eq!(headers["apns-topic"], "com.example.demo");
    assert!(headers["authorization"].as_str().unwrap_or("bearer ").to_lowercase().starts_with("bearer "), "{headers}");
    assert!(headers["apns-id"].as_str().is_some_and(|id| id.len() == 36), "{headers}");
}

#[tokio::test]
async fn what_is_not_given_is_not_sent() {
    let dev = Dev::start();
    let (push, id) = arrives(&dev, 1, &json!({"content": {"body": "b"}})).await;
    assert_eq!(push["body"], json!({"aps": {"alert": {"body": "b"}}, "herald_id": id}));
    let (push, _) = arrives(&dev, 2, &json!({"content": {"badge": 0}})).await;
    assert_eq!(push["body"]["aps"], json!({"badge": 0}));
    for (number, (word, apple)) in
        [("passive", "passive"), ("active", "active"), ("time_sensitive", "time-sensitive"), ("critical", "critical")]
            .into_iter()
            .enumerate()
    {
        let (push, _) = arrives(&dev, 10 + number, &json!({"content": {"title": "t", "interruption": word, "sound": "ping.caf"}})).await;
        assert_eq!(push["body"]["aps"]["interruption-level"], apple);
        let sound = if word == "critical" { json!({"critical": 1, "name": "ping.caf", "volume": 1.0}) } else { json!("ping.caf") };
        assert_eq!(push["body"]["aps"]["sound"], sound);
    }
}

#[tokio::test]
async fn priority_is_the_caller_s_else_the_category_s_else_high() {
    let dev = Dev::start();
    dev.put("/v1/categories/slow", &json!({"priority": "normal", "ttl_seconds": 77})).await.expect(201);
    for (number, (body, priority)) in [
        (json!({}), "10"),
        (json!({"priority": "normal"}), "5"),
        (json!({"priority": "high"}), "10"),
        (json!({"priority": "critical"}), "10"),
        (json!({"category": "slow"}), "5"),
        (json!({"category": "slow", "priority": "high"}), "10"),
        (json!({"category": "messages"}), "10"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut push = body.clone();
        push["content"] = json!({"title": "t"});
        let (push, _) = arrives(&dev, number, &push).await;
        assert_eq!(push["headers"]["apns-priority"], priority, "{body}");
        assert_eq!(push["body"]["aps"], json!({"alert": {"title": "t"}}), "{body}");
    }
}

#[tokio::test]
async fn a_life_is_the_caller_s_else_the_category_s_else_a_day() {
    let dev = Dev::start();
    dev.put("/v1/categories/short", &json!({"ttl_seconds": 77})).await.expect(201);
    let at = in_seconds(5000);
    for (number, (body, seconds)) in [
        (json!({}), Some(86_400)),
        (json!({"ttl_seconds": 600}), Some(600)),
        (json!({"ttl_seconds": 2_419_200}), Some(2_419_200)),
        (json!({"ttl_seconds": 0}), Some(-1)),
        (json!({"category": "short"}), Some(77)),
        (json!({"category": "short", "ttl_seconds": 90}), Some(90)),
        (json!({"expires_at": text(at)}), None),
    ]
    .into_iter()
    .enumerate()
    {
        let mut push = body.clone();
        push["content"] = json!({"title": "t"});
        let (push, id) = arrives(&dev, number, &push).await;
        let told: i64 = push["headers"]["apns-expiration"].as_str().unwrap().parse().unwrap();
        let accepted_at = instant(&dev.get(&format!("/v1/notifications/{id}")).await.expect(200)["accepted_at"]);
        match seconds {
            Some(-1) => assert_eq!(told, 0, "{body}"),
            Some(seconds) => assert!((told - (accepted_at + TimeDelta::seconds(seconds)).timestamp()).abs() <= 1, "{body}: {told}"),
            None => assert_eq!(told, at.timestamp(), "{body}"),
        }
    }
}

#[tokio::test]
async fn a_collapse_key_is_the_caller_s_else_the_notification_s_id() {
    let dev = Dev::start();
    let (push, id) = arrives(&dev, 1, &json!({"content": {"title": "t"}})).await;
    assert_eq!(push["headers"]["apns-collapse-id"], id);
    let (push, _) = arrives(&dev, 2, &json!({"content": {"title": "t"}, "collapse_key": "chat-9"})).await;
    assert_eq!(push["headers"]["apns-collapse-id"], "chat-9");
    // one that is not visible ASCII goes as the base64url of its SHA-256
    let (push, _) = arrives(&dev, 3, &json!({"content": {"title": "t"}, "collapse_key": "mañana"})).await;
    let sum = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, "mañana".as_bytes());
    let expected = base64::Engine::encode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, sum);
    assert_eq!(push["headers"]["apns-collapse-id"], expected);
}

#[tokio::test]
async fn a_silent_push_only_wakes_the_app() {
    let dev = Dev::start();
    for (number, priority) in ["normal", "high", "critical"].into_iter().enumerate() {
        let body = json!({"content": {"data": {"k": "v"}}, "silent": true, "priority": priority});
        let (push, id) = arrives(&dev, number, &body).await;
        assert_eq!(push["body"], json!({"aps": {"content-available": 1}, "k": "v", "herald_id": id}));
        let headers = &push["headers"];
        assert_eq!((&headers["apns-push-type"], &headers["apns-priority"]), (&json!("background"), &json!("5")), "{priority}");
    }
    let (push, id) = arrives(&dev, 9, &json!({"silent": true})).await;
    assert_eq!(push["body"], json!({"aps": {"content-available": 1}, "herald_id": id}), "without content too");
}

/// `apns` is merged last: objects merge, null removes, everything else replaces.
#[tokio::test]
async fn overrides_are_merged_last() {
    let dev = Dev::start();
    let (push, id) = arrives(
        &dev,
        1,
        &json!({
            "content": {"title": "t", "body": "b", "sound": "default", "data": {"k": "v"}},
            "apns": {
                "headers": {"apns-priority": "5", "apns-collapse-id": "mine"},
                "payload": {"aps": {"alert": {"title": null, "title-loc-key": "LUNCH"}, "sound": null, "badge": 9}, "k": "w", "x": {"y": [1]}},
            },
        }),
    )
    .await;
    assert_eq!(
        push["body"],
        json!({"aps": {"alert": {"body": "b", "title-loc-key": "LUNCH"}, "badge": 9}, "k": "w", "x": {"y": [1]}, "herald_id": id})
    );
    assert_eq!((&push["headers"]["apns-priority"], &push["headers"]["apns-collapse-id"]), (&json!("5"), &json!("mine")));
}
