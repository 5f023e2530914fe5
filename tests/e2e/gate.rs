//! Who may be reached at all: channels, categories, permission.

use serde_json::{Value, json};

use crate::daemon::{Client, Dev, apns_token};

/// A person with preferences, a phone, and what becomes of a push to it.
struct Row {
    name: &'static str,
    preferences: Value,
    permission: &'static str,
    push: Value,
    suppressed: Option<&'static str>,
}

fn row(name: &'static str, preferences: Value, push: Value, suppressed: Option<&'static str>) -> Row {
    Row { name, preferences, permission: "granted", push, suppressed }
}

async fn check(dev: &Client, number: usize, row: Row) {
    let Row { name, preferences, permission, mut push, suppressed } = row;
    let (user, device, token) = (format!("user-{number}"), format!("phone-{number}"), apns_token("a1", number));
    let body = json!({"user_id": user, "platform": "ios", "token": token, "permission": permission});
    assert_eq!(dev.put(&format!("/v1/devices/{device}"), &body).await.expect(201)["permission"], permission);
    dev.prefer(&user, &preferences).await;
    push["to"] = json!({ "user_id": user });
    let done = dev.send_and_wait(&push).await;
    let delivery = dev.delivery(done["id"].as_str().unwrap(), &device).await;
    assert_eq!(done["counts"]["targeted"], 1, "{name}");
    if let Some(reason) = suppressed {
        assert_eq!(done["counts"]["suppressed"], 1, "{name}: {done}");
        assert_eq!(done["reasons"]["suppressed"], json!({ reason: 1 }), "{name}");
        assert_eq!((&delivery["status"], &delivery["reason"]), (&json!("suppressed"), &json!(reason)), "{name}");
        assert_eq!(delivery["attempts"], 0, "{name}");
        assert!(dev.pushes(&token).await.is_empty(), "{name}");
    } else {
        assert_eq!(done["counts"]["sent"], 1, "{name}: {done}");
        assert_eq!((&delivery["status"], &delivery["reason"]), (&json!("sent"), &Value::Null), "{name}");
        assert_eq!(dev.pushes(&token).await.len(), 1, "{name}");
    }
}

#[tokio::test]
async fn what_a_person_switched_off_does_not_arrive() {
    let dev = Dev::start();
    for (name, category) in [
        ("off", json!({"default_on": false})),
        ("required", json!({"required": true})),
        ("off-and-required", json!({"default_on": false, "required": true})),
    ] {
        dev.put(&format!("/v1/categories/{name}"), &category).await.expect(201);
    }
    let content = json!({"title": "t"});
    let data = json!({"k": "v"});
    let push_off = json!({"channels": {"push": false}});
    let of = |category: &str| json!({"content": content, "category": category});
    let silent = |category: &str| json!({"content": {"data": data}, "silent": true, "category": category});
    let rows = [
        row("the channel is off", push_off.clone(), json!({"content": content}), Some("push_off")),
        row("the channel is off, critical", push_off.clone(), json!({"content": content, "priority": "critical"}), Some("push_off")),
        row("the channel is off, required", push_off.clone(), of("required"), Some("push_off")),
        row("the channel is off, silent", push_off, json!({"content": {"data": data}, "silent": true}), None),
        row(
            "another channel is off",
            json!({"channels": {"email": false, "sms": false, "inbox": false}}),
            json!({"content": content}),
            None,
        ),
        row("the category is off", json!({"categories": {"marketing": {"push": false}}}), of("marketing"), Some("category_off")),
        row(
            "the category is off, critical",
            json!({"categories": {"marketing": {"push": false}}}),
            json!({"content": content, "category": "marketing", "priority": "critical"}),
            Some("category_off"),
        ),
        row(
            "the category is off, silent",
            json!({"categories": {"marketing": {"push": false}}}),
            silent("marketing"),
            Some("category_off"),
        ),
        row("the category is off for another channel", json!({"categories": {"marketing": {"email": false}}}), of("marketing"), None),
        row("another category is off", json!({"categories": {"marketing": {"push": false}}}), of("messages"), None),
        row("off by default", json!({}), of("off"), Some("category_off")),
        row("off by default, chosen", json!({"categories": {"off": {"push": true}}}), of("off"), None),
        row("required", json!({}), of("required"), None),
        row("required goes over the default", json!({}), of("off-and-required"), None),
        row(
            "without a category only channels decide",
            json!({"categories": {"marketing": {"push": false}}}),
            json!({"content": content}),
            None,
        ),
    ];
    for (number, row) in rows.into_iter().enumerate() {
        check(&dev, number, row).await;
    }
}

#[tokio::test]
async fn what_the_system_would_not_show_is_not_sent() {
    let dev = Dev::start();
    let alert = json!({"content": {"title": "t"}});
    let silent = json!({"content": {"data": {"k": "v"}}, "silent": true});
    for (number, (permission, push, suppressed)) in
        [("denied", &alert, Some("permission_denied")), ("denied", &silent, None), ("provisional", &alert, None), ("unknown", &alert, None)]
            .into_iter()
            .enumerate()
    {
        check(&dev, number, Row { permission, ..row(permission, json!({}), push.clone(), suppressed) }).await;
    }
}

/// A category made required after somebody had switched it off.
#[tokio::test]
async fn a_required_category_goes_over_an_old_choice() {
    let dev = Dev::start();
    dev.put("/v1/categories/legal", &json!({})).await.expect(201);
    dev.ios("phone", "ann", &apns_token("a1", 1)).await;
    dev.prefer("ann", &json!({"categories": {"legal": {"push": false}}})).await;
    let push = json!({"to": {"user_id": "ann"}, "category": "legal", "content": {"title": "t"}});
    assert_eq!(dev.send_and_wait(&push).await["reasons"]["suppressed"], json!({"category_off": 1}));
    dev.put("/v1/categories/legal", &json!({"required": true})).await.expect(200);
    assert_eq!(dev.send_and_wait(&push).await["counts"]["sent"], 1);
}
