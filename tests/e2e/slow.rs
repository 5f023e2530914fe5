//! Callers who take their time, byte by byte on a socket of their own.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::daemon::{DEV_KEY, Dev, PATIENCE};

/// Says this and no more, and reads until the daemon ends the connection.
async fn says(dev: &Dev, text: &str) -> String {
    let mut stream = TcpStream::connect(dev.url.trim_start_matches("http://")).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // a connection that is left with something unread ends in a reset
    drop(timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the daemon ends the connection"));
    String::from_utf8(answer).unwrap()
}

fn request(path: &str, kind: &str, length: usize, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: herald\r\nauthorization: Bearer {DEV_KEY}\r\ncontent-type: {kind}\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn a_body_that_stalls_is_408() {
    let dev = Dev::start_with(&[("HERALD__SERVER__BODY_TIMEOUT_SECONDS", "1")]);
    let line = "{\"device_id\": \"tablet\", \"user_id\": \"ann\", \"platform\": \"android\", \"token\": \"well-1\"}\n";
    for (path, kind, body) in [
        ("/v1/notifications", "application/json", "{\"to\": "),
        ("/v1/notifications/batch", "application/json", ""),
        ("/v1/devices/import", "application/x-ndjson", line),
    ] {
        let answer = says(&dev, &request(path, kind, 1000, body)).await;
        let (head, problem) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{path}: {answer}"));
        assert!(head.starts_with("HTTP/1.1 408 "), "{path}: {head}");
        assert!(head.to_lowercase().contains("content-type: application/problem+json"), "{path}: {head}");
        let problem: Value = serde_json::from_str(problem).unwrap_or_else(|_| panic!("{path}: {answer}"));
        assert_eq!((&problem["status"], &problem["code"]), (&408.into(), &"request_timeout".into()), "{path}");
    }
    dev.get("/health").await.expect(200);
}

#[tokio::test]
async fn a_body_that_comes_slowly_but_in_time_is_taken() {
    let dev = Dev::start();
    let body = "{\"to\": {\"user_id\": \"nobody\"}, \"content\": {\"title\": \"t\"}}";
    let text = request("/v1/notifications", "application/json", body.len(), body);
    let mut stream = TcpStream::connect(dev.url.trim_start_matches("http://")).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for byte in text.as_bytes() {
        stream.write_all(&[*byte]).await.unwrap();
    }
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
}

/// Whoever holds a connection without a request loses it, and others are served meanwhile.
#[tokio::test]
async fn a_header_that_stalls_ends_its_connection() {
    let dev = Dev::start_with(&[("HERALD__SERVER__HEADER_TIMEOUT_SECONDS", "1")]);
    for text in ["", "GET /hea", "GET /health HTTP/1.1\r\nhost: her", "PRI * HTTP/2.0\r\n"] {
        // a connection of its own: one that was left open is ended likewise
        let (answer, other) = tokio::join!(says(&dev, text), reqwest::get(format!("{}/health", dev.url)));
        assert!(!answer.starts_with("HTTP/1.1 200"), "{text:?}: {answer}");
        assert_eq!(other.unwrap().status(), 200, "{text:?}");
    }
}
