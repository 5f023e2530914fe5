//! Devices by the thousand: one JSON object a line.

use serde_json::{Value, json};

use crate::clock::{in_seconds, instant, text as text_of};
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

/// A line that cannot be held is passed over; those around it are taken.
#[tokio::test]
async fn a_line_has_a_length() {
    let dev = Dev::start();
    let device = |name: &str, length: usize| {
        let mut text = json!({"device_id": name, "user_id": "ann", "platform": "android", "token": format!("well-{name}")}).to_string();
        text.push_str(&" ".repeat(length.saturating_sub(text.len())));
        format!("{text}\n")
    };
    let text = [device("a", 0), device("b", (64 << 10) + 1), device("c", 64 << 10), device("d", 1 << 20), device("e", 0)].concat();
    for query in ["?dry_run=true", ""] {
        let answer = dev.import(query, &text).await.expect(200);
        assert_eq!((&answer["lines"], &answer["created"], &answer["failed"]), (&json!(5), &json!(3), &json!(2)), "{answer}");
        let told: Vec<_> =
            answer["errors"].as_array().unwrap().iter().map(|error| (&error["line"], &error["field"], &error["code"])).collect();
        let too_long = |line: &Value| (line.clone(), json!(""), json!("line_too_long"));
        assert_eq!(
            told,
            [too_long(&json!(2)), too_long(&json!(4))].iter().map(|(line, field, code)| (line, field, code)).collect::<Vec<_>>()
        );
    }
    let devices = dev.items("/v1/users/ann/devices").await;
    assert_eq!(devices.iter().map(|device| &device["device_id"]).collect::<Vec<_>>(), ["e", "c", "a"]);
}

/// All errors are counted; the first hundred are told, in the order of the lines, whether reading or writing found them.
#[tokio::test]
async fn the_first_errors_are_told_in_order() {
    let dev = Dev::start();
    let line = |number: u64| match number % 3 {
        0 => "not json\n".to_owned(),
        1 => lines(&[json!({"device_id": format!("d-{number}"), "user_id": "ann", "platform": "ios"})]),
        _ => lines(&[json!({"user_id": "ann", "platform": "android", "token": "well-1"})]),
    };
    let text: String = (1..=150).map(line).collect();
    for query in ["?dry_run=true", ""] {
        let answer = dev.import(query, &text).await.expect(200);
        assert_eq!((&answer["lines"], &answer["created"], &answer["failed"]), (&json!(150), &json!(0), &json!(150)), "{answer}");
        let errors = answer["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 100, "{query}");
        for (error, line) in errors.iter().zip(1_u64..) {
            assert_eq!(error["line"], line, "{query}: {error}");
            let expected = match line % 3 {
                0 => ("", "bad_json"),
                1 => ("token", "required"),
                _ => ("device_id", "required"),
            };
            assert_eq!((&error["field"], &error["code"]), (&json!(expected.0), &json!(expected.1)), "{query}: {error}");
            assert!(!error["message"].as_str().unwrap().is_empty(), "{error}");
        }
    }
}

#[tokio::test]
async fn what_a_line_cannot_be_is_named() {
    let dev = Dev::start();
    let good = json!({"device_id": "phone", "user_id": "ann", "platform": "android", "token": "well-1"});
    let with = |name: &str, value: Value| {
        let mut line = good.clone();
        line[name] = value;
        line
    };
    let without = |name: &str| {
        let mut line = good.clone();
        line.as_object_mut().unwrap().remove(name);
        line
    };
    for (line, field, code) in [
        (without("device_id"), "device_id", "required"),
        (without("user_id"), "user_id", "required"),
        (without("platform"), "platform", "required"),
        (without("token"), "token", "required"),
        (with("device_id", Value::Null), "device_id", "required"),
        (with("device_id", json!("a b")), "device_id", "invalid"),
        (with("timezone", json!("Mars/Olympus")), "timezone", "unknown_timezone"),
        (with("tags", json!({"list": [1]})), "tags.list", "invalid"),
        (with("status", json!("asleep")), "status", "invalid"),
        (with("created_at", json!(text_of(in_seconds(3600)))), "created_at", "invalid"),
        (with("last_seen_at", json!(text_of(in_seconds(3600)))), "last_seen_at", "invalid"),
        (with("created_at", json!("2020-01-01T00:00:00")), "created_at", "invalid"),
        (with("model", json!("a\u{0}b")), "model", "invalid"),
    ] {
        let answer = dev.import("", &lines(std::slice::from_ref(&line))).await.expect(200);
        assert_eq!((&answer["created"], &answer["failed"]), (&json!(0), &json!(1)), "{line}: {answer}");
        let errors = answer["errors"].as_array().unwrap();
        assert!(errors.iter().any(|error| error["line"] == 1 && error["field"] == field && error["code"] == code), "{line}: {answer}");
    }
    let twice = r#"{"device_id": "phone", "user_id": "ann", "user_id": "ben", "platform": "android", "token": "well-1"}"#;
    assert_eq!(dev.import("", twice).await.expect(200)["errors"][0]["code"], "bad_json");
    dev.get("/v1/devices/phone").await.problem(404, "not_found");
}

/// A line is a registration like another: tags are replaced where given, and a device that changes hands starts clean.
#[tokio::test]
async fn an_import_changes_tags_and_users() {
    let dev = Dev::start();
    let path = "/v1/devices/tablet";
    let body = json!({"user_id": "ann", "platform": "android", "token": "well-1", "locale": "fr", "tags": {"plan": "pro", "beta": "yes"}});
    dev.put(path, &body).await.expect(201);
    let import = async |line: Value| {
        let answer = dev.import("", &lines(&[line])).await.expect(200);
        assert_eq!((&answer["updated"], &answer["failed"]), (&json!(1), &json!(0)), "{answer}");
        dev.get(path).await.expect(200)
    };
    let kept = import(json!({"device_id": "tablet", "locale": "de"})).await;
    assert_eq!((&kept["tags"], &kept["locale"], &kept["user_id"]), (&body["tags"], &json!("de"), &json!("ann")));
    let replaced = import(json!({"device_id": "tablet", "tags": {"plan": "free"}})).await;
    assert_eq!(replaced["tags"], json!({"plan": "free"}));

    let to_ann = json!({"to": {"device_ids": ["tablet"]}, "content": {"title": "t"}, "send_at": text_of(in_seconds(5))});
    let waiting = dev.notify(&to_ann).await;
    let moved = import(json!({"device_id": "tablet", "user_id": "ben"})).await;
    assert_eq!((&moved["user_id"], &moved["tags"], &moved["status"]), (&json!("ben"), &json!({}), &json!("active")));
    let done = dev.done(&waiting).await;
    assert_eq!(done["reasons"]["suppressed"], json!({"user_changed": 1}), "{done}");
    assert!(dev.pushes("well-1").await.is_empty(), "it was for the one before");
    assert!(dev.items("/v1/users/ann/devices").await.is_empty());
    let cleared = import(json!({"device_id": "tablet", "user_id": null, "locale": null})).await;
    assert_eq!((&cleared["user_id"], &cleared["locale"]), (&Value::Null, &Value::Null));
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
