//! What a notification would come to, without sending it; and test sends, which count nowhere.

use serde_json::{Value, json};

use crate::clock::{in_seconds, text};
use crate::daemon::{Dev, apns_token};

#[tokio::test]
async fn a_preview_sends_nothing() {
    let dev = Dev::start();
    let token = apns_token("a1", 1);
    dev.ios("phone", "ann", &token).await;
    dev.android("tablet", "ann", "well-1").await;
    let denied = json!({"user_id": "ben", "platform": "ios", "token": apns_token("a1", 2), "permission": "denied"});
    dev.put("/v1/devices/denied", &denied).await.expect(201);
    let (quiet, _) = crate::clock::quiet_now();
    dev.android("quiet", "cem", "well-2").await;
    dev.prefer("cem", &json!({"quiet_hours": [quiet]})).await;
    let body = json!({
        "to": {"user_ids": ["ann", "ben", "cem", "nobody"]}, "content": {"title": "Hello", "body": "b"}, "localized": {"fr": {"title": "Bonjour"}},
    });
    let preview = dev.post("/v1/notifications/preview", &body).await.expect(200);
    assert_eq!(preview["targeted"], 5, "{preview}");
    assert_eq!(preview["decisions"], json!({"send": 2, "permission_denied": 1, "quiet_hours": 1, "no_active_device": 1}));
    let rendered = preview["rendered"].as_array().unwrap();
    let of = |provider: &str, locale: Value, title: &str| {
        rendered
            .iter()
            .find(|one| one["provider"] == provider && one["locale"] == locale && one["payload"].to_string().contains(title))
            .unwrap_or_else(|| panic!("{provider} {locale} {title} in {preview}"))
    };
    let apns = of("apns", Value::Null, "Hello");
    assert_eq!(apns["payload"]["aps"]["alert"], json!({"title": "Hello", "body": "b"}));
    assert_eq!(apns["bytes"].as_u64().unwrap(), apns["payload"].to_string().len() as u64);
    of("apns", json!("fr"), "Bonjour");
    of("fcm", Value::Null, "Hello");
    of("fcm", json!("fr"), "Bonjour");
    assert!(!preview.to_string().contains(&token) && !preview.to_string().contains("well-1"), "{preview}");
    assert!(dev.items("/v1/notifications").await.is_empty());
    assert_eq!(dev.get("/simulator/stats").await.expect(200)["received"], 0);
}

/// What FCM says of each rendered form, by provider and platform.
fn validations(preview: &Value) -> Value {
    let rendered = preview["rendered"].as_array().unwrap();
    let of = |one: &Value| {
        let name = format!("{}-{}", one["provider"].as_str().unwrap(), one["platform"].as_str().unwrap());
        (name, json!([one["validated"], one["validated_reason"], one["validated_field"]]))
    };
    Value::Object(rendered.iter().map(of).collect())
}

/// FCM is shown each payload with a token of the audience, and delivers nothing.
#[tokio::test]
async fn fcm_checks_a_preview_and_delivers_nothing() {
    let dev = Dev::start();
    dev.ios("phone", "ann", &apns_token("a1", 1)).await;
    dev.android("tablet", "ann", "well-1").await;
    let mut body = json!({"to": {"user_id": "ann"}, "content": {"title": "t"}});
    let plain = dev.post("/v1/notifications/preview", &body).await.expect(200);
    assert!(plain["rendered"][0].get("validated").is_none(), "{plain}");

    let preview = dev.post("/v1/notifications/preview?validate=true", &body).await.expect(200);
    let expected = json!({
        "apns-ios": ["not_checked", "not_supported", null], "fcm-ios": ["not_checked", "no_device", null],
        "fcm-android": ["valid", null, null], "fcm-web": ["not_checked", "no_device", null],
        "webpush-web": ["not_checked", "not_supported", null],
    });
    assert_eq!(validations(&preview), expected, "{preview}");
    assert!(!preview.to_string().contains("well-1"), "{preview}");

    body["fcm"] = json!({"android": {"ttl": "soon"}});
    let preview = dev.post("/v1/notifications/preview?validate=true", &body).await.expect(200);
    assert_eq!(validations(&preview)["fcm-android"], json!(["invalid", "INVALID_ARGUMENT", "message.android.ttl"]), "{preview}");
    let said = preview["rendered"].as_array().unwrap().iter().find(|one| one["platform"] == "android").unwrap();
    assert!(said["validated_message"].as_str().unwrap().contains("duration"), "{said}");
    assert!(dev.pushes("well-1").await.is_empty(), "nothing was delivered");
    assert!(dev.items("/v1/notifications").await.is_empty());
    dev.post("/v1/notifications/preview?validate=yes", &body).await.invalid("validate", "invalid");
}

