//! Frequency caps: how many notifications of a category a person gets.

use serde_json::{Value, json};

use crate::clock::{in_seconds, text};
use crate::daemon::{Client, Dev, apns_token};

/// Ann has a phone and a tablet; nobody is signed in on the kiosk.
async fn settle_in(dev: &Client, cap: &Value) {
    dev.put("/v1/categories/news", &json!({ "frequency_cap": cap })).await.expect(201);
    dev.ios("phone", "ann", &apns_token("a1", 1)).await;
    dev.android("tablet", "ann", "well-1").await;
    let kiosk = json!({"user_id": null, "platform": "ios", "token": apns_token("a1", 2)});
    dev.put("/v1/devices/kiosk", &kiosk).await.expect(201);
}

fn news(to: &Value) -> Value {
    json!({"to": to, "category": "news", "content": {"title": "t"}})
}

/// What is sent, and what is one too many.
async fn counts(dev: &Client, body: &Value) -> (u64, u64) {
    let done = dev.send_and_wait(body).await;
    let capped = done["reasons"]["suppressed"]["frequency_cap"].as_u64().unwrap_or_default();
    assert_eq!(done["counts"]["suppressed"], capped, "{done}");
    (done["counts"]["sent"].as_u64().unwrap(), capped)
}

/// Exactly two get through, each to both devices.
#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_at_once_two_get_through() {
    let dev = Dev::start();
    settle_in(&dev, &json!({"count": 2, "per_seconds": 86_400})).await;
    let body = news(&json!({"user_id": "ann"}));
    let ids = futures_util::future::join_all((0..50).map(|_| dev.notify(&body))).await;
    let mut ended = Vec::new();
    for id in &ids {
        let done = dev.done(id).await;
        ended.push((done["counts"]["sent"].clone(), done["reasons"]["suppressed"].clone()));
    }
    let sent = ended.iter().filter(|(sent, suppressed)| *sent == 2 && *suppressed == json!({})).count();
    let capped = ended.iter().filter(|(sent, suppressed)| *sent == 0 && *suppressed == json!({"frequency_cap": 2})).count();
    assert_eq!((sent, capped), (2, 48), "{ended:?}");
    for token in [apns_token("a1", 1), "well-1".to_owned()] {
        assert_eq!(dev.pushes(&token).await.len(), 2);
    }
}

#[tokio::test]
async fn a_device_where_nobody_is_signed_in_counts_by_itself() {
    let dev = Dev::start();
    settle_in(&dev, &json!({"count": 1, "per_seconds": 3_600})).await;
    let all = news(&json!({"device_ids": ["phone", "tablet", "kiosk"]}));
    assert_eq!(counts(&dev, &all).await, (3, 0));
    assert_eq!(counts(&dev, &all).await, (0, 3));
    // who signs in has not had any yet
    dev.ios("kiosk", "ben", &apns_token("a1", 2)).await;
    assert_eq!(counts(&dev, &all).await, (1, 2));
}

#[tokio::test]
async fn what_is_not_counted_is_not_held() {
    let dev = Dev::start();
    settle_in(&dev, &json!({"count": 1, "per_seconds": 3_600})).await;
    let to = json!({"device_ids": ["phone"]});
    let with = |name: &str, value: Value| {
        let mut body = news(&to);
        body[name] = value;
        body
    };
    let silent = json!({"to": to, "category": "news", "content": {"data": {"k": "v"}}, "silent": true});
    let free = [with("priority", json!("critical")), with("test", json!(true)), silent, with("category", json!("messages"))];
    for body in &free {
        assert_eq!(counts(&dev, body).await, (1, 0), "{body}");
    }
    assert_eq!(counts(&dev, &news(&to)).await, (1, 0), "none of them took the place");
    assert_eq!(counts(&dev, &news(&to)).await, (0, 1));
    for body in &free {
        assert_eq!(counts(&dev, body).await, (1, 0), "{body}");
    }
}

/// A cap that is declared anew judges what was sent before, and one that is taken back holds nothing.
#[tokio::test]
async fn a_cap_can_change() {
    let dev = Dev::start();
    settle_in(&dev, &json!({"count": 1, "per_seconds": 3_600})).await;
    let body = news(&json!({"user_id": "ann"}));
    assert_eq!(counts(&dev, &body).await, (2, 0));
    assert_eq!(counts(&dev, &body).await, (0, 2));
    for (cap, expected) in [
        (json!({"count": 2, "per_seconds": 3_600}), (2, 0)),
        (json!({"count": 1, "per_seconds": 3_600}), (0, 2)),
        (Value::Null, (2, 0)),
        (json!({"count": 2, "per_seconds": 3_600}), (0, 2)),
    ] {
        dev.put("/v1/categories/news", &json!({ "frequency_cap": cap })).await.expect(200);
        assert_eq!(counts(&dev, &body).await, expected, "{cap}");
    }
}

/// Previews and explanations tell it, take no place, and count a user's devices once.
#[tokio::test]
async fn a_cap_is_told_before_it_holds() {
    let dev = Dev::start();
    settle_in(&dev, &json!({"count": 1, "per_seconds": 3_600})).await;
    let body = news(&json!({"user_ids": ["ann"]}));
    let everybody = news(&json!({"device_ids": ["phone", "tablet", "kiosk"]}));
    let decisions = async |body: &Value| dev.post("/v1/notifications/preview", body).await.expect(200)["decisions"].clone();
    let explain = json!({"user_id": "ann", "category": "news"});
    for _ in 0..2 {
        assert_eq!(decisions(&body).await, json!({"send": 2}));
        let told = dev.post("/v1/explain", &explain).await.expect(200);
        assert!(told["decisions"].as_array().unwrap().iter().all(|one| one["decision"] == "send"), "{told}");
    }
    assert_eq!(counts(&dev, &body).await, (2, 0));
    assert_eq!(decisions(&everybody).await, json!({"send": 1, "frequency_cap": 2}));
    assert_eq!(decisions(&body).await, json!({"frequency_cap": 2}));
    let told = dev.post("/v1/explain", &explain).await.expect(200);
    for one in told["decisions"].as_array().unwrap() {
        assert_eq!(
            (&one["decision"], &one["reason"], &one["until"]),
            (&json!("suppress"), &json!("frequency_cap"), &Value::Null),
            "{told}"
        );
    }
    let tomorrow = text(in_seconds(86_400));
    for free in [json!({"at": tomorrow}), json!({"priority": "critical"}), json!({"silent": true})] {
        let mut question = explain.clone();
        question.as_object_mut().unwrap().extend(free.as_object().unwrap().clone());
        let told = dev.post("/v1/explain", &question).await.expect(200);
        assert!(told["decisions"].as_array().unwrap().iter().all(|one| one["decision"] == "send"), "{free}: {told}");
    }
    // what was told comes true
    assert_eq!(counts(&dev, &everybody).await, (1, 2));
}
