//! Devices by the thousand: one JSON object a line.

use serde_json::{Value, json};

use crate::clock::instant;
use crate::daemon::{Dev, apns_token};

fn lines(devices: &[Value]) -> String {
    devices.iter().map(|device| format!("{device}\n")).collect()
}

#[tokio::test]
async fn good_lines_are_taken_though_others_are_bad() {
    let dev = Dev::start();
    dev.ios("known", "ann", &apns_token("a1", 1)).await;
    let text = format!(
        "{}\n\n{}\nnot json\n{}\n{}\r\n{}\n{}",
        json!({"device_id": "new", "user_id": "ben", "platform": "android", "token": "well-1", "tags": {"plan": "pro"}}),
        json!({"device_id": "known", "platform": "ios", "locale": "fr"}),
        json!({"device_id": "bad", "user_id": "ben", "platform": "ios", "token": "xyz"}),
        json!({"device_id": "lf", "user_id": "ben", "platform": "android", "token": "well-2"}),
        json!({"device_id": "odd", "user_id": "ben", "platform": "android", "token": "well-3", "colour": "red"}),
        json!({"device_id": "last", "user_id": "ben", "platform": "android", "token": "well-4"}),
    );
    let answer = dev.import("", &text).await.expect(200);
    assert_eq!((&answer["created"], &answer["updated"], &answer["failed"]), (&json!(3), &json!(1), &json!(3)), "{answer}");
    let errors = answer["errors"].as_array().unwrap();
    let told: Vec<_> = errors.iter().map(|error| (error["line"].as_u64().unwrap(), error["field"].as_str().unwrap_or(""))).collect();
    assert_eq!(told, [(4, ""), (5, "token"), (7, "colour")], "{answer}");
    assert_eq!(errors[0]["code"], "bad_json");
    assert_eq!(errors[2]["code"], "unknown_field");
    assert!(!answer.to_string().contains("xyz"), "a token is never answered: {answer}");
    assert_eq!(dev.get("/v1/devices/new").await.expect(200)["tags"], json!({"plan": "pro"}));
    assert_eq!(dev.get("/v1/devices/known").await.expect(200)["locale"], "fr");
    assert_eq!(dev.get("/v1/devices/last").await.expect(200)["status"], "active");
    dev.get("/v1/devices/bad").await.problem(404, "not_found");
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let dev = Dev::start();
    let text = lines(&[
        json!({"device_id": "new", "user_id": "ben", "platform": "android", "token": "well-1"}),
        json!({"device_id": "bad", "user_id": "ben", "platform": "ios", "token": "xyz"}),
    ]);
    let answer = dev.import("?dry_run=true", &text).await.expect(200);
    assert_eq!((&answer["created"], &answer["failed"]), (&json!(1), &json!(1)), "{answer}");
    dev.get("/v1/devices/new").await.problem(404, "not_found");
    assert_eq!(dev.import("?dry_run=false", &text).await.expect(200)["created"], 1);
    dev.get("/v1/devices/new").await.expect(200);
    dev.import("?dry_run=perhaps", &text).await.invalid("dry_run", "invalid");
    dev.import("?format=carrier-pigeon", &text).await.invalid("format", "invalid");
}

/// What another system knew is taken over; what Herald itself deactivated stays so.
#[tokio::test]
async fn an_import_takes_over_the_past_and_wakes_nobody() {
    let dev = Dev::start();
    let token = apns_token("dead0", 1);
    dev.ios("dead", "ann", &token).await;
    dev.send_and_wait(&json!({"to": {"user_id": "ann"}, "content": {"title": "t"}})).await;
    let text = lines(&[
        json!({
            "device_id": "old", "user_id": "ben", "platform": "android", "token": "well-1", "status": "inactive",
            "created_at": "2020-01-02T03:04:05+01:00", "last_seen_at": "2021-01-02T03:04:05Z",
        }),
        json!({"device_id": "dead", "user_id": "ann", "platform": "ios", "token": token, "status": "active"}),
    ]);
    let answer = dev.import("", &text).await.expect(200);
    assert_eq!(answer["failed"], 0, "{answer}");
    let old = dev.get("/v1/devices/old").await.expect(200);
    assert_eq!(old["status"], "inactive");
    assert_eq!(instant(&old["created_at"]).to_rfc3339(), "2020-01-02T02:04:05+00:00");
    assert_eq!(instant(&old["last_seen_at"]).to_rfc3339(), "2021-01-02T03:04:05+00:00");
    let dead = dev.get("/v1/devices/dead").await.expect(200);
    assert_eq!((&dead["status"], &dead["inactive_reason"]), (&json!("inactive"), &json!("token_dead")));
    // registering does
    assert_eq!(dev.ios("dead", "ann", &token).await["status"], "active");
}

#[tokio::test]
async fn a_large_import_is_read_in_pieces_and_twice_is_once() {
    let dev = Dev::start();
    let devices: Vec<Value> = (0..12_000)
        .map(|n| json!({"device_id": format!("d-{n}"), "user_id": format!("u-{}", n / 2), "platform": "android", "token": format!("well-{n}")}))
        .collect();
    let text = lines(&devices);
    let first = dev.import("", &text).await.expect(200);
    assert_eq!((&first["created"], &first["updated"], &first["failed"]), (&json!(12_000), &json!(0), &json!(0)));
    let second = dev.import("", &text).await.expect(200);
    assert_eq!((&second["created"], &second["failed"]), (&json!(0), &json!(0)), "{second}");
    let request = dev.request(reqwest::Method::POST, "/v1/devices/import").header("content-type", "application/json").body(text);
    dev.send(request).await.problem(415, "unsupported_media_type");
}