/// A token that FCM refuses says nothing of the message: the next one is lent, and the device stays as it is.
#[tokio::test]
async fn a_preview_judges_no_device() {
    let dev = Dev::start();
    for (user, tokens, expected) in [
        ("ann", vec!["dead-1", "well-1"], json!(["valid", null, null])),
        ("ben", vec!["dead-2"], json!(["not_checked", "UNREGISTERED", null])),
        ("cem", vec!["mismatch-1"], json!(["not_checked", "SENDER_ID_MISMATCH", null])),
        ("dora", vec!["down-1"], json!(["not_checked", "UNAVAILABLE", null])),
    ] {
        for token in &tokens {
            dev.android(&format!("{token}-tablet"), user, token).await;
        }
        let body = json!({"to": {"user_id": user}, "content": {"title": "t"}});
        let preview = dev.post("/v1/notifications/preview?validate=true", &body).await.expect(200);
        assert_eq!(validations(&preview)["fcm-android"], expected, "{preview}");
        for token in &tokens {
            assert_eq!(dev.get(&format!("/v1/devices/{token}-tablet")).await.expect(200)["status"], "active");
        }
    }
}

/// A user or device named twice is targeted once, known or not, as in the send itself.
#[tokio::test]
async fn a_name_given_twice_is_previewed_once() {
    let dev = Dev::start();
    dev.ios("phone", "ann", &apns_token("a1", 1)).await;
    for (to, decisions) in [
        (json!({"user_ids": ["ghost", "ann", "ghost", "ann"]}), json!({"send": 1, "no_active_device": 1})),
        (json!({"device_ids": ["ghost", "ghost", "phone"]}), json!({"send": 1, "no_active_device": 1})),
    ] {
        let body = json!({"to": to, "content": {"title": "t"}});
        let preview = dev.post("/v1/notifications/preview", &body).await.expect(200);
        assert_eq!((&preview["targeted"], &preview["decisions"]), (&json!(2), &decisions), "{body}");
        assert_eq!(dev.send_and_wait(&body).await["counts"]["targeted"], 2, "{body}");
    }
}

/// What waits only to be suppressed is told as what it will be.
#[tokio::test]
async fn a_preview_looks_ahead_to_when_it_is_due() {
    let dev = Dev::start();
    dev.ios("phone", "ann", &apns_token("a1", 1)).await;
    dev.ios("other", "ben", &apns_token("a1", 2)).await;
    dev.prefer("ann", &json!({"categories": {"marketing": {"push": false}}})).await;
    let to = json!({"user_ids": ["ann", "ben"]});
    let body = json!({"to": to, "category": "marketing", "content": {"title": "t"}, "send_at": text(in_seconds(7200))});
    let preview = dev.post("/v1/notifications/preview", &body).await.expect(200);
    assert_eq!(preview["decisions"], json!({"category_off": 1, "scheduled": 1}));
}

/// What providers are told of the time that is left is in the payload; 0 would be now or never.
#[tokio::test]
async fn a_preview_shows_the_life_of_a_push() {
    let dev = Dev::start();
    let at = in_seconds(7200);
    for (members, ttl, expiration) in [
        (json!({"ttl_seconds": 3600, "send_at": text(at)}), "3600s", (at.timestamp() + 3600).to_string()),
        (json!({"ttl_seconds": 0}), "0s", "0".to_owned()),
    ] {
        let mut body = json!({"to": {"user_id": "ann"}, "content": {"title": "t"}});
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let preview = dev.post("/v1/notifications/preview", &body).await.expect(200);
        let message = |platform: &str| {
            let found = preview["rendered"].as_array().unwrap().iter().find(|one| one["provider"] == "fcm" && one["platform"] == platform);
            found.unwrap_or_else(|| panic!("{platform} in {preview}"))["payload"]["message"].clone()
        };
        assert_eq!(message("android")["android"]["ttl"], ttl, "{members}");
        assert_eq!(message("ios")["apns"]["headers"]["apns-expiration"], expiration, "{members}");
    }
}

#[tokio::test]
async fn a_preview_of_all_counts_everybody() {
    let dev = Dev::start();
    let before = dev.post("/v1/notifications/preview", &json!({"to": {"all": true}, "content": {"title": "t"}})).await.expect(200);
    let lines: String = (0..600)
        .map(|n| {
            format!(
                "{}\n",
                json!({"device_id": format!("d-{n}"), "user_id": format!("u-{n}"), "platform": "android", "token": format!("well-{n}")})
            )
        })
        .collect();
    dev.import("", &lines).await.expect(200);
    let after = dev.post("/v1/notifications/preview", &json!({"to": {"all": true}, "content": {"title": "t"}})).await.expect(200);
    assert_eq!(after["targeted"].as_u64().unwrap(), before["targeted"].as_u64().unwrap() + 600);
    assert_eq!(after["decisions"]["send"], after["targeted"]);
}

#[tokio::test]
async fn a_test_send_arrives() {
    let dev = Dev::start();
    let token = apns_token("a1", 1);
    dev.ios("phone", "ann", &token).await;
    let done = dev.send_and_wait(&json!({"to": {"device_ids": ["phone"]}, "content": {"title": "t"}, "test": true})).await;
    assert_eq!(done["counts"]["sent"], 1, "{done}");
    assert_eq!(dev.pushes(&token).await.len(), 1);
}
