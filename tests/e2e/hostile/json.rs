//! Bodies: JSON that is none, or too much of it, and what is compressed.

use std::io::Write;

use serde_json::json;

use super::Target;
use super::raw::{post, say};

const MIB: usize = 1024 * 1024;
const BAD: &str = "400 bad_json";
const INVALID: &str = "422 invalid";

fn to_ann(more: &str) -> Vec<u8> {
    format!(r#"{{"to": {{"user_id": "ann"}}, "content": {{"title": "t"}}{more}}}"#).into_bytes()
}

fn user(name: &str) -> Vec<u8> {
    format!(r#"{{"to": {{"user_id": "{name}"}}, "content": {{"title": "t"}}}}"#).into_bytes()
}

fn nested(open: &str, close: &str, depth: usize) -> Vec<u8> {
    format!(r#"{{"to": {}1{}}}"#, open.repeat(depth), close.repeat(depth)).into_bytes()
}

fn rows() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let number = |number: &str| to_ann(&format!(r#", "ttl_seconds": {number}"#));
    let unknown = (0..50_000).map(|n| format!(r#", "x{n}": 1"#)).collect::<String>();
    vec![
        ("nothing", Vec::new(), BAD),
        ("a NUL byte", user("a\0b"), BAD),
        ("an escaped NUL", user(r"a\u0000b"), INVALID),
        ("an escape sequence of a terminal", user(r"\u001b[2J"), INVALID),
        ("a lone surrogate", user(r"\ud800"), BAD),
        ("surrogates the wrong way round", user(r"\udc00\ud800"), BAD),
        ("bytes that are not UTF-8", [&user("")[..22], b"\xff\xfe\"}}"].concat(), BAD),
        ("overlong UTF-8", [&user("")[..22], b"\xc0\xaf\"}}"].concat(), BAD),
        ("a surrogate in UTF-8", [&user("")[..22], b"\xed\xa0\x80\"}}"].concat(), BAD),
        ("UTF-16", to_ann("").iter().flat_map(|byte| [0, *byte]).collect(), BAD),
        ("a byte order mark", [&b"\xef\xbb\xbf"[..], &to_ann("")].concat(), BAD),
        ("100 000 lists in each other", nested("[", "]", 100_000), BAD),
        ("100 000 objects in each other", nested(r#"{"a":"#, "}", 100_000), BAD),
        ("a million open lists", vec![b'['; MIB], BAD),
        ("a number beyond all", number("1e400"), BAD),
        ("a number of 100 000 digits", number(&"9".repeat(100_000)), BAD),
        ("a number beyond 64 bits", number("18446744073709551616"), INVALID),
        ("a negative time", number("-1"), INVALID),
        ("NaN", number("NaN"), BAD),
        ("Infinity", number("-Infinity"), BAD),
        ("a hexadecimal number", number("0x10"), BAD),
        ("a leading zero", number("010"), BAD),
        ("a plus", number("+1"), BAD),
        ("a fraction that ends early", number("1."), BAD),
        ("a member twice", to_ann(r#", "silent": true, "silent": false"#), BAD),
        ("a member twice, once escaped", to_ann(r#", "silent": true, "\u0073ilent": false"#), BAD),
        ("a member twice, deep inside", to_ann(r#", "apns": {"payload": {"a": {"b": 1, "b": 2}}}"#), BAD),
        ("garbage behind it", [&to_ann("")[..], b"garbage"].concat(), BAD),
        ("a second document", [to_ann(""), to_ann("")].concat(), BAD),
        ("a NUL behind it", [&to_ann("")[..], b"\0"].concat(), BAD),
        ("a comma at the end", to_ann(","), BAD),
        ("a comment", to_ann("/* */"), BAD),
        ("single quotes", b"{'to': 1}".to_vec(), BAD),
        ("a list", b"[]".to_vec(), INVALID),
        ("a text", b"\"text\"".to_vec(), INVALID),
        ("null", b"null".to_vec(), INVALID),
        ("__proto__", to_ann(r#", "__proto__": {"silent": true}"#), INVALID),
        ("50 000 unknown members", to_ann(&unknown), INVALID),
        ("a name of a megabyte", to_ann(&format!(r#", "{}": 1"#, "x".repeat(MIB))), INVALID),
        ("a user of a megabyte", user(&"x".repeat(MIB)), INVALID),
        (
            "a title of a megabyte",
            to_ann(&format!(r#", "platforms": {{"web": {{"title": "{}"}}}}"#, "x".repeat(MIB))),
            "413 payload_too_large",
        ),
        ("a million users", json!({"to": {"user_ids": vec!["u"; MIB]}, "content": {"title": "t"}}).to_string().into_bytes(), INVALID),
        ("9 MiB", vec![b' '; 9 * MIB], "413 body_too_large"),
    ]
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn brotli(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    brotli::CompressorWriter::new(&mut out, 4096, 5, 22).write_all(bytes).unwrap();
    out
}

/// What is sent with these head fields.
fn encoded() -> Vec<(&'static str, &'static str, Vec<u8>, &'static str)> {
    let good = to_ann("");
    let bomb = vec![b' '; 200 * MIB];
    vec![
        ("a gzip bomb", "content-encoding: gzip\r\n", gzip(&bomb), "413 body_too_large"),
        ("a gzip bomb in a gzip", "content-encoding: gzip\r\n", gzip(&gzip(&bomb)), BAD),
        ("a gzip bomb named twice", "content-encoding: gzip, gzip\r\n", gzip(&gzip(&bomb)), "415 unsupported_media_type"),
        ("a gzip bomb in two fields", "content-encoding: gzip\r\ncontent-encoding: gzip\r\n", gzip(&good), "415 unsupported_media_type"),
        ("a brotli bomb", "content-encoding: br\r\n", brotli(&bomb), "413 body_too_large"),
        ("half a gzip", "content-encoding: gzip\r\n", gzip(&good)[..20].to_vec(), "400 bad_request"),
        ("half a brotli", "content-encoding: br\r\n", brotli(&good)[..10].to_vec(), "400 bad_request"),
        ("brotli that is gzip", "content-encoding: br\r\n", gzip(&good), "400 bad_request"),
        ("gzip that is none", "content-encoding: gzip\r\n", good.clone(), "400 bad_request"),
        ("an unknown encoding", "content-encoding: zstd\r\n", good.clone(), "415 unsupported_media_type"),
        ("an encoding in capitals", "content-encoding: \0gzip\r\n", good.clone(), "400"),
    ]
}

#[tokio::test]
async fn bodies_that_are_hostile() {
    let target = Target::start();
    let address = target.address();
    let json = "content-type: application/json\r\n";
    let mut asked = Vec::new();
    for (name, body, expected) in rows() {
        // a batch is judged item by item
        if expected == BAD {
            asked.push((name, post("/v1/notifications/batch", json, &body), expected));
        }
        asked.push((name, post("/v1/notifications", json, &body), expected));
    }
    for (name, fields, body, expected) in encoded() {
        asked.push((name, post("/v1/notifications", &format!("{json}{fields}"), &body), expected));
    }
    for (kind, expected) in [
        ("", "415 unsupported_media_type"),
        ("content-type: text/plain\r\n", "415 unsupported_media_type"),
        ("content-type: application/json; charset=utf-16\r\n", "415 unsupported_media_type"),
        ("content-type: multipart/form-data; boundary=x\r\n", "415 unsupported_media_type"),
        ("content-type: application/json;charset=\"utf-8\"\r\n", "202"),
    ] {
        asked.push((kind, post("/v1/notifications", kind, &to_ann("")), expected));
    }
    let import = |body: Vec<u8>| post("/v1/devices/import", "content-type: application/x-ndjson\r\n", &body);
    asked.push(("a line of 64 MiB is one bad line", import(vec![b'x'; 64 * MIB]), "200"));
    asked.push(("16 MiB of empty lines", import(vec![b'\n'; 16 * MIB]), "200"));
    asked.push(("a line of NUL bytes", import(vec![0; MIB]), "200"));
    let mut wrong = Vec::new();
    for (name, bytes, expected) in asked {
        let told = say(&address, &bytes).await;
        if told != expected {
            wrong.push(format!("{name}: {told}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    target.unharmed().await;
}
