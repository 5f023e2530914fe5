//! Audiences told by what devices are: segments, topics, and what narrows others.

use serde_json::{Value, json};

use crate::daemon::{Dev, apns_token};

/// A daemon with six devices of three users, and nobody else.
async fn populated() -> Dev {
    let dev = Dev::start();
    for device in dev.items("/v1/devices?limit=500").await {
        dev.delete(&format!("/v1/devices/{}", device["device_id"].as_str().unwrap())).await.expect(204);
    }
    for (number, (name, user, version, tags)) in [
        ("a-1", json!("ann"), "3.9", json!({"plan": "pro", "n": 1})),
        ("a-2", json!("ann"), "3.10", json!({"plan": "free", "n": 2})),
        ("b-1", json!("ben"), "3.10.0", json!({"plan": "pro", "n": "2"})),
        ("b-2", json!("ben"), "4.0-beta", json!({"'; DROP TABLE device; --": "\" OR 1=1 --"})),
        ("c-1", json!("cem"), "4.0", json!({"plan": "100%"})),
        ("x-1", Value::Null, "10.0", json!({"plan": "pro"})),
    ]
    .into_iter()
    .enumerate()
    {
        let body = json!({"user_id": user, "platform": "ios", "token": apns_token("a1", number), "app_version": version, "tags": tags});
        dev.put(&format!("/v1/devices/{name}"), &body).await.expect(201);
    }
    dev
}

/// Who got it, by device, and whether the preview said the same before.
async fn reached(dev: &Dev, to: &Value) -> Vec<String> {
    let body = json!({"to": to, "content": {"title": "t"}});
    let preview = dev.post("/v1/notifications/preview", &body).await.expect(200);
    let done = dev.send_and_wait(&body).await;
    let counts = &done["counts"];
    assert_eq!((&preview["targeted"], counts["targeted"].clone()), (&counts["targeted"], counts["sent"].clone()), "{to} {preview} {done}");
    let decisions = if preview["targeted"] == 0 { json!({}) } else { json!({"send": counts["sent"]}) };
    assert_eq!(preview["decisions"], decisions, "{to}");
    let deliveries = dev.deliveries(done["id"].as_str().unwrap()).await;
    let mut devices: Vec<String> = deliveries.iter().map(|delivery| delivery["device_id"].as_str().unwrap().to_owned()).collect();
    devices.sort_unstable();
    devices
}

fn leaf(field: &str, op: &str, value: impl Into<Value>) -> Value {
    json!({"field": field, "op": op, "value": Into::<Value>::into(value)})
}

#[tokio::test]
async fn a_segment_reaches_those_that_it_means() {
    let dev = populated().await;
    dev.patch("/v1/users/ann", &json!({"tags": {"vip": true}})).await.expect(200);
    dev.patch("/v1/users/nobody", &json!({"tags": {"vip": true}})).await.expect(200);
    let hostile = "'; DROP TABLE device; --";
    for (segment, expected, users) in [
        (leaf("tags.plan", "eq", json!("pro")), vec!["a-1", "b-1", "x-1"], 2),
        (json!({"not": leaf("tags.plan", "eq", json!("pro"))}), vec!["a-2", "b-2", "c-1"], 3),
        (leaf("tags.plan", "ne", json!("pro")), vec!["a-2", "b-2", "c-1"], 3),
        (leaf("tags.n", "eq", json!(2)), vec!["a-2"], 1),
        (leaf("tags.plan", "prefix", json!("100%")), vec!["c-1"], 1),
        (leaf("tags.plan", "prefix", json!("%")), vec![], 0),
        (leaf("app_version", "gte", json!("3.10")), vec!["a-2", "b-1", "b-2", "c-1", "x-1"], 3),
        (leaf("app_version", "lt", json!("4.0")), vec!["a-1", "a-2", "b-1", "b-2"], 2),
        (leaf("user.tags.vip", "eq", json!(true)), vec!["a-1", "a-2"], 1),
        (leaf(&format!("tags.{hostile}"), "eq", json!("\" OR 1=1 --")), vec!["b-2"], 1),
        (leaf(&format!("tags.{hostile}"), "exists", json!(false)), vec!["a-1", "a-2", "b-1", "c-1", "x-1"], 3),
        (leaf("tags.' OR '1'='1", "eq", json!("x")), vec![], 0),
        (leaf("created_at", "lt", json!({"days_ago": 1})), vec![], 0),
        (
            json!({"all": [{"everyone": true}, {"any": [leaf("tags.n", "in", json!([1, "2"])), leaf("app_version", "eq", json!("v10"))]}]}),
            vec!["a-1", "b-1", "x-1"],
            2,
        ),
    ] {
        let preview = dev.post("/v1/segments/preview", &json!({"segment": segment})).await.expect(200);
        assert_eq!(preview, json!({"devices": expected.len(), "users": users}), "{segment}");
        assert_eq!(reached(&dev, &json!({"segment": segment})).await, expected, "{segment}");
    }
    dev.post("/v1/notifications", &json!({"to": {"segment": {"any": []}}, "content": {"title": "t"}}))
        .await
        .invalid("to.segment.any", "invalid");
    dev.post("/v1/notifications", &json!({"to": {"segment": {}}, "content": {"title": "t"}})).await.invalid("to.segment", "invalid");
}

