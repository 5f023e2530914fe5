//! Requests as bytes: JSON, its faults, its size, its compression, and the ids that travel with it.

use std::io::Write;

use reqwest::Method;
use serde_json::{Value, json};

use crate::daemon::Dev;

const PATH: &str = "/v1/notifications";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn brotli(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    brotli::BrotliCompress(&mut &*bytes, &mut packed, &brotli::enc::BrotliEncoderParams { quality: 4, ..Default::default() }).unwrap();
    packed
}

#[tokio::test]
async fn a_body_that_is_not_json_is_said_to_be_none() {
    let dev = Dev::start();
    for text in [
        "",
        "{",
        "{\"to\": }",
        "nonsense",
        "{\"to\": {\"user_id\": \"a\"}} {}",
        r#"{"to": {"user_id": "a"}, "to": {"user_id": "b"}, "content": {"title": "t"}}"#,
        r#"{"to": {"user_id": "a", "user_id": "b"}, "content": {"title": "t"}}"#,
        r#"{"to": {"user_id": "a"}, "content": {"title": "t", "data": {"k": "1", "k": "2"}}}"#,
        r#"{"to": {"user_id": "a"}, "content": {"title": "t"}, "apns": {"payload": {"x": 1, "x": 2}}}"#,
    ] {
        let answer = dev.post_text(PATH, text).await;
        assert_eq!(answer.status, 400, "{text}: {}", answer.body);
        answer.problem(400, "bad_json");
    }
    dev.post_text(PATH, vec![b'{', b'"', 0xff, b'"', b':', b'1', b'}']).await.problem(400, "bad_json");
    for text in ["[]", "7", "null", "\"x\""] {
        let answer = dev.post_text(PATH, text).await;
        assert!([400, 422].contains(&answer.status.as_u16()), "{text}: {}", answer.body);
    }
    let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
    let answer = dev.post_text(PATH, deep).await;
    assert!([400, 422].contains(&answer.status.as_u16()), "{}", answer.body);
}

#[tokio::test]
async fn a_body_has_a_type_and_a_size() {
    let dev = Dev::start();
    let good = json!({"to": {"user_id": "a"}, "content": {"title": "t"}}).to_string();
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/xml"] {
        let request = dev.request(Method::POST, PATH).header("content-type", kind).body(good.clone());
        dev.send(request).await.problem(415, "unsupported_media_type");
    }
    dev.send(dev.request(Method::POST, PATH).body(good.clone())).await.problem(415, "unsupported_media_type");
    let request = dev.request(Method::POST, PATH).header("content-type", "application/json; charset=utf-8").body(good.clone());
    dev.send(request).await.expect(202);
    let request = dev.request(Method::POST, PATH).header("content-type", "application/json").header("content-encoding", "zstd").body(good);
    dev.send(request).await.problem(415, "unsupported_media_type");
    let large = json!({"to": {"user_id": "a"}, "content": {"title": "x".repeat(40 << 20)}}).to_string();
    dev.post_text(PATH, large).await.problem(413, "body_too_large");
}

/// The longest names there are, as many as may be named.
#[tokio::test]
async fn an_audience_of_ten_thousand_long_names_fits() {
    let dev = Dev::start();
    let names: Vec<String> = (0..10_000).map(|n| format!("{n:0128}")).collect();
    let body = json!({"to": {"device_ids": names}, "content": {"title": "t"}});
    let preview = dev.post("/v1/notifications/preview", &body).await.expect(200);
    assert_eq!(preview["targeted"], 10_000);
    dev.post(PATH, &body).await.expect(202);
}

