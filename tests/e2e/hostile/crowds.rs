//! Many, and slow ones.

use std::io::ErrorKind::WouldBlock;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::Target;
use super::raw::{from, say};
use crate::daemon::{DEV_KEY, PATIENCE, until};

/// Connections of the crowd, if this machine lets one process have so many.
const CROWD: usize = 10_000;

/// How many of them this process may have.
fn crowd() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let most: usize = line.split_whitespace().nth(3).unwrap().parse().unwrap();
    CROWD.min(most - 500)
}

/// Whether the daemon has ended it.
fn is_over(stream: &TcpStream) -> bool {
    stream.try_read(&mut [0; 512]).map_or_else(|error| error.kind() != WouldBlock, |length| length == 0)
}

/// All places are taken by those who say nothing, and by those who say half of it: each newcomer takes the place of one of them.
#[tokio::test]
async fn ten_thousand_connections() {
    let (crowd, places) = (crowd(), crowd() - 200);
    let target =
        Target::start_with(&[("HERALD__SERVER__HEADER_TIMEOUT_SECONDS", "300"), ("HERALD__SERVER__MAX_CONNECTIONS", &places.to_string())]);
    let address = target.address();
    let mut streams = Vec::new();
    for number in 0..crowd {
        let mut stream = from(u8::try_from(number % 8).unwrap() + 1, &address).await;
        if number % 2 == 0 {
            // it may have had to give way already
            drop(stream.write_all(b"GET /health HTTP/1.1\r\nhost: ").await);
        }
        streams.push(stream);
    }
    let request = format!("GET /v1/devices HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {DEV_KEY}\r\nconnection: close\r\n\r\n");
    for _ in 0..200 {
        assert_eq!(say(&address, request.as_bytes()).await, "200");
    }
    until("some of the crowd gave way", async || (streams.iter().filter(|stream| is_over(stream)).count() >= 200).then_some(())).await;
    assert!(!is_over(streams.last().unwrap()), "those that came last have their places");
    target.unharmed().await;
}

/// Heads and bodies byte by byte, and answers that nobody takes: each ends in its time, and none keeps a place.
#[tokio::test]
async fn who_is_slow() {
    let target = Target::start();
    let address = target.address();
    let key = format!("host: a\r\nauthorization: Bearer {DEV_KEY}\r\n");
    let body = format!("POST /v1/notifications HTTP/1.1\r\n{key}content-type: application/json\r\ncontent-length: 1000\r\n\r\n");
    let import =
        format!("POST /v1/devices/import HTTP/1.1\r\n{key}content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n");
    let greedy = format!("GET /docs/swagger-ui.css HTTP/1.1\r\n{key}\r\n").repeat(100);
    let mut slow = JoinSet::new();
    for number in 0..300 {
        let (first, again) = match number % 4 {
            0 => (String::new(), "G"),
            1 => (body.clone(), " "),
            2 => (import.clone(), "1\r\n \r\n"),
            _ => (greedy.clone(), "x"),
        };
        slow.spawn(trickle(address.clone(), first, again));
    }
    while let Some(done) = slow.join_next().await {
        done.unwrap();
    }
    target.unharmed().await;
}

/// Says something at once and then a little again and again, and takes nothing that comes, until the daemon has enough.
async fn trickle(address: String, first: String, again: &'static str) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(first.as_bytes()).await.unwrap();
    let ended = timeout(PATIENCE, async {
        // what was not taken is lost with the connection, so that writing fails soon after its end
        while stream.write_all(again.as_bytes()).await.is_ok() {
            sleep(Duration::from_millis(200)).await;
        }
    });
    assert!(ended.await.is_ok(), "a slow one is waited for: {again:?}");
}
