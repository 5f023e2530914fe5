//! Which words reach which device, and how many of them fit.

use serde_json::json;

use crate::daemon::{Client, Dev, apns_token};

async fn phone(dev: &Client, device: &str, platform: &str, locale: Option<&str>, token: &str) {
    let body = json!({"user_id": "ann", "platform": platform, "token": token, "locale": locale});
    dev.put(&format!("/v1/devices/{device}"), &body).await.expect(201);
}

/// Field by field: the platform's, else the locale's (`fr-CA`, then `fr`), else the notification's own.
#[tokio::test]
async fn words_are_found_field_by_field() {
    let dev = Dev::start();
    let tokens: Vec<String> = (0..4).map(|number| apns_token("a1", number)).collect();
    phone(&dev, "plain", "ios", None, &tokens[0]).await;
    phone(&dev, "french", "ios", Some("fr-FR"), &tokens[1]).await;
    phone(&dev, "canadian", "ios", Some("fr-CA"), &tokens[2]).await;
    phone(&dev, "german", "ios", Some("de-DE"), &tokens[3]).await;
    phone(&dev, "tablet", "android", Some("fr-FR"), "well-1").await;
    let done = dev
        .send_and_wait(&json!({
            "to": {"user_id": "ann"},
            "content": {"title": "Hello", "body": "Lunch?", "sound": "default"},
            "localized": {"fr": {"title": "Bonjour", "body": "Déjeuner ?"}, "fr-CA": {"body": "Dîner ?"}},
            "platforms": {"android": {"title": "On Android"}, "web": {"title": "On the web"}},
        }))
        .await;
    assert_eq!(done["counts"]["sent"], 5, "{done}");
    for (token, title, body) in [
        (&tokens[0], "Hello", "Lunch?"),
        (&tokens[1], "Bonjour", "Déjeuner ?"),
        (&tokens[2], "Bonjour", "Dîner ?"),
        (&tokens[3], "Hello", "Lunch?"),
    ] {
        let aps = &dev.push(token).await["body"]["aps"];
        assert_eq!(aps, &json!({"alert": {"title": title, "body": body}, "sound": "default"}));
    }
    let notification = &dev.push("well-1").await["body"]["message"]["android"]["notification"];
    assert_eq!((&notification["title"], &notification["body"]), (&json!("On Android"), &json!("Déjeuner ?")));
}

/// What a backend knows of a user serves where a device says nothing.
#[tokio::test]
async fn a_user_s_locale_serves_where_the_device_has_none() {
    let dev = Dev::start();
    let tokens: Vec<String> = (0..2).map(|number| apns_token("a1", number)).collect();
    phone(&dev, "plain", "ios", None, &tokens[0]).await;
    phone(&dev, "german", "ios", Some("de-DE"), &tokens[1]).await;
    dev.patch("/v1/users/ann", &json!({"locale": "fr-CA"})).await.expect(200);
    dev.send_and_wait(&json!({"to": {"user_id": "ann"}, "content": {"title": "Hello"}, "localized": {"fr": {"title": "Bonjour"}}})).await;
    for (token, title) in [(&tokens[0], "Bonjour"), (&tokens[1], "Hello")] {
        assert_eq!(dev.push(token).await["body"]["aps"]["alert"]["title"], title);
    }
}

#[tokio::test]
async fn what_is_too_large_for_a_provider_is_refused_at_once() {
    let dev = Dev::start();
    dev.ios("phone", "ann", &apns_token("a1", 1)).await;
    let of = |content: serde_json::Value| json!({"to": {"user_id": "ann"}, "content": content});
    for body in [
        of(json!({"title": "t", "body": "x".repeat(5000)})),
        of(json!({"title": "t", "data": {"k": "x".repeat(5000)}})),
        json!({"to": {"user_id": "ann"}, "content": {"title": "t"}, "localized": {"fr": {"body": "é".repeat(2500)}}}),
        json!({"to": {"user_id": "ann"}, "content": {"title": "t"}, "apns": {"payload": {"x": "y".repeat(5000)}}}),
    ] {
        let problem = dev.post("/v1/notifications", &body).await.problem(413, "payload_too_large");
        let provider = problem["provider"].as_str().unwrap();
        assert!(["apns", "fcm"].contains(&provider), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(provider), "{problem}");
        assert!(problem["size"].as_u64().unwrap() > 4096, "{problem}");
        assert_eq!(problem["limit"], 4096);
        dev.post("/v1/notifications/preview", &body).await.problem(413, "payload_too_large");
    }
    // what just fits all three arrives
    let done = dev.send_and_wait(&of(json!({"title": "t", "body": "x".repeat(3850)}))).await;
    assert_eq!(done["counts"]["sent"], 1);
}
