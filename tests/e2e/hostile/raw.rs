//! Bytes to the daemon and what comes back, as they are.

use std::net::{Ipv4Addr, SocketAddr};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::daemon::{DEV_KEY, PATIENCE};

/// A connection from one of loopback's addresses.
pub(super) async fn from(last: u8, address: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 1, last), 0))).unwrap();
    let connected = timeout(PATIENCE, socket.connect(address.parse().unwrap())).await.expect("a connection is taken");
    connected.unwrap()
}

/// Sends bytes on a connection of their own and says what came back: `202`, `422 invalid` with a problem's code, `closed` where there was no
/// answer, `many` where there was more than one.
pub(super) async fn say(address: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let mut answer = Vec::new();
    let write = async {
        // the daemon may be gone before all is written
        if writer.write_all(bytes).await.is_ok() {
            drop(writer.flush().await);
        }
        std::future::pending::<()>().await;
    };
    let read = async {
        let mut piece = vec![0; 16 * 1024];
        while let Ok(length @ 1..) = reader.read(&mut piece).await {
            answer.extend_from_slice(&piece[..length]);
            if is_whole(&answer) {
                return;
            }
        }
    };
    tokio::select! {
        () = write => {}
        done = timeout(PATIENCE, read) => done.expect("an answer, or the connection's end"),
    }
    told(&answer)
}

/// A request with the test's key, its own head fields and a body.
pub(super) fn post(path: &str, fields: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: herald\r\nauthorization: Bearer {DEV_KEY}\r\n{fields}content-length: {length}\r\nconnection: close\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn parts(answer: &[u8]) -> Option<(String, &[u8])> {
    let at = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some((String::from_utf8_lossy(&answer[..at]).to_lowercase(), &answer[at + 4..]))
}

fn length(head: &str) -> Option<usize> {
    head.lines().find_map(|line| line.strip_prefix("content-length: "))?.trim().parse().ok()
}

/// Whether nothing more is to come that a test would look at.
fn is_whole(answer: &[u8]) -> bool {
    let Some((head, body)) = parts(answer) else { return false };
    if head.contains("transfer-encoding: chunked") {
        return body.ends_with(b"0\r\n\r\n");
    }
    // of one that ends its connection everything is read, so that a second answer would be seen
    !head.contains("connection: close") && length(&head).is_some_and(|length| body.len() >= length)
}

fn told(answer: &[u8]) -> String {
    let Some((head, body)) = parts(answer) else { return if answer.is_empty() { "closed".to_owned() } else { "broken".to_owned() } };
    let status = head.split(' ').nth(1).unwrap_or("broken").to_owned();
    assert!(head.starts_with("http/1.1 ") || head.starts_with("http/1.0 "), "{head}");
    let expected = length(&head).unwrap_or(body.len());
    if body.len() > expected {
        return "many".to_owned();
    }
    assert!(body.len() <= 64 * 1024, "an answer does not repeat what it was sent: {} bytes", body.len());
    let problem: Value = serde_json::from_slice(body).unwrap_or_default();
    match problem["code"].as_str() {
        Some(code) => {
            assert!(head.contains("content-type: application/problem+json") && problem["status"].as_u64() == status.parse().ok(), "{head}");
            format!("{status} {code}")
        }
        None => status,
    }
}