#[tokio::test]
async fn a_topic_reaches_its_followers() {
    let dev = populated().await;
    assert!(reached(&dev, &json!({"topic": "news"})).await.is_empty(), "nobody follows it yet");
    for follower in ["devices/a-2", "users/ben", "devices/x-1", "users/later"] {
        dev.put(&format!("/v1/topics/news/{follower}"), &json!(null)).await.expect(204);
    }
    assert_eq!(reached(&dev, &json!({"topic": "news"})).await, ["a-2", "b-1", "b-2", "x-1"]);
    let body = json!({"user_id": "later", "platform": "ios", "token": apns_token("a1", 9)});
    dev.put("/v1/devices/l-1", &body).await.expect(201);
    assert_eq!(reached(&dev, &json!({"topic": "news", "except_device_ids": ["b-1"]})).await, ["a-2", "b-2", "l-1", "x-1"]);
    // who signs in on a device does not follow what the one before had it follow
    dev.patch("/v1/devices/a-2", &json!({"user_id": "cem"})).await.expect(200);
    dev.delete("/v1/topics/news/users/ben").await.expect(204);
    assert_eq!(reached(&dev, &json!({"topic": "news"})).await, ["l-1", "x-1"]);
    let topic = dev.get("/v1/topics/news").await.expect(200);
    assert_eq!((&topic["devices"], &topic["users"]), (&json!(1), &json!(1)), "{topic}");
    dev.delete("/v1/topics/news").await.expect(204);
    assert!(reached(&dev, &json!({"topic": "news"})).await.is_empty());
}

#[tokio::test]
async fn every_audience_can_be_narrowed() {
    let dev = populated().await;
    dev.put("/v1/topics/news/users/ann", &json!(null)).await.expect(204);
    dev.put("/v1/topics/news/devices/c-1", &json!(null)).await.expect(204);
    let pro = leaf("tags.plan", "eq", json!("pro"));
    for (mut to, expected) in [
        (json!({"all": true}), vec!["a-1", "b-1", "x-1"]),
        (json!({"topic": "news"}), vec!["a-1"]),
        (json!({"segment": leaf("app_version", "gt", json!("3.9"))}), vec!["b-1", "x-1"]),
        (json!({"user_id": "ann"}), vec!["a-1"]),
        (json!({"user_ids": ["ann", "ben", "cem", "nobody"]}), vec!["a-1", "b-1"]),
        (json!({"user_ids": ["ann", "ben", "cem"], "devices": "latest"}), vec!["a-1", "b-1"]),
        (json!({"user_ids": ["ann", "ben"], "except_device_ids": ["b-1"]}), vec!["a-1"]),
        (json!({"device_ids": ["a-1", "a-2", "x-1", "nothing"]}), vec!["a-1", "x-1"]),
        (json!({"user_id": "cem"}), vec![]),
    ] {
        to["where"] = pro.clone();
        assert_eq!(reached(&dev, &to).await, expected, "{to}");
    }
}

/// What waits is told as it will be sent.
#[tokio::test]
async fn what_is_scheduled_is_counted_as_it_is_narrowed() {
    let dev = populated().await;
    let to = json!({"user_ids": ["ann", "ben", "cem", "nobody"], "where": leaf("tags.plan", "eq", json!("pro"))});
    let body = json!({"to": to, "content": {"title": "t"}, "send_at": crate::clock::text(crate::clock::in_seconds(3600))});
    let id = dev.post("/v1/notifications", &body).await.expect(202)["id"].as_str().unwrap().to_owned();
    let view = dev.get(&format!("/v1/notifications/{id}")).await.expect(200);
    assert_eq!((&view["counts"]["targeted"], &view["counts"]["waiting"]), (&json!(2), &json!(2)), "{view}");
    let mut devices: Vec<_> = dev.deliveries(&id).await.iter().map(|delivery| delivery["device_id"].clone()).collect();
    devices.sort_by_key(ToString::to_string);
    assert_eq!(devices, [json!("a-1"), json!("b-1")]);
}