#[tokio::test]
async fn bodies_are_compressed_both_ways() {
    let dev = Dev::start();
    let good = json!({"to": {"user_id": "a"}, "content": {"title": "t"}}).to_string();
    for (name, bytes) in [("gzip", gzip(good.as_bytes())), ("br", brotli(good.as_bytes()))] {
        let request = dev.request(Method::POST, PATH).header("content-type", "application/json").header("content-encoding", name);
        dev.send(request.body(bytes)).await.expect(202);
        let http = reqwest::Client::new();
        let answer = http.get(format!("{}/openapi.json", dev.url)).header("accept-encoding", name).send().await.unwrap();
        assert_eq!(answer.headers()["content-encoding"], name);
        let packed = answer.bytes().await.unwrap();
        let plain = http.get(format!("{}/openapi.json", dev.url)).send().await.unwrap();
        assert!(plain.headers().get("content-encoding").is_none());
        assert!(packed.len() * 2 < plain.bytes().await.unwrap().len(), "{name}");
    }
    let request = dev.request(Method::POST, PATH).header("content-type", "application/json").header("content-encoding", "gzip");
    dev.send(request.body("this is not gzip")).await.problem(400, "bad_request");
}

/// A small body that unpacks to a huge one is stopped on the way.
#[tokio::test]
async fn a_bomb_is_not_unpacked() {
    let dev = Dev::start();
    let mut body = br#"{"to": {"user_id": "a"}, "content": {"title": ""#.to_vec();
    body.extend(std::iter::repeat_n(b'x', 80 << 20));
    body.extend(br#""}}"#);
    for (name, packed) in [("gzip", gzip(&body)), ("br", brotli(&body))] {
        assert!(packed.len() < 1 << 20, "{name}: {}", packed.len());
        let request = dev.request(Method::POST, PATH).header("content-type", "application/json").header("content-encoding", name);
        dev.send(request.body(packed)).await.problem(413, "body_too_large");
    }
}

#[tokio::test]
async fn a_request_keeps_its_id() {
    let dev = Dev::start();
    let with = async |id: &str| dev.send(dev.request(Method::GET, "/v1/devices/none").header("x-request-id", id)).await;
    let long = "r".repeat(128);
    for id in ["my-request/7", long.as_str()] {
        let answer = with(id).await;
        assert_eq!(answer.header("x-request-id"), id);
        assert_eq!(answer.problem(404, "not_found")["request_id"], id);
    }
    for id in ["", "two words", &"r".repeat(129)] {
        let answer = with(id).await;
        let made = answer.header("x-request-id");
        assert!(made != id && made.parse::<uuid::Uuid>().is_ok(), "{id:?}: {made}");
    }
    let (one, two) = (dev.get("/health").await, dev.get("/health").await);
    assert_ne!(one.header("x-request-id"), two.header("x-request-id"));
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let answer = dev.send(dev.request(Method::GET, "/health").header("traceparent", trace)).await;
    assert_eq!(answer.header("traceparent"), trace);
    let made = dev.get("/health").await.header("traceparent").to_owned();
    assert!(made.len() == trace.len() && made.starts_with("00-") && made != trace, "{made:?}");
}

#[tokio::test]
async fn numbers_and_words_are_not_mistaken_for_each_other() {
    let dev = Dev::start();
    for (text, field) in [
        (r#"{"to": {"user_id": "a"}, "content": {"title": "t"}, "ttl_seconds": "60"}"#, "ttl_seconds"),
        (r#"{"to": {"user_id": "a"}, "content": {"title": "t"}, "ttl_seconds": 99999999999999999999}"#, "ttl_seconds"),
        (r#"{"to": {"user_id": "a"}, "content": {"title": "t"}, "silent": 0}"#, "silent"),
        (r#"{"to": "ann", "content": {"title": "t"}}"#, "to"),
        (r#"{"to": ["ann"], "content": {"title": "t"}}"#, "to"),
        (r#"{"to": {"user_id": "a"}, "content": "t"}"#, "content"),
    ] {
        dev.post_text(PATH, text).await.invalid(field, "invalid");
    }
    let body: Value =
        dev.post_text(PATH, r#"{"to": {"user_id": "a"}, "content": {"title": "t", "relevance": 1}, "silent": null}"#).await.expect(202);
    assert!(body["id"].as_str().unwrap().parse::<uuid::Uuid>().unwrap().get_version_num() == 7, "{body}");
}
