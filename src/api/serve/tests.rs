use std::net::SocketAddr;

use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

struct Running {
    address: SocketAddr,
    cancel: CancellationToken,
    tasks: TaskTracker,
}

async fn start(header_timeout_seconds: u64) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let slow = || async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        "done"
    };
    let router = Router::new().route("/", get(|| async { "hello" })).route("/slow", get(slow));
    let settings = Settings { header_timeout_seconds, ..Settings::default() };
    let (cancel, tasks) = (CancellationToken::new(), TaskTracker::new());
    tasks.spawn(serve(listener, router, settings, cancel.clone(), tasks.clone()));
    tasks.close();
    Running { address, cancel, tasks }
}

async fn ask(address: SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    // a connection that is left with something unread ends in a reset
    drop(stream.read_to_string(&mut answer).await);
    answer
}

#[tokio::test]
async fn both_versions_of_http_are_served() {
    let running = start(15).await;
    let answer = ask(running.address, "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}");

    let stream = TcpStream::connect(running.address).await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    let driver = TaskTracker::new().spawn(connection);
    let request = http::Request::get(format!("http://{}/", running.address)).body(()).unwrap();
    let response = client.send_request(request, true).unwrap().0.await.unwrap();
    assert_eq!(response.status(), 200);
    driver.abort();
}

#[tokio::test]
async fn a_caller_who_says_nothing_is_left() {
    let running = start(1).await;
    for text in ["", "GET / HT", "PRI * HTTP/2"] {
        let ended = tokio::time::timeout(Duration::from_secs(5), ask(running.address, text)).await;
        assert!(ended.is_ok(), "{text:?} was waited for");
    }
}

#[tokio::test]
async fn the_end_waits_for_what_is_under_way() {
    let running = start(15).await;
    let idle = TcpStream::connect(running.address).await.unwrap();
    let address = running.address;
    let asked = TaskTracker::new().spawn(ask(address, "GET /slow HTTP/1.1\r\nhost: x\r\n\r\n"));
    tokio::time::sleep(Duration::from_millis(50)).await;
    running.cancel.cancel();
    tokio::time::timeout(Duration::from_secs(5), running.tasks.wait()).await.unwrap();
    assert!(asked.await.unwrap().ends_with("done"));
    assert!(TcpStream::connect(address).await.is_err(), "nothing listens any more");
    drop(idle);
}
