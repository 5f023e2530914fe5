//! What arrives at Google's, for Android.

use serde_json::{Value, json};

use crate::daemon::{Client, Dev, Simulator};

/// Sends one notification to a fresh tablet; the message as it arrived, and the notification's id.
async fn arrives(dev: &Client, number: usize, body: &Value) -> (Value, String) {
    let token = format!("well-{number}");
    dev.android(&format!("tablet-{number}"), &format!("user-{number}"), &token).await;
    let mut body = body.clone();
    body["to"] = json!({"user_id": format!("user-{number}")});
    let done = dev.send_and_wait(&body).await;
    assert_eq!(done["counts"]["sent"], 1, "{done}");
    let push = dev.push(&token).await;
    assert_eq!(push["body"]["message"]["token"], token);
    (push["body"]["message"].clone(), done["id"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn every_word_has_its_place() {
    let dev = Dev::start();
    let (mut message, id) = arrives(
        &dev,
        1,
        &json!({
            "content": {
                "title": "Ann", "subtitle": "Chat", "body": "Lunch?", "image_url": "https://example.com/a.png", "sound": "default",
                "badge": 3, "thread_id": "chat-9", "link": "myapp://chat/9", "interruption": "time_sensitive", "relevance": 0.75,
                "android_channel": "chats", "action_set": "chat", "data": {"chat": "9"},
            },
            "ttl_seconds": 3600,
        }),
    )
    .await;
    let ttl = message["android"].as_object_mut().unwrap().remove("ttl").unwrap();
    let left: u32 = ttl.as_str().unwrap().strip_suffix('s').unwrap().parse().unwrap();
    assert!((3590..=3600).contains(&left), "{left}");
    assert_eq!(
        message,
        json!({
            "token": "well-1",
            "data": {
                "chat": "9", "herald_id": id, "herald_link": "myapp://chat/9", "herald_image": "https://example.com/a.png", "herald_actions": "chat",
            },
            "android": {
                "priority": "HIGH",
                "notification": {
                    "title": "Ann", "body": "Lunch?", "image": "https://example.com/a.png", "sound": "default", "channel_id": "chats",
                    "tag": id, "notification_priority": "PRIORITY_HIGH", "notification_count": 3,
                },
            },
        })
    );
    assert!(message["android"].get("collapse_key").is_none(), "Google keeps four of those per device");
}

#[tokio::test]
async fn what_is_not_given_is_not_sent() {
    let dev = Dev::start();
    let (message, id) = arrives(&dev, 1, &json!({"content": {"body": "b"}, "ttl_seconds": 0})).await;
    assert_eq!(
        message,
        json!({
            "token": "well-1", "data": {"herald_id": id},
            "android": {"priority": "HIGH", "ttl": "0s", "notification": {"body": "b", "tag": id}},
        })
    );
    for (number, (word, google)) in
        [("passive", "PRIORITY_LOW"), ("active", "PRIORITY_DEFAULT"), ("time_sensitive", "PRIORITY_HIGH"), ("critical", "PRIORITY_MAX")]
            .into_iter()
            .enumerate()
    {
        let (message, _) = arrives(&dev, 10 + number, &json!({"content": {"title": "t", "interruption": word}})).await;
        assert_eq!(message["android"]["notification"]["notification_priority"], google);
    }
}

#[tokio::test]
async fn priority_collapse_key_and_channel() {
    let dev = Dev::start();
    dev.put("/v1/categories/slow", &json!({"priority": "normal", "android_channel": "slow-channel"})).await.expect(201);
    for (number, (body, priority, channel)) in [
        (json!({"priority": "normal"}), "NORMAL", Value::Null),
        (json!({"priority": "high"}), "HIGH", Value::Null),
        (json!({"priority": "critical"}), "HIGH", Value::Null),
        (json!({"category": "slow"}), "NORMAL", json!("slow-channel")),
        (json!({"category": "slow", "content": {"title": "t", "android_channel": "own"}}), "NORMAL", json!("own")),
    ]
    .into_iter()
    .enumerate()
    {
        let mut push = json!({"content": {"title": "t"}, "collapse_key": "chat-9"});
        push.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        let (message, _) = arrives(&dev, number, &push).await;
        assert_eq!(message["android"]["priority"], priority, "{body}");
        assert_eq!(message["android"]["notification"]["channel_id"], channel, "{body}");
        assert_eq!(message["android"]["notification"]["tag"], "chat-9", "{body}");
    }
}

#[tokio::test]
async fn a_silent_push_is_data_only() {
    let dev = Dev::start();
    for (number, (priority, google)) in [("normal", "NORMAL"), ("high", "HIGH")].into_iter().enumerate() {
        let body = json!({"content": {"data": {"k": "v"}}, "silent": true, "priority": priority, "ttl_seconds": 0});
        let (message, id) = arrives(&dev, number, &body).await;
        let expected = json!({
            "token": format!("well-{number}"), "data": {"k": "v", "herald_id": id}, "android": {"priority": google, "ttl": "0s"},
        });
        assert_eq!(message, expected);
    }
}

#[tokio::test]
async fn overrides_are_merged_last() {
    let dev = Dev::start();
    let (message, id) = arrives(
        &dev,
        1,
        &json!({
            "content": {"title": "t", "body": "b", "data": {"k": "v"}}, "ttl_seconds": 0,
            "fcm": {
                "data": {"x": "y"}, "fcm_options": {"analytics_label": "lunch"},
                "android": {"restricted_package_name": "com.example", "notification": {"body": null, "color": "#ff0000"}},
            },
        }),
    )
    .await;
    assert_eq!(
        message,
        json!({
            "token": "well-1", "data": {"k": "v", "x": "y", "herald_id": id}, "fcm_options": {"analytics_label": "lunch"},
            "android": {
                "priority": "HIGH", "ttl": "0s", "restricted_package_name": "com.example",
                "notification": {"title": "t", "color": "#ff0000", "tag": id},
            },
        })
    );
}

/// An app that shows everything itself gets data only; Apple's phones get what their system shows, mutable on every alert.
#[tokio::test]
async fn an_app_may_show_pushes_itself() {
    let simulator = Simulator::start();
    let key = simulator.key("send,manage,read");
    let settings = [("HERALD__APPS__DEMO__FCM__DISPLAY", "app"), ("HERALD__APPS__DEMO__APNS__SERVICE_EXTENSION", "true")];
    let daemon = simulator.serve(&settings);
    let client = Client::new(&daemon.url, &key);
    let token = crate::daemon::apns_token("a1", 1);
    client.android("tablet", "ann", "well-1").await;
    client.ios("phone", "ann", &token).await;
    let done = client.send_and_wait(&json!({"to": {"user_id": "ann"}, "content": {"title": "t", "body": "b"}, "ttl_seconds": 0})).await;
    let message = &simulator.client.push("well-1").await["body"]["message"];
    let data = json!({"herald_id": done["id"], "herald_title": "t", "herald_body": "b"});
    assert_eq!(message, &json!({"token": "well-1", "data": data, "android": {"priority": "HIGH", "ttl": "0s"}}));
    let aps = &simulator.client.push(&token).await["body"]["aps"];
    assert_eq!(aps, &json!({"alert": {"title": "t", "body": "b"}, "mutable-content": 1}));
}
