//! The client against servers on loopback.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::client::HttpWebhooks;
use super::*;
use crate::providers::testing::{Authority, Http1Server, Reply, Seen, Server, TestClock, Turn, context};

fn client(authority: &Authority, private: bool) -> HttpWebhooks {
    let settings = Settings { ca_file: Some(authority.path().to_owned()), allow_private_addresses: private, ..Settings::default() };
    HttpWebhooks::load(&settings, &context(&TestClock::new())).unwrap()
}

fn to(url: &str) -> Request {
    Request {
        url: url.to_owned(),
        id: uuid::Uuid::from_u128(7),
        timestamp: 1_800_000_000,
        signatures: "v1,AA== v1,BB==".to_owned(),
        body: Bytes::from_static(b"{\"data\":[]}"),
    }
}

fn assert_arrived(seen: &Seen) {
    assert_eq!(seen.path, "/hooks/herald");
    assert_eq!(&*seen.body, b"{\"data\":[]}");
    for (name, value) in [
        ("content-type", "application/json"),
        ("content-length", "11"),
        ("webhook-id", "00000000-0000-0000-0000-000000000007"),
        ("webhook-timestamp", "1800000000"),
        ("webhook-signature", "v1,AA== v1,BB=="),
        ("user-agent", concat!("herald/", env!("CARGO_PKG_VERSION"))),
    ] {
        assert_eq!(seen.header(name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn it_arrives_by_either_version_of_http() {
    let authority = Authority::new();
    let client = client(&authority, true);
    let new = Server::start(&authority, |_| Reply::new(204, "")).await;
    let old = Http1Server::start(&authority, &["http/1.1"], |_| Turn::Answer(202, "thanks".to_owned())).await;
    let answered = client.post(to(&format!("{}/hooks/herald", new.url()))).await.unwrap();
    assert_eq!(answered, Answer { status: 204, retry_after: None });
    let answered = client.post(to(&format!("{}/hooks/herald", old.url()))).await.unwrap();
    assert_eq!(answered.status, 202);
    for seen in [new.seen(), old.seen()] {
        assert_eq!(seen.len(), 1);
        assert_arrived(&seen[0]);
    }
}

#[tokio::test]
async fn the_query_is_part_of_the_address() {
    let authority = Authority::new();
    let old = Http1Server::start(&authority, &["http/1.1"], |_| Turn::Answer(200, String::new())).await;
    client(&authority, true).post(to(&format!("{}/x?key=1", old.url()))).await.unwrap();
    assert_eq!(old.seen()[0].path, "/x?key=1");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let authority = Authority::new();
    let server = Server::start(&authority, |_| Reply::Answer {
        status: 307,
        headers: vec![("location", "/elsewhere".to_owned()), ("retry-after", "7".to_owned())],
        body: String::new(),
    })
    .await;
    let answer = client(&authority, true).post(to(&format!("{}/x", server.url()))).await.unwrap();
    assert_eq!(answer, Answer { status: 307, retry_after: Some(Duration::from_secs(7)) });
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn of_a_long_answer_the_status_counts() {
    let authority = Authority::new();
    let long = "x".repeat(1 << 20);
    let text = long.clone();
    let new = Server::start(&authority, move |_| Reply::new(200, text.clone())).await;
    let old = Http1Server::start(&authority, &["http/1.1"], move |_| Turn::Answer(200, long.clone())).await;
    let client = client(&authority, true);
    for url in [new.url(), old.url()] {
        for _ in 0..2 {
            assert_eq!(client.post(to(&url)).await.unwrap().status, 200, "{url}");
        }
    }
}

#[tokio::test]
async fn what_was_allowed_once_is_looked_at_again() {
    let authority = Authority::new();
    let server = Http1Server::start(&authority, &["http/1.1"], |_| Turn::Answer(200, String::new())).await;
    let client = client(&authority, false);
    let port = server.url().rsplit(':').next().unwrap().to_owned();
    for place in ["https://localhost", "https://127.0.0.1", "https://[::1]", "http://127.0.0.1", "https://ann@receiver.example"] {
        let answer = client.post(to(&format!("{place}:{port}/"))).await;
        assert_eq!(answer, Err(Unanswered("address forbidden")), "{place}");
    }
    assert_eq!((server.opened(), server.seen().len()), (0, 0));
}

#[tokio::test]
async fn plain_http_reaches_a_receiver_on_this_machine() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = async {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut text = String::new();
        while !text.ends_with("{\"data\":[]}") {
            let mut buffer = [0; 1024];
            let read = tcp.read(&mut buffer).await.unwrap();
            text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        }
        tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        text
    };
    let (authority, url) = (Authority::new(), format!("http://127.0.0.1:{port}/dev"));
    let client = client(&authority, true);
    let (text, answer) = tokio::join!(serving, client.post(to(&url)));
    assert_eq!(answer.unwrap().status, 200);
    assert!(text.starts_with("POST /dev HTTP/1.1\r\n"));
}

#[tokio::test]
async fn why_there_is_no_answer_is_a_word() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let server = Server::start(&stranger, |_| Reply::ok()).await;
    let client = client(&authority, true);
    assert_eq!(client.post(to(&server.url())).await, Err(Unanswered("TLS failed")));
    assert_eq!(client.post(to("https://nowhere.invalid/")).await, Err(Unanswered("name not resolved")));
    let reset = Server::start(&authority, |_| Reply::Reset(h2::Reason::INTERNAL_ERROR)).await;
    assert_eq!(client.post(to(&reset.url())).await, Err(Unanswered("stream reset")));
}
