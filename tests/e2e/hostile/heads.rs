//! HTTP/1.1 that two readers could read in two ways, and heads that are too much.

use super::Target;
use super::raw::say;
use crate::daemon::DEV_KEY;

/// A POST of `body` with these head fields.
fn with(fields: &str, body: &str) -> Vec<u8> {
    let key = format!("authorization: Bearer {DEV_KEY}\r\ncontent-type: application/json\r\n");
    format!("POST /v1/notifications HTTP/1.1\r\nhost: herald\r\n{key}{fields}\r\n{body}").into_bytes()
}

fn get(line: &str, fields: &str) -> Vec<u8> {
    format!("{line}\r\n{fields}\r\n").into_bytes()
}

/// Two who read the length of a body differently.
fn lengths() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let chunked = "0\r\n\r\n";
    vec![
        ("two lengths", with("content-length: 2\r\ncontent-length: 3\r\n", "{}x"), "400"),
        ("two lengths in one", with("content-length: 2, 2\r\n", "{}"), "400"),
        ("a length with a plus", with("content-length: +2\r\n", "{}"), "400"),
        ("a negative length", with("content-length: -2\r\n", "{}"), "400"),
        ("a hexadecimal length", with("content-length: 0x2\r\n", "{}"), "400"),
        ("a length beyond 64 bits", with("content-length: 99999999999999999999999\r\n", "{}"), "400"),
        ("an empty length", with("content-length: \r\n", "{}"), "400"),
        ("an encoding that is not chunked", with("transfer-encoding: identity\r\n", "{}"), "400"),
        ("chunked, but not at last", with("transfer-encoding: chunked, identity\r\n", chunked), "400"),
        ("chunked by another name", with("transfer-encoding: xchunked\r\n", chunked), "400"),
        ("chunked with a tab within", with("transfer-encoding: \x0bchunked\r\n", chunked), "400"),
        ("chunked in HTTP/1.0", get("POST /health HTTP/1.0", "transfer-encoding: chunked\r\n"), "400"),
        ("a space before the colon", with("content-length : 2\r\n", "{}"), "400"),
        ("a folded field", with("x-a: b\r\n content-length: 2\r\n", "{}"), "400"),
        ("a field without a name", with(": 2\r\n", "{}"), "400"),
        ("a field without a colon", with("content-length\r\n", "{}"), "400"),
        ("a NUL in a name", with("x\0a: 1\r\n", ""), "400"),
        ("a NUL in a value", with("x-a: 1\x002\r\n", ""), "400"),
        ("a bare CR in a value", with("x-a: 1\rcontent-length: 2\r\n", "{}"), "400"),
        ("a chunk whose size is none", with("transfer-encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n"), "400 bad_request"),
        ("a chunk with a negative size", with("transfer-encoding: chunked\r\n", "-2\r\n{}\r\n0\r\n\r\n"), "400 bad_request"),
        ("a chunk beyond 64 bits", with("transfer-encoding: chunked\r\n", "fffffffffffffffff\r\n{}\r\n0\r\n\r\n"), "400 bad_request"),
        ("a chunk longer than its size", with("transfer-encoding: chunked\r\n", "1\r\n{}\r\n0\r\n\r\n"), "400 bad_request"),
        (
            "a chunk with an endless extension",
            with("transfer-encoding: chunked\r\n", &format!("2;{}\r\n", "x".repeat(100_000))),
            "400 bad_request",
        ),
        (
            "trailers without end",
            with("transfer-encoding: chunked\r\n", &format!("2\r\n{{}}\r\n0\r\n{}", "a: b\r\n".repeat(100_000))),
            "400 bad_request",
        ),
    ]
}

fn heads() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let host = "host: herald\r\n";
    let fields = |count: usize| (0..count).map(|n| format!("x-{n}: 1\r\n")).collect::<String>();
    vec![
        ("no host", get("GET /health HTTP/1.1", ""), "400 bad_request"),
        ("two hosts", get("GET /health HTTP/1.1", "host: a\r\nhost: b\r\n"), "400 bad_request"),
        ("HTTP/0.9", b"GET /health\r\n\r\n".to_vec(), "400"),
        ("HTTP/3.0", get("GET /health HTTP/3.0", host), "400"),
        ("HTTP/1.10", get("GET /health HTTP/1.10", host), "400"),
        ("no version", get("GET /health HTTP/", host), "400"),
        ("no method", get(" /health HTTP/1.1", host), "400"),
        ("no path", get("GET  HTTP/1.1", host), "400"),
        ("garbage", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(), "400"),
        ("200 fields", get("GET /health HTTP/1.1", &(host.to_owned() + &fields(200))), "431"),
        ("a field of 64 KiB", get("GET /health HTTP/1.1", &format!("{host}x: {}\r\n", "x".repeat(65_536))), "431"),
        ("a head without end", get("GET /health HTTP/1.1", &format!("{host}{}", "x: y\r\n".repeat(100_000))), "431"),
        ("a path of 64 KiB", get(&format!("GET /{} HTTP/1.1", "x".repeat(65_536)), host), "431"),
        ("a method of 64 KiB", get(&format!("{} / HTTP/1.1", "X".repeat(65_536)), host), "431"),
        ("half of an HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".to_vec(), "400"),
    ]
}

#[tokio::test]
async fn heads_that_are_hostile() {
    let target = Target::start();
    let address = target.address();
    let mut wrong = Vec::new();
    for (name, bytes, expected) in lengths().into_iter().chain(heads()) {
        let told = say(&address, &bytes).await;
        if told != expected {
            wrong.push(format!("{name}: {told}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    target.unharmed().await;
}
